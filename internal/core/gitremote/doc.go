// Package gitremote knows what it takes to fetch from a Git repository on a server.
//
// In go URLs and credentials as people write them, and what git printed when it
// failed; out come checked addresses, the files with which to run git so that
// credentials are in no argument and no variable, and errors of a kind that says
// who can help. It refuses every URL that git or ssh could read as something else
// than an address. The package never opens a connection or a file, never runs
// git, and never lets a secret into an error.
package gitremote
