package refresh_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

var (
	one = strings.Repeat("1", 40)
	two = strings.Repeat("2", 40)
)

const url = "https://git.example/acme/shop"

// fetch is one request as the server saw it.
type fetch struct {
	At       time.Duration // since the start
	URL      string
	Password string
	Further  []string
}

// hosts are remote repositories in memory: one state for every URL.
type hosts struct {
	mu      sync.Mutex
	start   time.Time
	refs    source.Refs
	err     error
	hang    bool
	took    time.Duration // of a fetch
	full    map[string]string
	fetches []fetch
	now     int // fetches under way
	most    int // at once
}

func (h *hosts) Fetch(ctx context.Context, remote refresh.Remote, further []string) (source.Refs, error) {
	h.mu.Lock()
	h.fetches = append(h.fetches, fetch{At: time.Since(h.start), URL: remote.URL, Password: remote.Credentials.Password, Further: further})
	h.now++
	h.most = max(h.most, h.now)
	hang, took := h.hang, h.took
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.now--
		h.mu.Unlock()
	}()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(took)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, h.err
	}
	out := source.Refs{}
	for name, target := range h.refs {
		if !strings.HasPrefix(name, "refs/pull/") || slices.Contains(further, name) {
			out[name] = target
		}
	}
	return out, nil
}

func (h *hosts) Tree(_ context.Context, _ refresh.Remote, rev source.Revision) (source.Tree, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, h.err
	}
	return source.FromFS(fstest.MapFS{"app.yaml": {Data: []byte(rev.ID)}}, rev), nil
}

func (h *hosts) Complete(_ context.Context, _ refresh.Remote, id string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if full, ok := h.full[id]; ok {
		return full, nil
	}
	return "", errors.New("no such commit")
}

func (h *hosts) History(refresh.Remote) signature.History { return nil }

func (h *hosts) set(edit func(*hosts)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	edit(h)
}

// times lists when fetches began.
func (h *hosts) times() []time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []time.Duration
	for _, f := range h.fetches {
		list = append(list, f.At)
	}
	return list
}

func (h *hosts) count() int { return len(h.times()) }

// keys hands out passwords that may change; it counts how often it is asked.
type keys struct {
	mu       sync.Mutex
	password string
	err      error
	asked    int
}

func (k *keys) Credentials(_ context.Context, _ string, secret *app.SecretRef) (app.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if secret != nil {
		return app.Credentials{Password: secret.Name}, k.err
	}
	return app.Credentials{Password: k.password}, k.err
}

func (k *keys) Named(_ context.Context, name string) (string, error) {
	if name != "team" {
		return "", errors.New("no repository is registered under the name " + name)
	}
	return "https://charts.example/team", nil
}

// read is Read of one thing.
func (w *world) read(reader app.ID, want refresh.Want) refresh.Seen { return w.Read(reader, want)[0] }

// world is a running Poller.
type world struct {
	*refresh.Poller
	hosts *hosts
	keys  *keys
	mu    sync.Mutex
	news  []refresh.News
	stop  func()
}

// run starts a Poller inside a bubble in which time passes by itself.
func run(t *testing.T, opts refresh.Options, story func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{keys: &keys{password: "old"}, hosts: &hosts{start: time.Now(), refs: source.Refs{"HEAD": {ID: one}, "refs/heads/main": {ID: one}}}}
		w.Poller = refresh.New(w.hosts, w.keys, opts, func(news []refresh.News) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.news = append(w.news, news...)
		})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		w.stop = func() {
			cancel()
			<-done
		}
		defer w.stop() // goroutines that stay behind fail the bubble
		story(t, w)
	})
}

// pass lets time go by and everything that is due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// told returns who was told what since the last call: "a main@1111111", with
// "!" for those that asked.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, n := range w.news {
		text := n.Reader.Name + " " + n.Revision.String()
		if n.Asked {
			text += "!"
		}
		list = append(list, text)
	}
	w.news = nil
	slices.Sort(list)
	return list
}

func reader(name string) app.ID { return app.ID{Kind: "Application", Namespace: "apps", Name: name} }

func ofMain() refresh.Want { return refresh.Want{URL: url, Ref: source.Ref{Any: "main"}} }
