// Package wire is what the renderer and its worker processes say to each other.
//
// In go and out come frames over any reader and writer: jobs, the worker's questions
// about the tree and the answers to them, results, and errors that keep what callers
// branch on. The worker's tree is one whose reads are questions. The package never
// starts a process, never renders, and never allocates for a frame above its limit.
package wire
