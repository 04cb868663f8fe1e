package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// signer NAME: a person with an OpenPGP key. $KEY_NAME is the public key, as it stands
// in a string of JSON, and $KEYID_NAME its id.
func (s *story) signer(c *call) error {
	if err := c.want(1, 1, "signer NAME"); err != nil {
		return err
	}
	name := c.args[0]
	e, err := openpgp.NewEntity(name, "", name+"@example.org", nil)
	if err != nil {
		return err
	}
	var public bytes.Buffer
	w, err := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err != nil {
		return err
	}
	if err := e.Serialize(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	text, err := json.Marshal(public.String())
	if err != nil {
		return err
	}
	if s.signers == nil {
		s.signers = map[string]*openpgp.Entity{}
	}
	s.signers[name] = e
	s.set(c, "KEY_"+name, strings.Trim(string(text), `"`))
	s.set(c, "KEYID_"+name, fmt.Sprintf("%016X", e.PrimaryKey.KeyId))
	return nil
}

// signHead replaces the newest commit of a work tree by one that is signed.
func signHead(tree string, by *openpgp.Entity) error {
	text, err := git(tree, "cat-file", "commit", "HEAD")
	if err != nil {
		return err
	}
	head, message, _ := strings.Cut(text, "\n\n")
	message += "\n"
	var signature bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&signature, by, strings.NewReader(head+"\n\n"+message), nil); err != nil {
		return err
	}
	signed := head + "\ngpgsig " + strings.ReplaceAll(strings.TrimSpace(signature.String()), "\n", "\n ") + "\n\n" + message
	file := filepath.Join(tree, ".git", "signed")
	if err := os.WriteFile(file, []byte(signed), 0o644); err != nil {
		return err
	}
	id, err := git(tree, "hash-object", "-t", "commit", "-w", file)
	if err == nil {
		_, err = git(tree, "reset", "-q", "--soft", id)
	}
	return err
}
