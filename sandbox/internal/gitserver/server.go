// Package gitserver serves bare git repositories below one folder over smart
// HTTP, plain and TLS, with and without a password. Repositories go in as
// NAME.git folders; clones, fetches and pushes come out. It runs git's own
// http-backend for every request, never serves a path outside the folder, and
// can be told to misbehave for one repository at a time.
package gitserver

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options configure a server. Root is required.
type Options struct {
	Root     string // folder that holds NAME.git
	User     string // for /auth/; "" closes /auth/ to everybody
	Password string
	Hook     string // URL that receives push events; "" sends none
	Log      *slog.Logger
}

// Server is a git server. It is an http.Handler; Serve runs it on listeners.
type Server struct {
	opts    Options
	backend string // absolute path of git
	faults  faults
	base    string // http://host:port of the plain listener, for push events
	servers []*http.Server
	hooks   sync.WaitGroup
}

// New checks that git and the folder are there. The folder is made if missing.
func New(o Options) (*Server, error) {
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, fmt.Errorf("git root %q: %w", o.Root, err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("git root %q: %w", o.Root, err)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("git server: %w; install git 2.38 or newer", err)
	}
	o.Root = root
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{opts: o, backend: git, faults: faults{modes: map[string]Fault{}}}, nil
}

// Serve answers on plain, and with cert on secure, in the background until
// Stop.
func (s *Server) Serve(plain, secure net.Listener, cert tls.Certificate) {
	s.base = "http://" + plain.Addr().String()
	for _, l := range []net.Listener{plain, tls.NewListener(secure, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		NextProtos:   []string{"http/1.1"},
	})} {
		srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug)}
		s.servers = append(s.servers, srv)
		go func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				s.opts.Log.Error("git listener ended", "err", err)
			}
		}()
	}
}

// Stop refuses new requests, lets running ones finish until ctx ends, then cuts
// them off, and waits for push events under way.
func (s *Server) Stop(ctx context.Context) {
	s.faults.clear() // a hanging request never finishes by itself
	for _, srv := range s.servers {
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
	}
	s.hooks.Wait()
}

// ServeHTTP answers git clients and the fault switch.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_fault" {
		s.serveFault(w, r)
		return
	}
	r = unchunked(r)
	path, secured := strings.CutPrefix(r.URL.Path, "/auth/")
	if secured && !s.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
		http.Error(w, "credentials required", http.StatusUnauthorized)
		return
	}
	name, rest, ok := split(strings.TrimPrefix(path, "/"))
	if !ok || !s.exists(name) {
		http.Error(w, "no such repository", http.StatusNotFound)
		return
	}
	if s.faults.serve(name, w, r, s.git(name, rest)) {
		return
	}
	if r.Method == http.MethodPost && rest == "/git-receive-pack" {
		s.receive(w, r, name)
		return
	}
	s.git(name, rest).ServeHTTP(w, r)
}

// unchunked makes a body of unknown length acceptable to net/http/cgi, which
// refuses chunks: git sends them for pushes above one MiB, and http-backend
// reads to the end when no length is given.
func unchunked(r *http.Request) *http.Request {
	if len(r.TransferEncoding) == 0 {
		return r
	}
	r = r.Clone(r.Context())
	r.TransferEncoding, r.ContentLength = nil, -1
	return r
}

func (s *Server) authorized(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok || s.opts.User == "" {
		return false
	}
	sameUser := subtle.ConstantTimeCompare([]byte(user), []byte(s.opts.User))
	samePassword := subtle.ConstantTimeCompare([]byte(password), []byte(s.opts.Password))
	return sameUser&samePassword == 1
}

// split cuts NAME.git/rest into NAME and /rest. NAME may contain slashes, but
// no element that is empty, hidden or leads upwards, and rest leads nowhere but
// downwards.
func split(path string) (name, rest string, ok bool) {
	name, rest, ok = strings.Cut(path, ".git/")
	if !ok {
		return "", "", false
	}
	for elem := range strings.SplitSeq(name, "/") {
		if elem == "" || strings.HasPrefix(elem, ".") {
			return "", "", false
		}
	}
	if slices.Contains(strings.Split(rest, "/"), "..") {
		return "", "", false
	}
	return name, "/" + rest, true
}

func (s *Server) dir(name string) string {
	return filepath.Join(s.opts.Root, filepath.FromSlash(name)+".git")
}

func (s *Server) exists(name string) bool {
	info, err := os.Stat(s.dir(name))
	return err == nil && info.IsDir()
}

// git returns the handler that runs http-backend for one request. Neither the
// user's nor the system's git configuration is read.
func (s *Server) git(name, rest string) http.Handler {
	env := []string{
		"GIT_PROJECT_ROOT=" + s.opts.Root,
		"GIT_HTTP_EXPORT_ALL=1",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"PATH_INFO=/" + name + ".git" + rest,
		"REMOTE_USER=sandbox",
	}
	return &cgi.Handler{
		Path:   s.backend,
		Args:   []string{"http-backend"},
		Dir:    s.opts.Root,
		Env:    append(env, configEnv(settings)...),
		Stderr: logWriter{s.opts.Log},
	}
}

// settings are in force for every repository served.
var settings = [][2]string{
	{"http.receivepack", "true"},
	{"uploadpack.allowAnySHA1InWant", "true"},
	{"uploadpack.allowReachableSHA1InWant", "true"},
	{"uploadpack.allowTipSHA1InWant", "true"},
	{"uploadpack.allowFilter", "true"},
	{"receive.denyCurrentBranch", "ignore"},
	{"safe.directory", "*"},
	{"gc.auto", "0"},
}

// configEnv expresses settings as the environment that git reads them from.
func configEnv(settings [][2]string) []string {
	env := []string{fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings))}
	for i, kv := range settings {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	return env
}

type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Warn("git complained", "text", strings.TrimSpace(string(p)))
	return len(p), nil
}
