package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// fake is an API server with two groups, of which answers may be replaced.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]answer // by method and path
	asked   []string
	headers []http.Header
}

type answer struct {
	code int
	body string
	once bool
	head http.Header
}

const (
	coreDiscovery = `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{},"versions":[{"version":"v1","freshness":"Current","resources":[
		{"resource":"configmaps","responseKind":{"group":"","version":"v1","kind":"ConfigMap"},"scope":"Namespaced","verbs":["get"]},
		{"resource":"secrets","responseKind":{"group":"","version":"v1","kind":"Secret"},"scope":"Namespaced","verbs":["get"]}]}]}]}`
	groupDiscovery = `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[
		{"metadata":{"name":"apps"},"versions":[{"version":"v1","freshness":"Current","resources":[{"resource":"deployments","responseKind":{"group":"","version":"","kind":"Deployment"},"scope":"Namespaced","verbs":["get"]}]},
			{"version":"v1beta1","freshness":"Current","resources":[{"resource":"deployments","responseKind":{"group":"","version":"","kind":"Deployment"},"scope":"Namespaced","verbs":["get"]}]}]},
		{"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1","freshness":"%s","resources":[%s]}]}]}`
	metricsKind = `{"resource":"pods","responseKind":{"group":"","version":"","kind":"PodMetrics"},"scope":"Namespaced","verbs":["get"]}`
)

