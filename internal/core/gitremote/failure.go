package gitremote

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// FailureKind says what kept a fetch from working, and so who can help.
type FailureKind string

// The kinds of failure.
const (
	FailedAuth     FailureKind = "Auth"     // the server does not let these credentials in
	FailedNotFound FailureKind = "NotFound" // no such repository, reference or commit; some servers say so to strangers too
	FailedNetwork  FailureKind = "Network"  // the server cannot be reached or broke off
	FailedServer   FailureKind = "Server"   // the server is there and reports a failure of its own
	FailedTimeout  FailureKind = "Timeout"  // the server went silent, or took too long in all
	FailedTLS      FailureKind = "TLS"      // certificates do not fit
	FailedHostKey  FailureKind = "HostKey"  // the ssh server is not the one that known_hosts names
	FailedProtocol FailureKind = "Protocol" // the server answered, but not as Git does
	FailedDisk     FailureKind = "Disk"     // our side has no room, or the repository is above the limit
	FailedSetup    FailureKind = "Setup"    // the credentials or our own set-up cannot work with any server
)

// FetchError reports that a remote could not be fetched from.
type FetchError struct {
	Remote string // redacted URL
	Kind   FailureKind
	Detail string // one line: what git or the server said
	Err    error  // cause, if it is ours; may be nil
}

