// Package gitobject reads the objects of Git: ids, trees, commits, annotated tags
// and the form of an object that has a file of its own.
//
// In go the bytes of objects, or a Reader that looks them up; out come their
// parts. Names in trees that could only be meant to harm are refused; metadata
// that people's tools have written in odd ways is read as far as it goes. The
// package never opens a file and never checks signatures: it returns the signed
// bytes and the signature.
package gitobject
