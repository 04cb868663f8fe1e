package gitref

import (
	"fmt"
	"strings"
)

// Check refuses names that git would not accept as a reference, or would
// take for something else.
func Check(name string) error {
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }
	switch {
	case !strings.HasPrefix(name, "refs/"), len(name) > 512, strings.IndexFunc(name, bad) >= 0,
		strings.Contains(name, ".."), strings.Contains(name, "@{"), strings.Contains(name, "//"),
		strings.Contains(name, "/."), strings.HasSuffix(name, "/"), strings.HasSuffix(name, "."), strings.Contains(name, ".lock/"), strings.HasSuffix(name, ".lock"):
		return fmt.Errorf("reference %q: is not the full name of a reference", name)
	}
	return nil
}
