package gitstore

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

// A repository that no honest git would make is refused on its way in.
func TestHostileRepositoryIsNotFetched(t *testing.T) {
	for _, name := range []string{".git", "..", "a/b"} {
		w := newWork(t)
		blob := w.gitIn([]byte("x"), "hash-object", "-w", "--stdin")
		id, err := gitobject.ParseID(blob)
		if err != nil {
			t.Fatal(err)
		}
		bad := "100644 " + name + "\x00" + string(id[:])
		at := w.gitIn([]byte(bad), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
		commit := w.git("commit-tree", "-m", "bad", at)
		w.git("update-ref", "refs/heads/main", commit)
		_, err = newStore(t, Options{}).Fetch(t.Context(), w.remote())
		if kindOf(err) != gitremote.FailedProtocol {
			t.Errorf("%q: %v", name, err)
		}
		oneLine(t, err)
	}
}
