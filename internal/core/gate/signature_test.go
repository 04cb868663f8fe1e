package gate_test

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
)

// The first policy decides whose patterns match, if none of them excludes.
func TestSignaturePolicy(t *testing.T) {
	policies := []signature.Policy{
		{Mode: signature.None, Repos: []string{"https://git.example/acme/*", "!https://git.example/acme/prod"}},
		{Mode: signature.Strict, Repos: []string{"!https://git.example/acme/prod-*", "https://git.example/**"}},
		{Mode: signature.Head, Repos: []string{"git@ssh.example:team/*"}},
	}
	for url, want := range map[string]signature.Mode{
		"https://git.example/acme/shop.git": signature.None, "https://git.example/acme/prod": signature.Strict, "https://GIT.example/acme/prod/": signature.Strict,
		"https://me@git.example:443/acme/shop//": signature.None, "https://git.example/acme/x/../prod": signature.Strict,
		"https://git.example/other": signature.Strict, "https://git.example/acme/prod-eu": signature.None,
		"ssh://git@ssh.example/team/a": signature.Head, "https://elsewhere.example/a": "",
	} {
		got, ok := gate.SignaturePolicy(policies, url)
		if got.Mode != want || ok != (want != "") {
			t.Errorf("%s: %q %t, want %q", url, got.Mode, ok, want)
		}
	}
	if got, ok := gate.SignaturePolicy([]signature.Policy{{Mode: signature.Head, Repos: []string{"*"}}}, "https://any.example/a/b"); !ok || got.Mode != signature.Head {
		t.Error("the star is not for all")
	}
}
