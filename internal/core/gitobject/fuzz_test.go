package gitobject

import (
	"strings"
	"testing"
)

func FuzzTree(f *testing.F) {
	f.Add([]byte("100644 a\x0001234567890123456789"))
	f.Add([]byte("40000 dir\x0001234567890123456789120000 l\x0001234567890123456789"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := ParseTree(raw, 1000)
		if err != nil {
			return
		}
		for _, e := range entries {
			if strings.ContainsAny(e.Name, "/\x00") || e.Name == "" || e.Name == ".." || e.Name == "." || strings.EqualFold(e.Name, ".git") {
				t.Errorf("name %q", e.Name)
			}
			found, ok, err := FindEntry(raw, e.Name)
			if !ok || err != nil || found.Name != e.Name {
				t.Errorf("listed %q is not found: %v", e.Name, err)
			}
		}
	})
}

func FuzzLoose(f *testing.F) {
	f.Add([]byte("blob 3\x00abc"))
	f.Fuzz(func(t *testing.T, head []byte) { parseLooseHead(head) })
}

func FuzzCommitAndTag(f *testing.F) {
	f.Add([]byte("tree " + strings.Repeat("a", 40) + "\nauthor A <a@b> 1 +0100\ngpgsig -----BEGIN\n x\n -----END\n\nsubject\n\nbody"))
	f.Add([]byte("object " + strings.Repeat("a", 40) + "\ntype commit\ntag v1\ntagger A <a@b> 1 -0100\n\nx\n-----BEGIN PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseCommit(ID{}, data); err == nil && len(c.Payload) > len(data)+1 {
			t.Errorf("payload of %d bytes from %d", len(c.Payload), len(data))
		}
		ParseTag(ID{}, data)
	})
}
