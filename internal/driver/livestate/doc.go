// Package livestate remembers what the objects of a cluster look like now.
//
// In go list and watch streams of the kinds that somebody requires; out come
// objects, their metadata, who owns them, and a stream of changes. It stores
// objects compressed and is the only place that knows how. It never writes to
// the cluster, never presents half of a list as the whole, never polls, and
// never forgets an object because a request failed: an object disappears only
// when the API server said so, in a watch event or in a complete initial state.
package livestate
