package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// proxy stands between plumbd and the API server. It passes everything on, with
// the headers that say who asks, remembers every call but watches, and
// misbehaves where a fault says so. The stories' own client goes around it.
type proxy struct {
	server   *httptest.Server
	upstream *url.URL
	next     http.RoundTripper
	forward  *httputil.ReverseProxy

	mu      sync.Mutex
	faults  []*fault
	calls   []apiCall
	watches map[*watching]bool
}

// apiCall is a request of plumbd.
type apiCall struct {
	verb            string // get, list, watch, create, update, patch, delete
	group, resource string // resource with its subresource; the path when it is not about objects
	namespace, name string
	params          url.Values
	code            int    // what the API server answered; 0: it was not asked
	uid             string // of the object that was answered
	injected        mode   // the fault that was met
}

func (c apiCall) writes() bool { return c.verb != "get" && c.verb != "list" && c.verb != "watch" }

func (c apiCall) String() string {
	text := fmt.Sprintf("%s %s %s/%s %d", c.verb, c.resource, c.namespace, c.name, c.code)
	if c.injected != "" {
		text += " (" + string(c.injected) + ")"
	}
	return text
}

// watching is a watch that is open.
type watching struct {
	apiCall
	cancel context.CancelFunc
}

// newProxy starts a proxy to the API server of upstream and writes a kubeconfig
// that leads to it.
func newProxy(upstream *rest.Config, kubeconfig string) (*proxy, error) {
	next, err := rest.TransportFor(upstream)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(upstream.Host)
	if err != nil {
		return nil, err
	}
	p := &proxy{upstream: target, next: next, watches: map[*watching]bool{}}
	p.forward = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     next,
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewServer(p)
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c",`+
		`"clusters":[{"name":"c","cluster":{"server":%q}}],"users":[{"name":"u","user":{}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}]}`, p.server.URL)
	return p, os.WriteFile(kubeconfig, []byte(text), 0o600)
}

func (p *proxy) close() {
	p.closeWatches(&fault{})
	p.server.CloseClientConnections()
	p.server.Close()
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := readCall(r)
	var body []byte
	if call.writes() {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if f := p.meet(call); f != nil {
		call.injected = f.mode
		inject := modes[f.mode]
		if inject == nil {
			inject = answerStatus
		}
		defer func() { p.note(call) }()
		inject(&exchange{proxy: p, fault: f, call: &call, w: w, r: r, body: body})
		return
	}
	if call.verb == "watch" {
		p.watch(w, r, call)
		return
	}
	res, answer, err := p.send(r, body)
	if err != nil {
		p.note(call)
		panic(http.ErrAbortHandler)
	}
	call.answered(res, answer)
	p.note(call)
	reply(w, res, answer)
}

// watch passes a watch on until either side, or a fault, ends it.
func (p *proxy) watch(w http.ResponseWriter, r *http.Request, call apiCall) {
	p.forward.ServeHTTP(w, r.WithContext(p.opened(r.Context(), call)))
}

// opened remembers a watch until it ends, and returns the context that ends it.
func (p *proxy) opened(ctx context.Context, call apiCall) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	open := &watching{apiCall: call, cancel: cancel}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches[open] = true
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watches, open)
	})
	return ctx
}

// closeWatches ends the open watches that a fault is about.
func (p *proxy) closeWatches(f *fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for open := range p.watches {
		if f.about(open.apiCall) {
			open.cancel()
		}
	}
}

// send asks the API server and reads all of its answer.
func (p *proxy) send(r *http.Request, body []byte) (*http.Response, []byte, error) {
	out := r.Clone(r.Context())
	out.RequestURI, out.Host = "", ""
	out.URL.Scheme, out.URL.Host = p.upstream.Scheme, p.upstream.Host
	out.Header.Del("Connection")
	out.Header.Set("Accept-Encoding", "identity")
	if out.Body = http.NoBody; body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	res, err := p.next.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res, answer, err
}

func reply(w http.ResponseWriter, res *http.Response, answer []byte) {
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer)
}

func (p *proxy) note(call apiCall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call)
}

// noted returns the calls that are about a story.
func (p *proxy) noted(ns string) []apiCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []apiCall
	for _, c := range p.calls {
		if belongs(c.namespace, c.name, ns) {
			list = append(list, c)
		}
	}
	return list
}

// answered notes what the API server said.
func (c *apiCall) answered(res *http.Response, answer []byte) {
	c.code = res.StatusCode
	var obj metav1.PartialObjectMetadata
	if json.Unmarshal(answer, &obj) == nil && obj.Name == c.name {
		c.uid = string(obj.UID)
	}
}

// readCall finds out what a request is about.
func readCall(r *http.Request) apiCall {
	call := apiCall{params: r.URL.Query(), resource: r.URL.Path}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		call.group, parts = parts[1], parts[3:]
	default:
		call.verb = "get"
		return call
	}
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
		call.namespace, parts = parts[1], parts[2:]
	}
	call.resource = parts[0]
	if len(parts) > 1 {
		call.name = parts[1]
	}
	if len(parts) > 2 {
		call.resource += "/" + parts[2]
	}
	call.verb = map[string]string{"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[r.Method]
	switch {
	case call.verb != "":
	case slices.Contains([]string{"true", "1"}, call.params.Get("watch")):
		call.verb = "watch"
	case call.name == "":
		call.verb = "list"
	default:
		call.verb = "get"
	}
	return call
}
