package signature_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

var now = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)

// person has a key.
type person struct {
	entity *openpgp.Entity
	public string // armoured
	id     string // 16 hex digits
	sub    string // of the signing subkey, if there is one
}

func newPerson(t *testing.T, name string, lifetime time.Duration, subkey bool) person {
	t.Helper()
	config := &packet.Config{
		Time: func() time.Time { return now.Add(-48 * time.Hour) }, Algorithm: packet.PubKeyAlgoEdDSA,
		KeyLifetimeSecs: uint32(lifetime / time.Second),
	}
	e, err := openpgp.NewEntity(name, "", name+"@example.org", config)
	if err == nil && subkey {
		err = e.AddSigningSubkey(config)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := person{entity: e, id: fmt.Sprintf("%016X", e.PrimaryKey.KeyId)}
	if subkey {
		p.sub = fmt.Sprintf("%016X", e.Subkeys[len(e.Subkeys)-1].PublicKey.KeyId)
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err == nil {
		err = e.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.public = out.String()
	return p
}

func (p person) sign(t *testing.T, payload string) string {
	t.Helper()
	var out bytes.Buffer
	config := &packet.Config{Time: func() time.Time { return now.Add(-47 * time.Hour) }}
	if err := openpgp.ArmoredDetachSign(&out, p.entity, strings.NewReader(payload), config); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// repository has commits and tags by their names.
type repository struct {
	commits map[string]gitobject.Commit
	tags    map[string]gitobject.Tag
	reads   int
}

func (r *repository) Commit(_ context.Context, id string) (gitobject.Commit, error) {
	r.reads++
	c, ok := r.commits[id]
	if !ok {
		return c, errors.New("no such commit")
	}
	return c, nil
}

func (r *repository) Tag(_ context.Context, name string) (gitobject.Tag, error) {
	tag, ok := r.tags[name]
	if !ok {
		return tag, fmt.Errorf("tag %s: %w", name, fs.ErrNotExist)
	}
	return tag, nil
}

func TestVerify(t *testing.T) {
	ann, bob, old := newPerson(t, "ann", 0, false), newPerson(t, "bob", 0, true), newPerson(t, "old", 36*time.Hour, false)
	eve := newPerson(t, "eve", 0, false) // not known
	keys, faults := signature.ParseKeys(map[string]string{ann.id: ann.public, bob.id: bob.public, old.id: old.public, "note": "not a key"})
	if len(faults) != 1 || !strings.HasPrefix(faults[0], "note: is no armoured OpenPGP key") {
		t.Errorf("%q", faults)
	}
	commit := func(id string, by *person, parents ...string) gitobject.Commit {
		c := gitobject.Commit{ID: id, Payload: []byte("payload of " + id), Parents: parents}
		if by != nil {
			c.Signed = by.sign(t, string(c.Payload))
		}
		return c
	}
	forged := commit("forged", &ann)
	forged.Payload = []byte("something else")
	ssh := commit("ssh", nil)
	ssh.Signed = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"
	damaged := commit("damaged", &ann)
	damaged.Signed = damaged.Signed[:len(damaged.Signed)/2]
	r := &repository{commits: map[string]gitobject.Commit{}, tags: map[string]gitobject.Tag{}}
	for _, c := range []gitobject.Commit{
		commit("root", &ann), commit("unsigned", nil, "root"), commit("left", &bob, "root"), commit("tip", &ann, "left", "root"),
		commit("late", &ann, "unsigned"), commit("eve", &eve), commit("old", &old), forged, ssh, damaged, commit("orphan", &ann, "lost"),
	} {
		r.commits[c.ID] = c
	}
	r.tags["v1"] = gitobject.Tag{ID: "tag1", Name: "v1", Target: "unsigned", Payload: []byte("tag"), Signed: ann.sign(t, "tag")}
	r.tags["v2"] = gitobject.Tag{ID: "tag2", Name: "v2", Target: "tip", Payload: []byte("tag")}
	r.tags["moved"] = gitobject.Tag{ID: "tag3", Name: "moved", Target: "root", Payload: []byte("tag"), Signed: ann.sign(t, "tag")}

	for name, test := range map[string]struct {
		mode signature.Mode
		keys []string
		rev  source.Revision
		want string
	}{
		"none":               {signature.None, nil, source.Revision{ID: "unsigned"}, ""},
		"signed":             {signature.Head, []string{ann.id}, source.Revision{Name: "main", ID: "late"}, ""},
		"unsigned":           {signature.Head, []string{ann.id}, source.Revision{Name: "main", ID: "unsigned"}, "commit unsigne is not signed; signatures of these keys count: " + ann.id},
		"by a subkey":        {signature.Head, []string{bob.id}, source.Revision{ID: "left"}, ""},
		"named by subkey":    {signature.Head, []string{strings.ToLower(bob.sub)}, source.Revision{ID: "left"}, ""},
		"by another":         {signature.Head, []string{bob.id}, source.Revision{ID: "root"}, "commit root is signed with key " + ann.id + "; "},
		"by nobody known":    {signature.Head, []string{eve.id}, source.Revision{ID: "eve"}, "not among those of the installation"},
		"expired":            {signature.Head, []string{old.id}, source.Revision{ID: "old"}, "expired"},
		"forged":             {signature.Head, []string{ann.id}, source.Revision{ID: "forged"}, "does not hold"},
		"damaged":            {signature.Head, []string{ann.id}, source.Revision{ID: "damaged"}, "does not hold"},
		"ssh":                {signature.Head, []string{ann.id}, source.Revision{ID: "ssh"}, "only OpenPGP signatures count"},
		"no keys":            {signature.Head, nil, source.Revision{ID: "root"}, "no key counts"},
		"empty key":          {signature.Head, []string{""}, source.Revision{ID: "root"}, "commit root is signed"},
		"tag":                {signature.Head, []string{ann.id}, source.Revision{Name: "v1", ID: "unsigned"}, ""},
		"tag by its name":    {signature.Head, []string{ann.id}, source.Revision{Name: "refs/tags/v1", ID: "unsigned"}, ""},
		"unsigned tag":       {signature.Head, []string{ann.id}, source.Revision{Name: "v2", ID: "tip"}, "tag v2 is not signed"},
		"tag of another":     {signature.Head, []string{ann.id}, source.Revision{Name: "moved", ID: "unsigned"}, "commit unsigne is not signed"},
		"all":                {signature.Strict, []string{ann.id, bob.id}, source.Revision{ID: "tip"}, ""},
		"not all by these":   {signature.Strict, []string{ann.id}, source.Revision{ID: "tip"}, "commit left is signed with key " + bob.id},
		"one before":         {signature.Strict, []string{ann.id}, source.Revision{ID: "late"}, "commit unsigne is not signed"},
		"tag is not enough":  {signature.Strict, []string{ann.id}, source.Revision{Name: "v1", ID: "unsigned"}, "commit unsigne is not signed"},
		"history is missing": {signature.Strict, []string{ann.id}, source.Revision{ID: "orphan"}, "no such commit"},
	} {
		t.Run(name, func(t *testing.T) {
			err := signature.Policy{Mode: test.mode, Keys: test.keys}.Verify(t.Context(), r, test.rev, keys, now, &signature.Proofs{})
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// What held is not looked at again, as long as the keys are the same and the proof fresh.
func TestProofs(t *testing.T) {
	ann, bob := newPerson(t, "ann", 0, false), newPerson(t, "bob", 0, false)
	keys, _ := signature.ParseKeys(map[string]string{"a": ann.public})
	both, _ := signature.ParseKeys(map[string]string{"a": ann.public, "b": bob.public})
	r := &repository{commits: map[string]gitobject.Commit{}}
	for i := range 10 {
		c := gitobject.Commit{ID: fmt.Sprint("c", i), Payload: fmt.Append(nil, i)}
		if i > 0 {
			c.Parents = []string{fmt.Sprint("c", i-1)}
		}
		c.Signed = ann.sign(t, string(c.Payload))
		r.commits[c.ID] = c
	}
	var proofs signature.Proofs
	p := signature.Policy{Mode: signature.Strict, Keys: []string{ann.id}}
	verify := func(id string, keys signature.Keyring, at time.Time, want int) {
		t.Helper()
		r.reads = 0
		if err := p.Verify(t.Context(), r, source.Revision{ID: id}, keys, at, &proofs); err != nil {
			t.Error(err)
		}
		if r.reads != want {
			t.Errorf("%s: %d reads, want %d", id, r.reads, want)
		}
	}
	verify("c8", keys, now, 9)
	verify("c8", keys, now, 0)
	verify("c9", keys, now, 1)
	verify("c9", both, now, 10)
	verify("c9", keys, now.Add(2*time.Hour), 10)
}

func TestPolicyCheck(t *testing.T) {
	for want, p := range map[string]signature.Policy{
		"":                              {Mode: signature.Head, Keys: []string{"4aee18f83afdeb23"}},
		`mode "all" is none of`:         {Mode: "all"},
		`"AB" is no id of a key`:        {Mode: signature.Head, Keys: []string{"AB"}},
		`"ann@example.org" is no id of`: {Mode: signature.Strict, Keys: []string{"ann@example.org"}},
	} {
		err := p.Check()
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n-----END PGP PUBLIC KEY BLOCK-----\n")
	f.Fuzz(func(_ *testing.T, text string) {
		keys, _ := signature.ParseKeys(map[string]string{"a": text})
		r := &repository{commits: map[string]gitobject.Commit{"c": {ID: "c", Signed: text, Payload: []byte("x")}}}
		_ = signature.Policy{Mode: signature.Head, Keys: []string{"4aee18f83afdeb23"}}.Verify(context.Background(), r, source.Revision{ID: "c"}, keys, now, &signature.Proofs{})
	})
}
