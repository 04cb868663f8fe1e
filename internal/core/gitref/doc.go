// Package gitref reads Git's references and names them.
//
// In go the text of a repository's files, full names and the names that somebody
// wants besides branches and tags; out come object ids by name, the refspecs that
// mirror a remote, and its references by their own names again. Names that Git
// would take for something else are refused. The package never opens a file and
// never looks an object up.
package gitref
