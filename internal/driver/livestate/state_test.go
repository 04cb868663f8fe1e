package livestate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/driver/livestate"
	"github.com/plumbline-dev/plumbline/internal/driver/livestate/livetest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	deployments = livestate.Resource{
		GVR:        schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
		GVK:        schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Namespaced: true,
	}
	configMaps = livestate.Resource{
		GVR:        schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
		GVK:        schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"},
		Namespaced: true,
	}
	widgets = livestate.Resource{
		GVR:        schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"},
		GVK:        schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"},
		Namespaced: true,
	}
)

// rig is a State in front of a livetest.Server that remembers what it was told.
type rig struct {
	*livestate.State
	server *livetest.Server
	t      *testing.T

	mu      sync.Mutex
	changes []string
	news    []string
}

func newRig(t *testing.T, tune func(*livestate.Config)) *rig {
	t.Helper()
	r := &rig{server: livetest.New(), t: t}
	for _, res := range []livestate.Resource{deployments, configMaps} {
		r.server.Serve(res.GVR, res.GVK)
	}
	cfg := livestate.Config{
		Client: r.server.Client(),
		Owners: func(m livestate.Metadata) []string {
			if owner, ok := m.Labels.Lookup("owner"); ok {
				return []string{owner}
			}
			return nil
		},
		OnChange: r.changed,
		OnKind:   r.kind,
		Backoff:  func(int) time.Duration { return time.Millisecond },
	}
	if tune != nil {
		tune(&cfg)
	}
	r.State = livestate.New(cfg)
	t.Cleanup(func() {
		r.State.Close()
		r.server.Close()
	})
	return r
}

func (r *rig) changed(c livestate.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, fmt.Sprintf("%s %s %v", c.Type, c.Key, c.Owners))
}

func (r *rig) kind(gk schema.GroupKind, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.news = append(r.news, fmt.Sprintf("%s %v", gk, err))
}

func (r *rig) require(resources ...livestate.Resource) {
	r.t.Helper()
	if err := r.Require(context.Background(), "test", resources); err != nil {
		r.t.Fatal(err)
	}
}

// wait waits until done is true.
func (r *rig) wait(what string, done func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("never: %s; changes %q, news %q", what, r.told(), r.news)
		}
	}
}

func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.changes)
}

func (r *rig) saw(change string) {
	r.t.Helper()
	r.wait("change "+change, func() bool { return slices.Contains(r.told(), change) })
}

func (r *rig) put(res livestate.Resource, name, owner string, data ...string) *unstructured.Unstructured {
	return r.server.Put(res.GVR, configMap(name, owner, data...))
}

func configMap(name, owner string, data ...string) *unstructured.Unstructured {
	metadata := map[string]any{"name": name, "namespace": "shop"}
	if owner != "" {
		metadata["labels"] = map[string]any{"owner": owner}
	}
	values := map[string]any{}
	for i, d := range data {
		values[fmt.Sprint("key", i)] = d
	}
	return &unstructured.Unstructured{Object: map[string]any{"metadata": metadata, "data": values, "count": int64(len(data))}}
}

func key(name string) object.Key {
	return object.Key{Kind: "ConfigMap", Namespace: "shop", Name: name}
}

func TestInitialStateAndChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		fault  livetest.Fault
		when   func(livetest.Request) bool
	}{
		"Streamed": {
			reason: "The initial state arrives on the watch itself.",
			when:   func(livetest.Request) bool { return false },
		},
		"WatchListForbidden": {
			reason: "A server without streamed initial states is listed in pages.",
			fault:  livetest.Fault{Status: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid},
			when:   func(r livetest.Request) bool { return r.Initial },
		},
		"WatchListIgnored": {
			reason: "A server that ignores the option never ends the initial state and is listed, too.",
			fault:  livetest.Fault{NoInitialEnd: true},
			when:   func(r livetest.Request) bool { return r.Initial },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *livestate.Config) { c.PageSize, c.Stall = 3, 500*time.Millisecond })
			r.server.Interfere(func(req livetest.Request) livetest.Fault {
				if tc.when(req) {
					return tc.fault
				}
				return livetest.Fault{}
			})
			for i := range 10 {
				r.put(configMaps, fmt.Sprint("c", i), "a", "one")
			}
			r.require(configMaps)
			if got := r.Count(); got != 10 {
				t.Fatalf("%s: %d objects", tc.reason, got)
			}
			r.wait("all told", func() bool { return len(r.told()) == 10 })
			want := r.put(configMaps, "c3", "b", "two")
			r.saw("Modified ConfigMap shop/c3 [a b]")
			got, ok := r.Get(key("c3"))
			if !ok || cmp.Diff(want, got) != "" {
				t.Error(tc.reason, cmp.Diff(want, got))
			}
			r.server.Delete(configMaps.GVR, "shop", "c4")
			r.saw("Deleted ConfigMap shop/c4 [a]")
			if diff := cmp.Diff([]object.Key{key("c3")}, r.Owned("b")); diff != "" {
				t.Error(diff)
			}
			if got := len(r.Owned("a")); got != 8 {
				t.Errorf("a owns %d", got)
			}
			if _, ok := r.Get(key("c5")); !ok {
				t.Error("c5 is gone")
			}
		})
	}
}

