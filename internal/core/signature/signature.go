// Package signature decides whether a revision of a Git repository was signed by
// somebody whom a policy names.
//
// In go a policy, the keys of an installation and a reader of commits and tags; out
// comes nothing, or an error that names the commit and what is wrong with its
// signature. The package fetches nothing and knows no time but the one it is given.
package signature

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Mode says what has to be signed.
type Mode string

// The modes.
const (
	None   Mode = "none"   // nothing
	Head   Mode = "head"   // the annotated tag that was asked for, or else the commit
	Strict Mode = "strict" // that, and the commit with all that led to it
)

// Policy is what is asked of some repositories.
type Policy struct {
	Repos []string // globs of their addresses; "!" excludes
	Mode  Mode
	Keys  []string // ends of the fingerprints of keys that count, at least 8 hex digits each
}

// Check says what is wrong with a policy.
func (p Policy) Check() error {
	if !slices.Contains([]Mode{None, Head, Strict}, p.Mode) {
		return fmt.Errorf("mode %q is none of none, head, strict", p.Mode)
	}
	for _, key := range p.Keys {
		if len(key) < 8 || strings.Trim(strings.ToUpper(key), "0123456789ABCDEF") != "" {
			return fmt.Errorf("%q is no id of a key: want 8 or more hex digits of the end of its fingerprint", key)
		}
	}
	return nil
}

// names reports whether one of the fingerprints is of a key that counts.
func (p Policy) names(prints []string) bool {
	return slices.ContainsFunc(p.Keys, func(key string) bool {
		return len(key) >= 8 && slices.ContainsFunc(prints, func(print string) bool { return strings.HasSuffix(print, strings.ToUpper(key)) })
	})
}

// History reads the commits and tags of a repository.
type History interface {
	Commit(ctx context.Context, id string) (gitobject.Commit, error)
	// Tag returns the annotated tag with a short name, and fs.ErrNotExist if there is none.
	Tag(ctx context.Context, name string) (gitobject.Tag, error)
}

// Error reports a revision that was not signed as a policy asks.
type Error struct {
	Object string // "commit 4f1c2ab", "tag v1.0"
	Reason string
	Keys   []string // that would count
}

func (e *Error) Error() string {
	want := "no key counts"
	if len(e.Keys) > 0 {
		want = "signatures of these keys count: " + strings.Join(e.Keys, ", ")
	}
	return fmt.Sprintf("%s %s; %s", e.Object, e.Reason, want)
}

// historyLimit is how many commits are looked at for one revision.
const historyLimit = 1_000_000

// Verify fails with *Error unless rev was signed as the policy asks. proofs remembers
// what was found; it costs a millisecond for each signature that is not in there.
func (p Policy) Verify(ctx context.Context, h History, rev source.Revision, keys Keyring, now time.Time, proofs *Proofs) error {
	if p.Mode == None {
		return nil
	}
	tag, tagged, err := tagOf(ctx, h, rev)
	if err != nil {
		return err
	}
	check := checker{p, keys, now, proofs}
	if tagged {
		if err := check.one("tag "+tag.Name, tag.ID, tag.Signed, tag.Payload); err != nil || p.Mode == Head {
			return err
		}
	}
	if p.Mode == Strict {
		return check.all(ctx, h, rev.ID)
	}
	c, err := h.Commit(ctx, rev.ID)
	if err != nil {
		return err
	}
	return check.one("commit "+short(c.ID), c.ID, c.Signed, c.Payload)
}

// tagOf returns the annotated tag by which a revision was asked for.
func tagOf(ctx context.Context, h History, rev source.Revision) (tag gitobject.Tag, found bool, err error) {
	name := strings.TrimPrefix(rev.Name, "refs/tags/")
	if name == "" || strings.HasPrefix(name, "refs/") || name == rev.ID {
		return tag, false, nil
	}
	tag, err = h.Tag(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return tag, false, nil
	}
	return tag, err == nil && tag.Target == rev.ID, err
}

type checker struct {
	Policy

	keys   Keyring
	now    time.Time
	proofs *Proofs
}

// one checks the signature of one commit or tag.
func (c checker) one(object, id, signed string, payload []byte) error {
	if c.proofs.has(c.key("one", id), c.now) {
		return nil
	}
	err := c.holds(object, signed, payload)
	if err == nil {
		c.proofs.add(c.key("one", id), c.now)
	}
	return err
}

func (c checker) holds(object, signed string, payload []byte) error {
	prints, err := c.keys.signer(signed, payload, c.now)
	if err == nil && !c.names(prints) {
		err = errors.New("is signed with key " + prints[0][len(prints[0])-16:])
	}
	if err != nil {
		return &Error{Object: object, Reason: err.Error(), Keys: c.Keys}
	}
	return nil
}

// all checks a commit and everything that led to it.
func (c checker) all(ctx context.Context, h History, tip string) error {
	seen := map[string]bool{tip: true}
	for next := []string{tip}; len(next) > 0; {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		if c.proofs.has(c.key("all", id), c.now) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		commit, err := h.Commit(ctx, id)
		if err != nil {
			return err
		}
		if err := c.holds("commit "+short(id), commit.Signed, commit.Payload); err != nil {
			return err
		}
		for _, parent := range commit.Parents {
			if !seen[parent] {
				seen[parent] = true
				next = append(next, parent)
			}
		}
		if len(seen) > historyLimit {
			return &Error{Object: "commit " + short(tip), Reason: fmt.Sprintf("has more than %d commits before it", historyLimit), Keys: c.Keys}
		}
	}
	c.proofs.add(c.key("all", tip), c.now)
	return nil
}

// key names a proof: of an object, under these keys.
func (c checker) key(what, id string) string {
	return strings.Join([]string{what, id, strings.Join(c.Keys, ","), c.keys.digest}, "\n")
}

func short(id string) string { return id[:min(7, len(id))] }

// Proofs remembers signatures that held, for a while. The zero value is ready to use;
// it is safe for concurrent use.
type Proofs struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	proofAge   = time.Hour // after which keys may have expired
	proofLimit = 4096
)

func (p *Proofs) has(key string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.at[digestOf(key)]
	return ok && now.Sub(at) < proofAge
}

func (p *Proofs) add(key string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil || len(p.at) >= proofLimit {
		p.at = map[string]time.Time{}
	}
	p.at[digestOf(key)] = now
}

func digestOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return string(sum[:])
}
