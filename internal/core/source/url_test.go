package source_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestNormalizeURL(t *testing.T) {
	tests := map[string]struct{ reason, in, want string }{
		"host case":      {"host names ignore case, paths do not", "https://GitHub.com/Org/Repo", "https://github.com/Org/Repo"},
		"suffix":         {"servers accept both forms", "https://github.com/org/repo.git", "https://github.com/org/repo"},
		"slash":          {"", "https://github.com/org/repo.git/", "https://github.com/org/repo"},
		"port":           {"the default port is no difference", "https://github.com:443/org/repo", "https://github.com/org/repo"},
		"other port":     {"another port is another server", "https://github.com:8443/org/repo", "https://github.com:8443/org/repo"},
		"user":           {"who asks does not change what is asked for", "https://me:secret@github.com/org/repo", "https://github.com/org/repo"},
		"scp":            {"the two ssh forms mean the same", "git@github.com:org/repo.git", "ssh://github.com/org/repo"},
		"scp without":    {"", "github.com:org/repo", "ssh://github.com/org/repo"},
		"scp ipv6":       {"", "git@[2001:db8::1]:org/repo", "ssh://[2001:db8::1]/org/repo"},
		"ssh":            {"", "ssh://git@github.com:22/org/repo.git", "ssh://github.com/org/repo"},
		"ipv6":           {"", "https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"},
		"doubled slash":  {"", "https://h/a//b/", "https://h/a/b"},
		"root":           {"", "https://h/", "https://h"},
		"query":          {"a query may select a repository", "https://h/a?x=1", "https://h/a?x=1"},
		"local":          {"", "/srv/git/repo.git", "/srv/git/repo"},
		"not a url":      {"nonsense stays as it is", "https://h:abc:d/%zz", "https://h:abc:d/%zz"},
		"space around":   {"", "  https://h/a ", "https://h/a"},
		"trailing dot":   {"", "https://h./a", "https://h/a"},
		"oci untouched":  {"", "oci://Registry.example/org/chart", "oci://registry.example/org/chart"},
		"empty":          {"", "", ""},
		"scheme in caps": {"", "HTTPS://h/a", "https://h/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := source.NormalizeURL(tt.in)
			if got != tt.want {
				t.Errorf("NormalizeURL(%q) = %q, want %q: %s", tt.in, got, tt.want, tt.reason)
			}
			if again := source.NormalizeURL(got); again != got {
				t.Errorf("not idempotent: %q becomes %q", got, again)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"password":   {"https://me:secret@h/a.git", "https://h/a.git"},
		"token":      {"https://secret@h/a", "https://h/a"},
		"ssh":        {"ssh://git:secret@h/a", "ssh://git@h/a"},
		"scp":        {"git:secret@h:a/b", "git@h:a/b"},
		"scp plain":  {"git@h:a/b", "git@h:a/b"},
		"query":      {"https://h/a?token=secret", "https://h/a?redacted"},
		"unparsable": {"https://me:secret@h:port/%zz?token=secret", "https://h:port/%zz"},
		"control":    {"https://me:secret@h/\n", "https://h/"},
		"plain":      {"https://h/a", "https://h/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := source.Redact(tt.in); got != tt.want {
				t.Errorf("Redact(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("https://", "me", "h/a")
	f.Add("", "git", "h:a")
	f.Add("ssh://", "git", "h:port/")
	f.Fuzz(func(t *testing.T, scheme, user, rest string) {
		const secret = "S3CR3T"
		if scheme != "" && scheme != "https://" && scheme != "ssh://" || strings.ContainsAny(user, "@?#/ \\[]") {
			return
		}
		raw := scheme + user + ":" + secret + "@" + rest
		if got := source.Redact(raw); strings.Contains(got, secret) {
			t.Errorf("Redact(%q) = %q", raw, got)
		}
		source.NormalizeURL(raw)
	})
}