func TestInterruptions(t *testing.T) {
	// Each interruption hits the first request that matches; what happens to
	// objects while nobody watches must be known afterwards.
	first := func(match func(livetest.Request) bool, f livetest.Fault) func(livetest.Request) livetest.Fault {
		var mu sync.Mutex
		done := false
		return func(r livetest.Request) livetest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if done || !match(r) {
				return livetest.Fault{}
			}
			done = true
			return f
		}
	}
	resumed := func(r livetest.Request) bool { return r.Verb == "watch" && !r.Initial }
	for name, tc := range map[string]struct {
		reason  string
		fault   func(livetest.Request) livetest.Fault
		compact bool
	}{
		"Disconnect":  {reason: "A broken connection resumes.", fault: first(resumed, livetest.Fault{})},
		"Expired":     {reason: "410 starts again and reports what went missing meanwhile.", fault: first(resumed, livetest.Fault{}), compact: true},
		"GoneEvent":   {reason: "410 inside the stream does so, too.", fault: first(resumed, livetest.Fault{Event: `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}`})},
		"Html":        {reason: "A maintenance page is not an event.", fault: first(resumed, livetest.Fault{Body: "<html>back soon</html>"})},
		"Truncated":   {reason: "Half an event changes nothing.", fault: first(resumed, livetest.Fault{CutAfter: 60})},
		"Garbage":     {reason: "Invalid JSON changes nothing.", fault: first(resumed, livetest.Fault{Event: `{"type":"ADDED","object":{"metadata":{"name":}}}`})},
		"OtherKind":   {reason: "An object of another kind changes nothing.", fault: first(resumed, livetest.Fault{Event: `{"type":"DELETED","object":{"kind":"Secret","metadata":{"name":"stays","namespace":"shop","uid":"1","resourceVersion":"99999999"}}}`})},
		"Unavailable": {reason: "503 is retried.", fault: first(resumed, livetest.Fault{Status: 503, Reason: metav1.StatusReasonServiceUnavailable})},
		"Hang":        {reason: "A connection that answers nothing is given up.", fault: first(resumed, livetest.Fault{Hang: true})},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *livestate.Config) { c.Stall = 500 * time.Millisecond })
			r.put(configMaps, "stays", "a", "one")
			r.put(configMaps, "goes", "a", "one")
			r.put(configMaps, "changes", "a", "one")
			r.require(configMaps)
			r.wait("all told", func() bool { return len(r.told()) == 3 })
			r.server.Interfere(tc.fault)
			if tc.compact {
				r.server.DeleteSilently(configMaps.GVR, "shop", "goes")
				r.server.PutSilently(configMaps.GVR, configMap("changes", "a", "two"))
				r.server.Compact()
				r.server.Disconnect()
			} else {
				r.server.Disconnect()
				r.server.Delete(configMaps.GVR, "shop", "goes")
				r.put(configMaps, "changes", "a", "two")
			}
			r.saw("Deleted ConfigMap shop/goes [a]")
			r.saw("Modified ConfigMap shop/changes [a]")
			if diff := cmp.Diff([]object.Key{key("changes"), key("stays")}, r.Keys(configMaps.GVK.GroupKind())); diff != "" {
				t.Error(tc.reason, diff)
			}
			for _, c := range r.told() {
				if c == "Deleted ConfigMap shop/stays [a]" || c == "Modified ConfigMap shop/stays [a]" {
					t.Errorf("%s: %s", tc.reason, c)
				}
			}
			if !r.Synced(configMaps.GVK.GroupKind()) {
				t.Errorf("%s: not synced", tc.reason)
			}
		})
	}
}

