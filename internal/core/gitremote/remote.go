package gitremote

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Remote is a repository on a server, and how to get in.
type Remote struct {
	URL  string // https, http, ssh or git@host:path; file only with FileAllowed
	Auth Auth
}

// Auth is what proves who asks. All of it is secret except KnownHosts and
// CABundle. Credentials written into a URL are used when Auth has none.
type Auth struct {
	Username, Password string // for http and https
	BearerToken        string // instead of a password

	SSHPrivateKey []byte // PEM
	SSHPassphrase string // of SSHPrivateKey; empty if it is not encrypted
	KnownHosts    []byte // lines as in ssh's known_hosts; required for ssh
	HostKeys      HostKeys

	CABundle              []byte // PEM; replaces the machine's certificate authorities
	ClientCert, ClientKey []byte // PEM, for servers that ask for a certificate
	TLS                   TLSVerification

	// Constant stands for a password that is another one each hour, where remotes are
	// told apart; empty: the password does.
	Constant string

	Proxy string // URL, may hold credentials; empty for that of the environment
}

// TLSVerification says whether a server's certificate is checked.
type TLSVerification string

// The kinds of TLSVerification.
const (
	TLSVerify     TLSVerification = ""         // as it should be
	TLSSkipVerify TLSVerification = "Insecure" // anyone on the way can read and change everything
)

// HostKeys says whether the key of an SSH server is checked.
type HostKeys string

// The kinds of HostKeys.
const (
	HostKeysKnown HostKeys = ""         // it is among KnownHosts
	HostKeysAny   HostKeys = "Insecure" // anyone on the way can read and change everything; KnownHosts is not needed
)

// AllowFile says whether repositories on this machine may be fetched from.
type AllowFile string

// The values of AllowFile.
const (
	FileRefused AllowFile = ""        // as a server must have it
	FileAllowed AllowFile = "Allowed" // for tests and for people's own machines
)

// URLError reports a URL that is not fetched from, whatever it points to.
type URLError struct {
	URL    string // redacted
	Reason string
}

func (e *URLError) Error() string { return fmt.Sprintf("git repository %q: %s", e.URL, e.Reason) }

// Address is a checked URL and the credentials for it.
type Address struct {
	Scheme string // http, https, ssh or file
	URL    string // fit to be an argument: it holds no secret
	Auth   Auth   // credentials of the URL moved here
}

const maxURL = 2048

// Check refuses URLs that git would read as something else than an address. It
// fails with *URLError.
func Check(r Remote, allowFile AllowFile) (Address, error) {
	refuse := func(format string, args ...any) (Address, error) {
		return Address{}, &URLError{URL: source.Redact(printable(r.URL)), Reason: fmt.Sprintf(format, args...)}
	}
	raw := strings.TrimSpace(r.URL)
	switch {
	case raw == "":
		return refuse("the URL is empty")
	case len(raw) > maxURL:
		return refuse("the URL has more than %d characters", maxURL)
	case raw[0] == '-':
		return refuse("the URL starts with a dash")
	case printable(raw) != raw:
		return refuse("the URL has control characters")
	}
	if !strings.Contains(raw, "://") {
		if strings.HasPrefix(raw, "/") && allowFile == FileAllowed {
			return Address{Scheme: "file", URL: "file://" + raw, Auth: r.Auth}, nil
		}
		normal := source.NormalizeURL(raw)
		helper, _, isHelper := strings.Cut(raw, "::") // "ext::command" runs the command
		if isHelper && !strings.Contains(helper, "[") || !strings.HasPrefix(normal, "ssh://") {
			return refuse("is neither a URL nor git@host:path")
		}
		user, rest, hasUser := strings.Cut(raw, "@")
		if !hasUser {
			user, rest = "", raw
		}
		if strings.ContainsAny(user, ":/") {
			return refuse("a user name with %q must be written as ssh://user@host/path", ":")
		}
		host, p, _ := strings.Cut(rest, ":")
		if strings.HasPrefix(rest, "[") {
			host, p, _ = strings.Cut(rest, "]:")
			host += "]"
		}
		if user == "" {
			user = "git"
		}
		return checkURL(r, "ssh://"+user+"@"+host+"/"+strings.TrimPrefix(p, "/"), allowFile)
	}
	return checkURL(r, raw, allowFile)
}

