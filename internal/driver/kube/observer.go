package kube

import (
	"net/http"
	"strings"
	"time"
)

// observer reports each request that passes.
type observer struct {
	next    http.RoundTripper
	observe func(verb, resource string, code int, took time.Duration)
}

// RoundTrip sends the request and reports it.
func (o *observer) RoundTrip(r *http.Request) (*http.Response, error) {
	started := time.Now()
	resp, err := o.next.RoundTrip(r)
	code := 0
	if err == nil {
		code = resp.StatusCode
	}
	verb, resource := classify(r)
	o.observe(verb, resource, code, time.Since(started))
	return resp, err
}

// WrappedRoundTripper lets client-go see the transport beneath.
func (o *observer) WrappedRoundTripper() http.RoundTripper { return o.next }

// classify names what a request asks for.
func classify(r *http.Request) (verb, resource string) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for i, part := range parts { // a server may live below a path
		if part == "api" || part == "apis" {
			parts = parts[i:]
			break
		}
	}
	group, rest := "", []string(nil)
	switch {
	case parts[0] == "api" && len(parts) > 2:
		rest = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		group, rest = parts[1], parts[3:]
	default:
		return strings.ToLower(r.Method), "/" + strings.Join(parts[:min(2, len(parts))], "/")
	}
	if rest[0] == "namespaces" && len(rest) > 2 && rest[2] != "status" && rest[2] != "finalize" {
		rest = rest[2:]
	}
	resource = rest[0]
	if group != "" {
		resource += "." + group
	}
	if len(rest) > 2 {
		resource += "/" + rest[2]
	}
	return verbOf(r, len(rest) > 1), resource
}

func verbOf(r *http.Request, named bool) string {
	switch r.Method {
	case http.MethodGet:
		switch {
		case r.URL.Query().Get("watch") == "true":
			return "watch"
		case named:
			return "get"
		}
		return "list"
	case http.MethodPatch:
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/apply-patch") {
			return "apply"
		}
		return "patch"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	}
	return strings.ToLower(r.Method)
}