func TestFailedListChangesNothing(t *testing.T) {
	r := newRig(t, func(c *livestate.Config) { c.PageSize = 2 })
	broken := true
	var mu sync.Mutex
	r.server.Interfere(func(req livetest.Request) livetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case req.Initial:
			return livetest.Fault{Status: 422, Reason: metav1.StatusReasonInvalid}
		case req.Verb == "list" && req.Continue != "" && broken:
			return livetest.Fault{Status: 500, Reason: metav1.StatusReasonInternalError}
		}
		return livetest.Fault{}
	})
	for i := range 5 {
		r.put(configMaps, fmt.Sprint("c", i), "a")
	}
	err := r.Require(context.Background(), "test", []livestate.Resource{configMaps})
	var ke *livestate.KindError
	if !errors.As(err, &ke) || !apierrors.IsInternalError(err.(*livestate.RequireError).Kinds[0].Cause) {
		t.Fatalf("got %v", err)
	}
	if r.Count() != 0 || len(r.told()) != 0 || r.Synced(configMaps.GVK.GroupKind()) {
		t.Errorf("half a list was taken: %d objects, %q", r.Count(), r.told())
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	r.wait("synced", func() bool { return r.Synced(configMaps.GVK.GroupKind()) })
	if r.Count() != 5 {
		t.Errorf("%d objects", r.Count())
	}
}

func TestBrokenKindHurtsOnlyItsUsers(t *testing.T) {
	r := newRig(t, nil)
	r.put(configMaps, "c", "a")
	r.server.Interfere(func(req livetest.Request) livetest.Fault {
		if req.Resource == "deployments" {
			return livetest.Fault{Status: 403, Reason: metav1.StatusReasonForbidden}
		}
		return livetest.Fault{}
	})
	err := r.Require(context.Background(), "test", []livestate.Resource{deployments, configMaps, widgets})
	want := `watch Deployment.apps: injected: Forbidden; watch Widget.example.com: the server could not find the requested resource`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if !r.Synced(configMaps.GVK.GroupKind()) || r.Count() != 1 {
		t.Error("the sound kind is not synced")
	}
	if r.Synced(deployments.GVK.GroupKind()) || r.Synced(widgets.GVK.GroupKind()) {
		t.Error("a broken kind counts as synced")
	}
}

func TestKindThatAppears(t *testing.T) {
	r := newRig(t, func(c *livestate.Config) {
		c.Backoff = func(n int) time.Duration {
			if n == 1 {
				return time.Millisecond
			}
			return time.Hour
		}
	})
	err := r.Require(context.Background(), "test", []livestate.Resource{widgets})
	if !apierrors.IsNotFound(errors.Unwrap(err.(*livestate.RequireError).Kinds[0])) {
		t.Fatalf("got %v", err)
	}
	r.server.Serve(widgets.GVR, widgets.GVK)
	r.put(widgets, "w", "a")
	r.wait("required", func() bool {
		return r.Require(context.Background(), "test", []livestate.Resource{widgets}) == nil
	})
	r.saw("Added example.com/Widget shop/w [a]")
	r.server.Withdraw(widgets.GVR)
	r.wait("unusable", func() bool { return !r.Synced(widgets.GVK.GroupKind()) })
	r.wait("the news of it", func() bool { // told by a goroutine of its own
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.news) >= 3
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.news) != 3 || r.news[1] != "Widget.example.com <nil>" {
		t.Errorf("news %q", r.news)
	}
}

func TestObserve(t *testing.T) {
	r := newRig(t, nil)
	r.put(configMaps, "c", "a", "one")
	r.require(configMaps)
	r.saw("Added ConfigMap shop/c [a]")
	r.Claim("b", []object.Key{key("c")})

	own := r.server.PutSilently(configMaps.GVR, configMap("c", "a", "two"))
	observe(r, own, "a")
	got, _ := r.Get(key("c"))
	if diff := cmp.Diff(own, got); diff != "" {
		t.Error("own write is not read", diff)
	}
	r.saw("Modified ConfigMap shop/c [b]")

	// The echo is not a change, and what happened before the watch's position
	// is not believed.
	echo := r.put(configMaps, "c", "a", "three")
	r.saw("Modified ConfigMap shop/c [a b]")
	r.server.Delete(configMaps.GVR, "shop", "c")
	r.saw("Deleted ConfigMap shop/c [a b]")
	observe(r, echo, "a")
	if _, ok := r.Get(key("c")); ok {
		t.Error("a deleted object came back")
	}
}

