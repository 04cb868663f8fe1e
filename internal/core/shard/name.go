package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Lengths of names: what a Lease may be called, and how much of a host's name goes
// into one.
const (
	longestName = 63
	hostPart    = 40
)

var (
	validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	unnamed   = regexp.MustCompile(`[^a-z0-9]+`)
)

// PlaceName names the place where a member runs, by its host and the absolute path
// of its data: a restarted process has the same name, and no other one has it.
func PlaceName(host, data string) string {
	sum := sha256.Sum256([]byte(host + "\x00" + data))
	short := strings.Trim(unnamed.ReplaceAllString(strings.ToLower(host), "-"), "-")
	return strings.TrimRight("plumbd-"+short[:min(len(short), hostPart)], "-") + "-" + hex.EncodeToString(sum[:4])
}

// CheckName says why a member cannot have a name; nil: it can.
func CheckName(name string) error {
	if len(name) > longestName || !validName.MatchString(name) {
		return fmt.Errorf("%q is no name for a Lease: use up to %d small letters, digits and dashes", name, longestName)
	}
	return nil
}

// Reachable is where others find a server on a host that listens at an address: a
// wildcard says nothing to them.
func Reachable(listen, host string) string {
	i := strings.LastIndexByte(listen, ':')
	if i < 0 {
		return listen
	}
	at := strings.Trim(listen[:i], "[]")
	if ip, err := netip.ParseAddr(at); at == "" || err == nil && ip.IsUnspecified() {
		return host + listen[i:]
	}
	return listen
}