func (e *FetchError) Error() string {
	text := fmt.Sprintf("git repository %q: %s", e.Remote, headlines[e.Kind])
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if out := waysOut[e.Kind]; out != "" {
		text += " (" + out + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *FetchError) Unwrap() error { return e.Err }

var headlines = map[FailureKind]string{
	FailedAuth:     "access denied",
	FailedNotFound: "not found",
	FailedNetwork:  "connection lost",
	FailedServer:   "server error",
	FailedTimeout:  "timed out",
	FailedTLS:      "certificate not accepted",
	FailedHostKey:  "host key not accepted",
	FailedProtocol: "unusable answer",
	FailedDisk:     "no room",
	FailedSetup:    "cannot be fetched",
}

var waysOut = map[FailureKind]string{
	FailedAuth:     "check the repository's credentials",
	FailedNotFound: "check the URL, and whether the credentials may see the repository",
	FailedTLS:      "give the server's certificate authority with the credentials",
	FailedHostKey:  "compare the server's key with known_hosts in the credentials",
}

// rules find out from git's words what went wrong; the first that fits counts.
// Git speaks English here, because the environment says so.
var rules = []struct {
	kind  FailureKind
	words *regexp.Regexp
}{
	{FailedHostKey, regexp.MustCompile(`(?i)host key verification failed|remote host identification has changed|host key is known|host key for .* has changed|no matching host key`)},
	{FailedDisk, regexp.MustCompile(`(?i)no space left|disk quota|read-only file system|file too large|insufficient permission for adding|unable to create temporary file`)},
	{FailedTLS, regexp.MustCompile(`(?i)ssl certificate|certificate verif|certificate problem|server certificate|gnutls|gnu_tls|ssl routines|tlsv1|ssl connect|error setting certificate|could not load client certificate|unable to set private key|alert (bad|unknown|certificate)`)},
	{FailedAuth, regexp.MustCompile(`(?i)authentication failed|could not read (username|password)|terminal prompts disabled|returned error: 40[137]|permission denied|access denied|invalid credentials|invalid username|support for password authentication was removed`)},
	{FailedNotFound, regexp.MustCompile(`(?i)repository.*not found|returned error: 4(04|10)|does not appear to be a git repository|repository .*does not exist|no such (repository|file)|couldn't find remote ref|not our ref|unadvertised object|project you were looking for could not be found|error: 404`)},
	{FailedProtocol, regexp.MustCompile(`(?i)not valid: is this a git repository|bad line length|protocol error|invalid index-pack|fsck error|pack has bad|pack is corrupted|inflate returned|pack signature mismatch|index-pack failed|mismatched algorithms|unknown object format|transport '.*' not allowed|bad pack|invalid pack|unexpected (http|flush|response)|expected (flush|response|packfile|service)|returned error: 3\d\d|malformed|unresolved deltas|did not send all necessary objects|refusing to (fetch|create)|dumb http|unable to update url base|missing blob|missing tree`)},
	{FailedServer, regexp.MustCompile(`(?i)returned error: (5\d\d|429)`)},
	{FailedNetwork, regexp.MustCompile(`(?i)could not resolve|failed to connect|connection (refused|timed out|reset|closed)|network is unreachable|no route to host|operation timed out|early eof|rpc failed|hung up|empty reply|couldn't connect|transfer closed|recv failure|send failure|proxy|kex_exchange_identification|unexpected disconnect|broken pipe|partial file|end of file`)},
}

// Classify turns what git printed into an error; err is how git ended. The address
// is the one that was fetched from for r.
func Classify(r Remote, a Address, output string, err error) *FetchError {
	lines := usefulLines(output)
	text := strings.Join(lines, "\n")
	failure := &FetchError{Remote: source.Redact(r.URL), Kind: FailedProtocol, Err: err}
	for _, rule := range rules {
		if rule.words.MatchString(text) {
			failure.Kind = rule.kind
			lines = preferred(lines, rule.words)
			break
		}
	}
	if failure.Kind == FailedAuth && prompted.MatchString(text) {
		lines = []string{a.Auth.refused()}
	}
	failure.Detail = hide(strings.Join(lines[:min(len(lines), 2)], "; "), a.Auth.Secrets())
	if failure.Detail == "" {
		failure.Kind, failure.Detail = FailedNetwork, fmt.Sprintf("git ended without a word: %v", err)
	}
	if len(failure.Detail) > maxDetail {
		failure.Detail = strings.ToValidUTF8(failure.Detail[:maxDetail], "") + "…"
	}
	return failure
}

const maxDetail = 400 // bytes

// prompted is what git says when it would ask a person for credentials: it has
// none, or those it has were refused.
var prompted = regexp.MustCompile(`(?i)could not read (username|password)|terminal prompts disabled`)

// refused says in words which of the two it was.
func (a Auth) refused() string {
	switch {
	case a.BearerToken != "":
		return "the server refused the token"
	case a.Username != "" || a.Password != "":
		return "the server refused the user name and password"
	}
	return "the server asks for credentials, and none are known for this repository"
}

// progress and advice that say nothing about the cause.
var idle = regexp.MustCompile(`(?i)^(remote: )?(counting|compressing|enumerating|total|receiving|resolving|writing|finding) |^from |^ [*+ =t-] |^please make sure|^and the repository exists|^hint:|^warning: (permanently added|redirecting)|^remote: *$|^=+$|^@+$|^it is also possible|^someone could be|^@ +warning`)

// usefulLines returns the lines that people should read, without their prefixes.
func usefulLines(output string) []string {
	var lines []string
	for line := range strings.SplitSeq(output, "\n") {
		if i := strings.LastIndexByte(strings.TrimRight(line, "\r"), '\r'); i >= 0 {
			line = line[i+1:]
		}
		line = strings.TrimSpace(printable(line))
		if line == "" || idle.MatchString(line) {
			continue
		}
		for _, prefix := range []string{"fatal: ", "error: ", "remote: ", "ERROR: "} {
			line = strings.TrimPrefix(line, prefix)
		}
		if len(lines) == 0 || lines[len(lines)-1] != line {
			lines = append(lines, line)
		}
	}
	return lines
}

// Redirected reports whether git stopped because the server sent it elsewhere.
func (e *FetchError) Redirected() bool { return redirected.MatchString(e.Detail) }

// NoHead reports whether git missed nothing but the remote's HEAD.
func (e *FetchError) NoHead() bool { return noHead.MatchString(e.Detail) }

// Withheld reports whether the server has no such commit or reference, or does not
// hand it out.
func (e *FetchError) Withheld() bool { return withheld.MatchString(e.Detail) }

var (
	redirected = regexp.MustCompile(`returned error: 30[12378]|unable to update url base`)
	noHead     = regexp.MustCompile(`(?i)couldn't find remote ref HEAD`)
	withheld   = regexp.MustCompile(`(?i)not our ref|unadvertised object|couldn't find remote ref|could not find remote ref`)
)

// preferred moves the lines that decided the kind to the front.
func preferred(lines []string, words *regexp.Regexp) []string {
	var first, rest []string
	for _, line := range lines {
		if words.MatchString(line) {
			first = append(first, line)
		} else {
			rest = append(rest, line)
		}
	}
	if len(first) > 0 {
		return first
	}
	return rest
}

var userinfo = regexp.MustCompile(`([a-z+]+://)[^/@\s']*@`)

// hide removes secrets, should git or a server repeat them.
func hide(text string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return userinfo.ReplaceAllString(text, "$1")
}

// Clean returns what git printed without control characters and credentials in URLs,
// fit for a log.
func Clean(output string) string { return hide(printable(output), nil) }

// Failed returns the error of a failure that we found ourselves.
func Failed(r Remote, kind FailureKind, detail string, err error) *FetchError {
	return &FetchError{Remote: source.Redact(r.URL), Kind: kind, Detail: hide(detail, r.Auth.Secrets()), Err: err}
}
