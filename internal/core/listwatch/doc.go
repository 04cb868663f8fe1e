// Package listwatch reads what an API server answers to list and watch requests.
//
// In go the frames of a watch and the pages of a list, still raw; out come events,
// bookmarks, the headers of objects, resource versions in their order, and what a
// failure means for the next attempt. Objects are not decoded: what is known of them
// by a header refers to the bytes that came in. The package never sends a request
// and never waits.
package listwatch
