package gitobject

import (
	"strings"
	"testing"
)

func FuzzTree(f *testing.F) {
	f.Add([]byte("100644 a\x0001234567890123456789"))
	f.Add([]byte("40000 dir\x0001234567890123456789120000 l\x0001234567890123456789"))
	f.Add([]byte("100644 a.b\x000123456789012345678940000 a\x0001234567890123456789100644 a0\x0001234567890123456789100755 a\x0098765432109876543210"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := ParseTree(raw, 1000)
		if err != nil {
			return
		}
		index, err := NewIndex(raw)
		if err != nil {
			t.Fatalf("no index of what can be listed: %v", err)
		}
		for _, e := range entries {
			if strings.ContainsAny(e.Name, "/\x00") || e.Name == "" || e.Name == ".." || e.Name == "." || strings.EqualFold(e.Name, ".git") {
				t.Errorf("name %q", e.Name)
			}
			found, ok, err := FindEntry(raw, e.Name)
			if !ok || err != nil || found.Name != e.Name {
				t.Errorf("listed %q is not found: %v", e.Name, err)
			}
			if indexed, ok, err := index.Find(raw, e.Name); !ok || err != nil || indexed != found {
				t.Errorf("%q is %v by the index and %v without: %v", e.Name, indexed, found, err)
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