func TestEchoIsSilent(t *testing.T) {
	r := newRig(t, nil)
	r.require(configMaps)
	made := r.server.PutSilently(configMaps.GVR, configMap("c", "a", "one"))
	observe(r, made, "a")
	r.server.Disconnect() // resumes before the write: the fake sends nothing for it
	r.put(configMaps, "last", "a")
	r.saw("Added ConfigMap shop/last [a]")
	if got := r.told(); len(got) != 1 {
		t.Errorf("changes %q", got)
	}
	meta, ok := r.Meta(key("c"))
	if !ok || meta.ResourceVersion != made.GetResourceVersion() || meta.UID != made.GetUID() {
		t.Errorf("meta %+v", meta)
	}
}

func TestClaim(t *testing.T) {
	r := newRig(t, nil)
	r.Claim("app", []object.Key{key("later"), key("other")})
	r.require(configMaps)
	r.put(configMaps, "later", "")
	r.saw("Added ConfigMap shop/later [app]")
	r.Claim("app", []object.Key{key("other")})
	r.put(configMaps, "later", "", "two")
	r.saw("Modified ConfigMap shop/later []")
	r.put(configMaps, "other", "z")
	r.saw("Added ConfigMap shop/other [app z]")
}

func TestReleaseStopsTheWatch(t *testing.T) {
	r := newRig(t, func(c *livestate.Config) { c.Linger = time.Millisecond })
	r.put(configMaps, "c", "a")
	r.require(configMaps)
	if err := r.Require(context.Background(), "second", []livestate.Resource{configMaps}); err != nil {
		t.Fatal(err)
	}
	r.Release("test")
	r.put(configMaps, "c", "a", "two")
	r.saw("Modified ConfigMap shop/c [a]")
	r.Release("second")
	r.wait("no watch", func() bool { return r.server.Watching("configmaps") == 0 && r.Count() == 0 })
	for _, c := range r.told() {
		if c == "Deleted ConfigMap shop/c [a]" {
			t.Error("an object that is no longer watched counts as deleted")
		}
	}
	r.require(configMaps)
	if r.Count() != 1 {
		t.Errorf("%d objects", r.Count())
	}
}

func TestMetadataOnly(t *testing.T) {
	r := newRig(t, nil)
	partial := configMaps
	partial.MetadataOnly = true
	r.put(configMaps, "c", "a", "one")
	r.require(partial)
	if _, ok := r.Get(key("c")); ok {
		t.Error("metadata was taken for an object")
	}
	m, ok := r.GetMetadata(key("c"))
	if !ok || m.Labels["owner"] != "a" || m.Kind != "ConfigMap" {
		t.Errorf("metadata %+v", m)
	}
	if !r.Mentions(key("c"), "nothing", `"owner":"a"`) || r.Mentions(key("c"), "nothing") || r.Mentions(key("d"), "") {
		t.Error("what is stored is not what is mentioned")
	}
	if err := r.Require(context.Background(), "full", []livestate.Resource{configMaps}); err != nil {
		t.Fatal(err)
	}
	if got, ok := r.Get(key("c")); !ok || got.Object["data"] == nil {
		t.Errorf("got %v", got)
	}
}

func TestRestoredBackup(t *testing.T) {
	r := newRig(t, nil)
	for i := range 5 {
		r.put(configMaps, fmt.Sprint("c", i), "a", "new")
	}
	r.require(configMaps)
	r.server.DeleteSilently(configMaps.GVR, "shop", "c0")
	r.server.Rewind(100)
	r.server.PutSilently(configMaps.GVR, configMap("c1", "a", "old"))
	r.server.Disconnect()
	r.saw("Deleted ConfigMap shop/c0 [a]")
	r.saw("Modified ConfigMap shop/c1 [a]")
	r.put(configMaps, "c2", "a", "newest")
	r.saw("Modified ConfigMap shop/c2 [a]")
}

