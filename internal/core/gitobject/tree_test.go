package gitobject

import (
	"strings"
	"testing"
)

func TestHostileTrees(t *testing.T) {
	line := func(mode, name string) string { return mode + " " + name + "\x00" + strings.Repeat("i", 20) }
	for name, text := range map[string]string{
		"dotdot": line("40000", ".."), "dot": line("40000", "."), "git": line("40000", ".git"), "GIT": line("100644", ".GiT"),
		"slash": line("100644", "a/b"), "empty": line("100644", ""), "mode": line("100000", "a"), "long mode": line("00000000100644", "a"),
		"cut": line("100644", "a")[:15], "no name": "100644 ", "no mode": " a\x00" + strings.Repeat("i", 20), "too many": strings.Repeat(line("100644", "a"), 101),
	} {
		if _, err := ParseTree([]byte(text), 100); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, ok, _ := FindEntry([]byte(line("40000", ".git")), ".git"); ok {
		t.Error(".git was found")
	}
}
