package app

import (
	"net/url"
	"testing"
)

func TestProxyFor(t *testing.T) {
	const proxy = "http://me:pw@proxy.example:3128"
	for name, test := range map[string]struct {
		proxy, not, address, want string
	}{
		"none":       {"", "", "https://git.example/a", ""},
		"https":      {proxy, "", "https://git.example/a", proxy},
		"http":       {proxy, "", "http://git.example/a", proxy},
		"socks":      {"socks5://proxy.example:1080", "", "https://git.example/a", "socks5://proxy.example:1080"},
		"excluded":   {proxy, "other.example,git.example", "https://git.example/a", ""},
		"subdomain":  {proxy, ".example", "https://git.example/a", ""},
		"network":    {proxy, "10.0.0.0/8", "https://10.1.2.3/a", ""},
		"port":       {proxy, "git.example:8443", "https://git.example/a", proxy},
		"all":        {proxy, "*", "https://git.example/a", ""},
		"this":       {proxy, "", "http://127.0.0.1:3000/a", ""},
		"not by ssh": {proxy, "", "ssh://git@git.example/a", ""},
	} {
		address, err := url.Parse(test.address)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Credentials{Proxy: test.proxy, NoProxy: test.not}.ProxyFor(address)
		text := ""
		if got != nil {
			text = got.String()
		}
		if text != test.want || err != nil {
			t.Errorf("%s: %q %v, want %q", name, text, err, test.want)
		}
	}
}