func TestDeadWatchIsNoticed(t *testing.T) {
	r := newRig(t, func(c *livestate.Config) { c.Quiet = 20 * time.Millisecond })
	r.put(configMaps, "c", "a", "one")
	r.require(configMaps)
	r.server.PutSilently(configMaps.GVR, configMap("c", "a", "two")) // the event is lost
	r.server.Compact()
	r.saw("Modified ConfigMap shop/c [a]")
}

func TestConvergedIsQuiet(t *testing.T) {
	r := newRig(t, nil)
	r.put(configMaps, "c", "a")
	r.require(configMaps)
	for range 100 {
		r.require(configMaps)
		r.Get(key("c"))
		r.Owned("a")
	}
	if got := len(r.server.Requests()); got != 1 {
		t.Errorf("%d requests", got)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	r := newRig(t, nil)
	r.server.Interfere(func(req livetest.Request) livetest.Fault { return livetest.Fault{Hang: req.Resource == "deployments"} })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.Require(ctx, "test", []livestate.Resource{configMaps, deployments, widgets})
	r.require(configMaps)
	r.State.Close()
	stacks := make([]byte, 1<<20)
	r.wait("nothing of it to run", func() bool { // a goroutine is seen for a moment after its last statement
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "livestate.(*")
	})
	if err := r.Require(context.Background(), "test", []livestate.Resource{configMaps}); !errors.Is(err, livestate.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	r := newRig(t, nil)
	r.server.Interfere(func(livetest.Request) livetest.Fault {
		return livetest.Fault{Status: 429, Reason: metav1.StatusReasonTooManyRequests, RetryAfter: 3600}
	})
	for range 50 {
		if err := r.Require(context.Background(), "test", []livestate.Resource{configMaps}); err == nil {
			t.Fatal("no error")
		}
	}
	if got := len(r.server.Requests()); got != 1 {
		t.Errorf("%d requests", got)
	}
}

func TestNonsenseForLongIsReported(t *testing.T) {
	r := newRig(t, func(c *livestate.Config) { c.StaleAfter = time.Nanosecond })
	r.put(configMaps, "c", "a")
	r.require(configMaps)
	r.server.Interfere(func(livetest.Request) livetest.Fault { return livetest.Fault{Body: "<html>"} })
	r.server.Disconnect()
	r.wait("many attempts", func() bool { return len(r.server.Requests()) > 20 })
	r.mu.Lock()
	news := slices.Clone(r.news)
	r.mu.Unlock()
	if len(news) > 4 || r.Count() != 1 { // not once for each attempt
		t.Errorf("news %q, %d objects", news, r.Count())
	}
	r.server.Interfere(func(livetest.Request) livetest.Fault { return livetest.Fault{} })
	r.wait("synced", func() bool { return r.Synced(configMaps.GVK.GroupKind()) })
}

func TestRequireEndsWithItsContext(t *testing.T) {
	r := newRig(t, nil)
	r.server.Interfere(func(livetest.Request) livetest.Fault { return livetest.Fault{Hang: true} })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Require(ctx, "test", []livestate.Resource{configMaps}); !errors.Is(err, livestate.ErrNotSynced) {
		t.Errorf("got %v", err)
	}
}

func TestSlowListenerDelaysNobody(t *testing.T) {
	release := make(chan struct{})
	var got []livestate.Change
	var mu sync.Mutex
	r := newRig(t, func(c *livestate.Config) {
		c.OnChange = func(change livestate.Change) {
			<-release
			mu.Lock()
			defer mu.Unlock()
			got = append(got, change)
		}
	})
	r.require(configMaps)
	r.put(configMaps, "first", "a")
	for i := range 50 {
		r.put(configMaps, "busy", fmt.Sprint("owner", i%3))
	}
	r.wait("all stored", func() bool { m, _ := r.Meta(key("busy")); return m.ResourceVersion == "1051" })
	close(release)
	want := []livestate.Change{
		{Key: key("first"), Type: livestate.Added, Owners: []string{"a"}},
		{Key: key("busy"), Type: livestate.Added, Owners: []string{"owner0", "owner1", "owner2"}},
	}
	r.wait("both told", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 2 })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// observe tells of the outcome of a write.
func observe(s interface {
	Observe(gvk schema.GroupVersionKind, raw []byte, writer string)
}, obj *unstructured.Unstructured, writer string) {
	raw, err := obj.MarshalJSON()
	if err != nil {
		panic(err)
	}
	s.Observe(obj.GroupVersionKind(), raw, writer)
}
