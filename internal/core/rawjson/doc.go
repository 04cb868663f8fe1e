// Package rawjson looks into JSON without decoding it.
//
// In go bytes, or a stream of JSON objects; out come members, elements and strings,
// as slices of what went in, and the single objects of the stream, whole and valid.
// It allocates nothing for what nobody asks about. The package never changes its
// input, and keeps none of it.
package rawjson
