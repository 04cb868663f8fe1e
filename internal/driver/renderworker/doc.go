// Package renderworker runs template tools in processes of their own.
//
// In go render requests and trees; out come the results that the tool made in a
// worker: the same program, started again with another command, whose only way
// to a file is to ask. Pool is the side that asks for renders, Serve the side
// that renders. A tool that runs too long, takes too much memory or crashes
// takes its worker with it and fails that one render; the others go on.
//
// A worker has no network, no PATH and an almost empty environment. It is given
// no credentials. Workers start when there is work and end when there is none.
package renderworker