func checkURL(r Remote, raw string, allowFile AllowFile) (Address, error) {
	refuse := func(format string, args ...any) (Address, error) {
		return Address{}, &URLError{URL: source.Redact(r.URL), Reason: fmt.Sprintf(format, args...)}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("is not a URL")
	}
	a := Address{Scheme: strings.ToLower(u.Scheme), Auth: r.Auth}
	u.Scheme = a.Scheme
	if printable(u.Path) != u.Path || printable(u.Host) != u.Host || strings.ContainsAny(u.Path, "\\'\"`") {
		return refuse("the URL has characters that no repository needs")
	}
	if u.Fragment != "" {
		return refuse("the URL has a fragment: put the branch or tag into the reference")
	}
	switch a.Scheme {
	case "https", "http":
		return a.web(u, refuse)
	case "ssh":
		return a.shell(u, refuse)
	case "file":
		if allowFile != FileAllowed || u.Host != "" {
			return refuse("local repositories are not fetched from")
		}
		a.URL = u.String()
		return a, nil
	}
	return refuse("scheme %q is not supported: use https, ssh or http", a.Scheme)
}

type refusal func(format string, args ...any) (Address, error)

func (a Address) web(u *url.URL, refuse refusal) (Address, error) {
	if err := checkHost(u); err != "" {
		return refuse("%s", err)
	}
	if u.User != nil {
		if a.Auth.Username == "" && a.Auth.Password == "" && a.Auth.BearerToken == "" {
			a.Auth.Username = u.User.Username()
			a.Auth.Password, _ = u.User.Password()
		}
		u.User = nil
	}
	if a.Auth.BearerToken != "" && a.Auth.Password != "" {
		return refuse("has both a password and a bearer token: give one of them")
	}
	for _, secret := range []string{a.Auth.BearerToken, a.Auth.Username, a.Auth.Password} {
		if printable(secret) != secret {
			return refuse("the credentials have control characters: look for a line break at the end of the secret")
		}
	}
	a.URL = u.String()
	return a, nil
}

func (a Address) shell(u *url.URL, refuse refusal) (Address, error) {
	if err := checkHost(u); err != "" {
		return refuse("%s", err)
	}
	user := u.User.Username()
	if user == "" {
		user = "git"
	}
	if user[0] == '-' || strings.ContainsAny(user, " \t\"'`$\\;|&<>()") {
		return refuse("the user name %q is not one", user)
	}
	if strings.HasPrefix(u.Path, "/-") || u.Path == "" || u.Path == "/" {
		return refuse("the URL has no path to a repository")
	}
	if len(a.Auth.KnownHosts) == 0 && a.Auth.HostKeys != HostKeysAny {
		return refuse("the credentials have no known_hosts: add the server's key, as \"ssh-keyscan %s\" prints it", u.Hostname())
	}
	if len(a.Auth.SSHPrivateKey) == 0 {
		return refuse("the credentials have no SSH private key")
	}
	u.User = url.User(user)
	u.RawQuery = ""
	a.URL = u.String()
	return a, nil
}

func checkHost(u *url.URL) string {
	host := u.Hostname()
	switch {
	case host == "":
		return "the URL has no host"
	case host[0] == '-' || strings.ContainsAny(host, " \t\"'`$\\;|&<>()%@"):
		return fmt.Sprintf("the host name %q is not one", host)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("the port %q is not one", port)
		}
	}
	return ""
}

// printable drops control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// Identity tells remotes with different credentials apart without keeping the
// credentials; secret is random and kept by whoever compares.
func (r Remote) Identity(secret []byte) string {
	if r.Auth.Constant != "" {
		r.Auth.Password = r.Auth.Constant
	}
	h := hmac.New(sha256.New, secret)
	for _, field := range []string{
		strings.TrimSpace(r.URL), r.Auth.Username, r.Auth.Password, r.Auth.BearerToken,
		string(r.Auth.SSHPrivateKey), r.Auth.SSHPassphrase, string(r.Auth.KnownHosts),
		string(r.Auth.CABundle), string(r.Auth.ClientCert), string(r.Auth.ClientKey), string(r.Auth.TLS), r.Auth.Proxy, string(r.Auth.HostKeys),
	} {
		fmt.Fprintf(h, "%d:%s", len(field), field)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Header returns the value of the Authorization header, or "".
func (a Auth) Header() string {
	switch {
	case a.BearerToken != "":
		return "Bearer " + a.BearerToken
	case a.Username != "" || a.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.Username+":"+a.Password))
	}
	return ""
}

// Secrets lists what must never be repeated.
func (a Auth) Secrets() []string {
	out := []string{a.Password, a.BearerToken, a.SSHPassphrase}
	if proxy, err := url.Parse(a.Proxy); err == nil && proxy.User != nil {
		if password, set := proxy.User.Password(); set {
			out = append(out, password)
		}
	}
	if header := a.Header(); header != "" {
		_, token, _ := strings.Cut(header, " ")
		out = append(out, header, token)
	}
	return out
}