func newFake(t *testing.T) *fake {
	f := &fake{answers: map[string]answer{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.set("GET /version", answer{body: `{"major":"1","minor":"37","gitVersion":"v1.37.2"}`})
	discovery := http.Header{"Content-Type": {"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}}
	f.set("GET /api", answer{body: coreDiscovery, head: discovery})
	f.set("GET /apis", answer{body: fmt.Sprintf(groupDiscovery, "Current", metricsKind), head: discovery})
	return f
}

func (f *fake) set(what string, a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.head == nil {
		a.head = f.answers[what].head
	}
	f.answers[what] = a
}

func (f *fake) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, asked := range f.asked {
		if asked == what {
			n++
		}
	}
	return n
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := r.Method + " " + r.URL.Path
	f.mu.Lock()
	f.asked = append(f.asked, what)
	f.headers = append(f.headers, r.Header.Clone())
	a, ok := f.answers[what]
	if a.once {
		delete(f.answers, what)
	}
	f.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for name, values := range a.head {
		w.Header()[name] = values
	}
	if a.code != 0 {
		w.WriteHeader(a.code)
	}
	fmt.Fprint(w, a.body)
}

func (f *fake) connect(t *testing.T, options kube.Options) *kube.Cluster {
	t.Helper()
	c, err := kube.Connect(t.Context(), &rest.Config{Host: f.URL}, options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func status(code int, reason, message, more string) answer {
	return answer{code: code, body: fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"reason":%q,"message":%q%s}`, code, reason, message, more)}
}

var (
	configMaps = kinds.Resource{
		GVR: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, GVK: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespaced: true,
	}
	ref = kube.Ref{Resource: configMaps, Namespace: "shop", Name: "c"}
)

const refPath = "/api/v1/namespaces/shop/configmaps/c"

func TestMapping(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{})
	for name, tc := range map[string]struct {
		gk      schema.GroupKind
		version string
		want    string
	}{
		"Preferred":      {gk: schema.GroupKind{Group: "apps", Kind: "Deployment"}, want: "apps/v1, Resource=deployments"},
		"OtherVersion":   {gk: schema.GroupKind{Group: "apps", Kind: "Deployment"}, version: "v1beta1", want: "apps/v1beta1, Resource=deployments"},
		"Core":           {gk: schema.GroupKind{Kind: "ConfigMap"}, version: "v1", want: "/v1, Resource=configmaps"},
		"UnknownKind":    {gk: schema.GroupKind{Group: "x.y", Kind: "Z"}, want: "kind Z.x.y: the cluster does not have it: is its CustomResourceDefinition installed?"},
		"UnknownVersion": {gk: schema.GroupKind{Group: "apps", Kind: "Deployment"}, version: "v9", want: `kind Deployment.apps: the cluster has no version "v9" of it: it has v1, v1beta1`},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := c.Mapping(t.Context(), tc.gk, tc.version)
			got := res.GVR.String()
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := f.count("GET /apis"); got != 1 {
		t.Errorf("%d looks: unknown kinds hammer the server", got)
	}
	want := []string{"apps/v1", "apps/v1/Deployment", "apps/v1beta1", "apps/v1beta1/Deployment", "metrics.k8s.io/v1", "metrics.k8s.io/v1/PodMetrics", "v1", "v1/ConfigMap", "v1/Secret"}
	if diff := cmp.Diff(want, c.APIVersions()); diff != "" {
		t.Error(diff)
	}
}

func TestMappingOfAGroupThatIsDown(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{DiscoverEvery: time.Nanosecond})
	metrics := schema.GroupKind{Group: "metrics.k8s.io", Kind: "PodMetrics"}
	f.set("GET /apis", answer{body: fmt.Sprintf(groupDiscovery, "Stale", "")})
	if _, err := c.Mapping(t.Context(), schema.GroupKind{Group: "x", Kind: "Y"}, ""); err == nil {
		t.Fatal("no error for an unknown kind")
	}
	var down *kinds.UnavailableGroupError
	if _, err := c.Mapping(t.Context(), metrics, ""); !errors.As(err, &down) || down.Group != "metrics.k8s.io" {
		t.Errorf("got %v", err)
	}
	if _, err := c.Mapping(t.Context(), schema.GroupKind{Group: "apps", Kind: "Deployment"}, ""); err != nil {
		t.Errorf("another group fails, too: %v", err)
	}
	if got := strings.Join(c.APIVersions(), " "); !strings.Contains(got, "metrics.k8s.io/v1/PodMetrics") {
		t.Errorf("templates would see the group vanish: %s", got)
	}
	if got := c.UnavailableGroups(); len(got) != 1 {
		t.Errorf("unavailable: %v", got)
	}
}

func TestMappingWhileTheServerIsDown(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{DiscoverEvery: time.Nanosecond})
	for name, a := range map[string]answer{
		"Unavailable": {code: 503, body: "{}"},
		"Html":        {body: "<html>", head: http.Header{"Content-Type": {"text/html"}}},
		"Forbidden":   status(403, "Forbidden", "no", ""),
	} {
		t.Run(name, func(t *testing.T) {
			f.set("GET /api", a)
			f.set("GET /apis", a)
			var down *kinds.UnavailableGroupError
			if _, err := c.Mapping(t.Context(), schema.GroupKind{Group: "new", Kind: "New"}, ""); !errors.As(err, &down) {
				t.Errorf("an unknown kind, while nobody knows: %v", err)
			}
			c.Invalidate()
			if _, err := c.Mapping(t.Context(), schema.GroupKind{Kind: "ConfigMap"}, ""); err != nil {
				t.Errorf("a known kind was forgotten: %v", err)
			}
		})
	}
}

func TestAnswersThatAreNotTheObject(t *testing.T) {
	missing := status(404, "NotFound", `configmaps "c" not found`, `,"details":{"name":"c","kind":"configmaps"}`)
	for name, tc := range map[string]struct {
		reason   string
		answer   answer
		want     string
		notFound bool
	}{
		"Missing":     {reason: "The server said so.", answer: missing, want: `get ConfigMap shop/c: configmaps "c" not found`, notFound: true},
		"PageMissing": {reason: "A page that is missing is not an object that is.", answer: answer{code: 404, body: "404 page not found", head: http.Header{"Content-Type": {"text/plain"}}}, want: "get ConfigMap shop/c: kind ConfigMap: the cluster does not have it: is its CustomResourceDefinition installed?"},
		"Html":        {reason: "A maintenance page is no object.", answer: answer{body: "<html>", head: http.Header{"Content-Type": {"text/html"}}}, want: "get ConfigMap shop/c: the answer is not a JSON object"},
		"OtherObject": {reason: "A proxy mixed up answers.", answer: answer{body: `{"kind":"ConfigMap","metadata":{"name":"d"}}`}, want: `get ConfigMap shop/c: the answer is another object: ConfigMap "d"`},
		"ManyLines":   {reason: "Errors stay on one line.", answer: status(422, "Invalid", "a\nb", ""), want: "get ConfigMap shop/c: a b"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c := f.connect(t, kube.Options{})
			f.set("GET "+refPath, tc.answer)
			_, err := c.Get(t.Context(), ref)
			if err == nil || err.Error() != tc.want || apierrors.IsNotFound(err) != tc.notFound {
				t.Errorf("%s: got %v", tc.reason, err)
			}
			f.set("DELETE "+refPath, tc.answer)
			if err := c.Delete(t.Context(), ref, kube.DeleteOptions{UID: "u"}); tc.notFound != (err == nil) && name != "Html" && name != "OtherObject" {
				t.Errorf("%s: delete: %v", tc.reason, err)
			}
		})
	}
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{})
	for _, bad := range []kube.Ref{
		{Resource: configMaps, Namespace: "shop", Name: "../secrets/s"},
		{Resource: configMaps, Namespace: "../kube-system", Name: "c"},
		{Resource: configMaps, Namespace: "shop", Name: ".."},
		{Resource: configMaps, Namespace: "", Name: "c"},
		{Resource: configMaps, Namespace: "shop", Name: ""},
	} {
		if _, err := c.Get(t.Context(), bad); err == nil {
			t.Errorf("%+v was sent", bad)
		}
		if err := c.Delete(t.Context(), bad, kube.DeleteOptions{UID: "u"}); err == nil {
			t.Errorf("%+v was sent", bad)
		}
	}
	if err := c.Delete(t.Context(), ref, kube.DeleteOptions{}); err == nil {
		t.Error("a delete without a UID was sent")
	}
	if f.mu.Lock(); len(f.asked) != 3 {
		t.Errorf("asked %q", f.asked)
	}
	f.mu.Unlock()
}

func TestListIsAllOrNothing(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{})
	path := "/api/v1/configmaps"
	page := `{"kind":"ConfigMapList","metadata":{"continue":%q},"items":[{"metadata":{"name":"c"}}]}`
	f.set("GET "+path, answer{body: fmt.Sprintf(page, "")})
	items, err := c.List(t.Context(), configMaps, kube.ListOptions{})
	if err != nil || len(items) != 1 || items[0].GetAPIVersion() != "v1" {
		t.Errorf("%v, %v", items, err)
	}
	// The second page does not come.
	f.set("GET "+path, answer{body: fmt.Sprintf(page, "more"), once: true})
	if items, err := c.List(t.Context(), configMaps, kube.ListOptions{}); err == nil || items != nil {
		t.Errorf("half a list: %v, %v", items, err)
	}
	for _, body := range []string{`{}`, `{"kind":"ConfigMap","items":[]}`, `{"kind":"ConfigMapList"}`, `{"kind":"ConfigMapList","items":[1]}`, `<html>`} {
		f.set("GET "+path, answer{body: body})
		if _, err := c.List(t.Context(), configMaps, kube.ListOptions{}); err == nil {
			t.Errorf("%s is taken for a list", body)
		}
	}
}

func TestBusyServerIsAskedAgain(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{})
	busy := status(429, "TooManyRequests", "later", "")
	busy.head, busy.once = http.Header{"Retry-After": {"0"}}, true
	f.set("GET "+refPath, busy)
	_, err := c.Get(t.Context(), ref)
	if got := f.count("GET " + refPath); got != 2 {
		t.Errorf("asked %d times: %v", got, err)
	}
}

func TestHangingServerIsLeft(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{Timeout: 20 * time.Millisecond})
	stop := make(chan struct{})
	f.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	defer close(stop)
	if _, err := c.Get(t.Context(), ref); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestImpersonateSendsHeadersAndNeverNothing(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{})
	tenant, err := c.Impersonate("system:serviceaccount:shop:deployer", "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = tenant.Get(t.Context(), ref)
	f.mu.Lock()
	last := f.headers[len(f.headers)-1]
	f.mu.Unlock()
	if last.Get("Impersonate-User") != "system:serviceaccount:shop:deployer" || len(last["Impersonate-Group"]) != 2 {
		t.Errorf("headers %v", last)
	}
	if _, err := c.Impersonate(" ", "a"); !errors.Is(err, kube.ErrNoUser) {
		t.Errorf("got %v", err)
	}
}

func TestTakeOverReadsAgainAfterAConflict(t *testing.T) {
	f := newFake(t)
	c := f.connect(t, kube.Options{})
	meta, _ := json.Marshal(map[string]any{
		"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
		"metadata": map[string]any{"name": "c", "namespace": "shop", "uid": "u", "resourceVersion": "7", "managedFields": []any{
			map[string]any{"manager": "kubectl", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:data": map[string]any{"f:a": map[string]any{}}}},
		}},
	})
	f.set("GET "+refPath, answer{body: string(meta)})
	f.set("PATCH "+refPath, status(409, "Conflict", "changed", ""))
	if took, err := c.TakeOver(t.Context(), ref, []string{"kubectl"}, "plumbline"); took || !apierrors.IsConflict(err) {
		t.Errorf("got %v, %v", took, err)
	}
	if got := f.count("PATCH " + refPath); got != 5 {
		t.Errorf("%d patches", got)
	}
	f.set("PATCH "+refPath, answer{body: string(meta)})
	if took, err := c.TakeOver(t.Context(), ref, []string{"kubectl"}, "plumbline"); !took || err != nil {
		t.Errorf("got %v, %v", took, err)
	}
	if took, err := c.TakeOver(t.Context(), ref, []string{"another"}, "plumbline"); took || err != nil {
		t.Errorf("got %v, %v", took, err)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	f := newFake(t)
	f.set("GET /version", answer{body: "<html>", head: http.Header{"Content-Type": {"text/html"}}})
	if _, err := kube.Connect(t.Context(), &rest.Config{Host: f.URL}, kube.Options{}); err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "cluster ") {
		t.Errorf("got %v", err)
	}
}
