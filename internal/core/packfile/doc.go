// Package packfile reads the packs that Git keeps objects in.
//
// In go the bytes of a pack and of its index, version 2; out comes any object in
// it, deltas applied, checked against its id. A pack may come from a stranger: what
// it claims is bounded by Limits before anything is allocated, chains of deltas
// that never end are cut off, and every fault is a *gitobject.CorruptError. The
// package never opens a file, and never looks for the base of a delta in another
// pack.
package packfile
