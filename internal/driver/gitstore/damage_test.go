package gitstore

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// damaged returns a fetched repository's only pack and index, for a test to spoil.
func damaged(t *testing.T) (w *work, dir, packName string, id string) {
	t.Helper()
	w = newWork(t)
	id = w.manifold(40)
	w.git("repack", "-a", "-d", "-q", "-f")
	w.git("prune-packed")
	names, _ := filepath.Glob(filepath.Join(w.dir, ".git", "objects", "pack", "*.pack"))
	if len(names) != 1 {
		t.Fatalf("packs %q", names)
	}
	os.Chmod(names[0], 0o600)
	os.Chmod(strings.TrimSuffix(names[0], ".pack")+".idx", 0o600)
	return w, w.dir, names[0], id
}

// readAll reads all of a commit and returns the errors.
func readAll(dir, id string) (files int, err error) {
	l, err := OpenLocal(dir, Options{})
	if err != nil {
		return 0, err
	}
	at, err := l.Tree(source.Revision{ID: id})
	if err != nil {
		return 0, err
	}
	var errs []error
	fs.WalkDir(at, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		if d.Type().IsRegular() {
			if _, err := at.ReadFile(name); err != nil {
				errs = append(errs, err)
				return nil
			}
			files++
		}
		return nil
	})
	return files, errors.Join(errs...)
}

// Whatever byte is wrong: an error or the right content, never a panic and never
// other content.
func TestDamagedPack(t *testing.T) {
	_, dir, name, id := damaged(t)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	faults := 0
	for at := 0; at < len(whole); at += max(1, len(whole)/200) {
		spoilt := bytes.Clone(whole)
		spoilt[at] ^= 0x55
		os.WriteFile(name, spoilt, 0o600)
		if _, err := readAll(dir, id); err != nil {
			faults++
		}
	}
	if faults < 50 {
		t.Errorf("only %d faults were noticed", faults)
	}
	os.WriteFile(name, whole[:len(whole)/2], 0o600)
	if _, err := readAll(dir, id); err == nil {
		t.Error("half a pack was accepted")
	}
	os.WriteFile(name, nil, 0o600)
	if _, err := readAll(dir, id); err == nil {
		t.Error("an empty pack was accepted")
	}
}

func TestDamagedIndex(t *testing.T) {
	_, dir, name, id := damaged(t)
	name = strings.TrimSuffix(name, ".pack") + ".idx"
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += max(1, len(whole)/200) {
		spoilt := bytes.Clone(whole)
		spoilt[at] ^= 0xff
		os.WriteFile(name, spoilt, 0o600)
		readAll(dir, id)
	}
	for _, size := range []int{0, 1, 8, 1000, 1071, len(whole) - 1} {
		os.WriteFile(name, whole[:size], 0o600)
		if _, err := readAll(dir, id); err == nil {
			t.Errorf("an index of %d bytes was accepted", size)
		}
	}
}

// A mapped file that is cut off while in use gives an error, not a crash.
func TestPackCutOffInUse(t *testing.T) {
	_, dir, name, id := damaged(t)
	l, err := OpenLocal(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := l.Tree(source.Revision{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	_, err = at.ReadFile("apps/app-000/f1.yaml")
	var corrupt *gitobject.CorruptError
	if !errors.As(err, &corrupt) {
		t.Errorf("%v", err)
	}
	oneLine(t, err)
}

// A pack that is deleted while in use stays readable.
func TestPackDeletedInUse(t *testing.T) {
	_, dir, name, id := damaged(t)
	l, err := OpenLocal(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := l.Tree(source.Revision{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(name)
	os.Remove(strings.TrimSuffix(name, ".pack") + ".idx")
	if _, err := at.ReadFile("apps/app-000/f1.yaml"); err != nil {
		t.Error(err)
	}
}
