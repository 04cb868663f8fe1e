package source

import (
	"net/url"
	"path"
	"strings"
)

// NormalizeURL returns a form of a repository's URL in which equal repositories
// compare equal: scheme and host in lower case, "git@host:org/repo" written as
// "ssh://host/org/repo", default ports, user-info, a trailing ".git" and
// trailing slashes dropped. The path keeps its case. A string that is no URL is
// returned trimmed. The result identifies a repository; it is not for fetching.
func NormalizeURL(raw string) string {
	raw = strings.TrimSpace(raw)
	if host, p, ok := splitSCP(raw); ok {
		raw = "ssh://" + host + "/" + strings.TrimLeft(p, "/")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	if u.Scheme == "" && u.Host == "" {
		return cleanPath(raw)
	}
	scheme := strings.ToLower(u.Scheme)
	switch scheme {
	case "git+ssh", "ssh+git":
		scheme = "ssh"
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != defaultPorts[scheme] {
		host += ":" + port
	}
	normal := scheme + "://" + strings.TrimSuffix(host, ".") + cleanPath(u.EscapedPath())
	if u.RawQuery != "" {
		normal += "?" + u.RawQuery
	}
	return normal
}

var defaultPorts = map[string]string{"https": "443", "http": "80", "ssh": "22", "git": "9418"}

func cleanPath(p string) string {
	if p == "" {
		return ""
	}
	p = strings.TrimSuffix(strings.TrimRight(path.Clean(p), "/"), ".git")
	return strings.TrimRight(p, "/")
}

// splitSCP cuts "user@host:path", the form that ssh users write without a
// scheme, into host and path.
func splitSCP(raw string) (host, p string, ok bool) {
	if strings.Contains(raw, "://") {
		return "", "", false
	}
	host, p, ok = strings.Cut(raw, ":")
	if end := strings.IndexByte(raw, ']'); end > 0 && strings.Contains(raw[:end], "[") {
		host, p = raw[:end+1], strings.TrimPrefix(raw[end+1:], ":")
		ok = strings.HasPrefix(raw[end+1:], ":")
	}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if !ok || host == "" || p == "" || strings.ContainsAny(host, "/\\ ") {
		return "", "", false
	}
	return host, p, true
}

// Redact returns a repository's URL for messages: without passwords, tokens and
// query values. The user name of an http address goes too, because tokens are
// often written there.
func Redact(raw string) string {
	raw = strings.TrimSpace(raw)
	if _, _, ok := splitSCP(raw); ok {
		user, rest, found := strings.Cut(raw, "@")
		if !found {
			return raw
		}
		user, _, _ = strings.Cut(user, ":")
		return user + "@" + rest[strings.LastIndexByte(rest, '@')+1:]
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" && strings.Contains(raw, "@") {
		return redactText(raw)
	}
	if u.User != nil {
		user := u.User.Username()
		u.User = nil
		if scheme := strings.ToLower(u.Scheme); user != "" && strings.Contains(scheme, "ssh") {
			u.User = url.User(user)
		}
	}
	if u.RawQuery != "" {
		u.RawQuery = "redacted"
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

// redactText removes the user-info of something too broken to parse.
func redactText(raw string) string {
	raw, _, _ = strings.Cut(raw, "?")
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		rest, scheme = raw, ""
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if scheme == "" {
		return rest
	}
	return scheme + "://" + rest
}
