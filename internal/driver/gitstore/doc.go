// Package gitstore fetches Git repositories and reads them without a checkout.
//
// In goes a remote with its credentials; out come the references it offers and,
// for any commit, the files as a source.Tree. The git program moves the objects,
// into one bare store per remote; reading is done here, from memory-mapped packs,
// by any number of readers at once, while fetches and repacking go on.
//
// The package never writes a working directory, never runs hooks, filters or
// credential helpers of the machine, never fetches submodules or LFS content
// (both are reported where they are read), never follows a link out of a tree,
// and never puts a credential into an argument, the environment, an error or a
// log line.
package gitstore
