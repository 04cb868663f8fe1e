package signature

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Keyring is the keys of those whom an installation knows. The zero value knows nobody.
type Keyring struct {
	entities openpgp.EntityList
	digest   string // tells keyrings apart
}

// ParseKeys reads armoured public keys by the names that they are kept under. A key
// that cannot be read is named in faults, and hurts no other.
func ParseKeys(armoured map[string]string) (k Keyring, faults []string) {
	var prints []string
	for _, name := range slices.Sorted(maps.Keys(armoured)) {
		list, err := openpgp.ReadArmoredKeyRing(strings.NewReader(armoured[name]))
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: is no armoured OpenPGP key: %v", name, err))
			continue
		}
		k.entities = append(k.entities, list...)
		for _, e := range list {
			prints = append(prints, fmt.Sprintf("%X", e.PrimaryKey.Fingerprint))
		}
		prints = append(prints, armoured[name]) // with what has been revoked
	}
	k.digest = strings.Join(prints, " ")
	return k, faults
}

// Equal reports whether two keyrings hold the same.
func (k Keyring) Equal(other Keyring) bool { return k.digest == other.digest }

// signer returns the fingerprints of the key that made an armoured signature over
// payload, and of the one that vouches for it, in upper-case hex.
func (k Keyring) signer(signed string, payload []byte, now time.Time) ([]string, error) {
	switch {
	case strings.TrimSpace(signed) == "":
		return nil, errors.New("is not signed")
	case strings.Contains(signed, "BEGIN SSH SIGNATURE"):
		return nil, errors.New("is signed with SSH, and only OpenPGP signatures count")
	case strings.Contains(signed, "BEGIN SIGNED MESSAGE"):
		return nil, errors.New("is signed with X.509, and only OpenPGP signatures count")
	}
	block, err := armor.Decode(strings.NewReader(signed))
	if err != nil {
		return nil, fmt.Errorf("has a signature that cannot be read: %w", err)
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	sig, entity, err := openpgp.VerifyDetachedSignature(k.entities, bytes.NewReader(payload), block.Body, config)
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return nil, errors.New("is signed with a key that is not among those of the installation")
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return nil, errors.New("is signed with a key that has expired")
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return nil, errors.New("is signed with a key that was revoked")
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return nil, errors.New("has a signature that has expired")
	case err != nil:
		return nil, fmt.Errorf("has a signature that does not hold: %w", err)
	}
	prints := []string{fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)}
	for _, sub := range entity.Subkeys {
		if sig.IssuerKeyId != nil && sub.PublicKey.KeyId == *sig.IssuerKeyId {
			prints = append(prints, fmt.Sprintf("%X", sub.PublicKey.Fingerprint))
		}
	}
	return prints, nil
}
