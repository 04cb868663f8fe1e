package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// everything asks for every fault at every call, where a normal run takes a
// share of them in which each call and each fault occurs.
var everything = os.Getenv("PLUMBLINE_SWEEP") != ""

// life is an application that is created, changed and deleted: a namespace of
// its own, and waves, a prune and a finalizer in it.
type life struct {
	ns    string
	kind  string // argo, flux, or of Argo CD's: hooks, with hooks and forced objects, and back, which is taken to the second version by an operation as a rollback is
	fault *fault // nil: this is how it should be
	like  *life  // the undisturbed one, which this has to end like

	uids   map[string]string            // of the objects after the first version
	states map[string]map[string]string // by stage, what is there in the end
}

// sweep is lives that go on side by side in one world.
type sweep struct {
	t     *testing.T
	world *world
	story *story // the language's helpers
	head  string

	dying sync.Mutex // while plumbd is killed and started again
	kills int
}

// parts are the objects of the two versions, as resource/name.
var parts = map[string][]string{
	"v1": {"configmaps/a", "configmaps/b", "configmaps/base", "configmaps/c", "configmaps/goes", "configmaps/lingers", "deployments/web", "rolebindings/binding", "roles/role", "secrets/secret", "serviceaccounts/account", "services/web"},
	"v2": {"configmaps/a", "configmaps/b", "configmaps/base", "configmaps/c", "configmaps/new", "deployments/web", "rolebindings/binding", "roles/role", "secrets/secret", "serviceaccounts/account", "services/web"},
}

// livesOf are the kinds of lives.
var livesOf = []string{"argo", "flux", "hooks", "back"}

// hooked are the objects of a life with hooks, and hookParts its hooks. One is
// gone by the end of each sync, and one may be left by a sync that failed.
var (
	hooked    = []string{"configmaps/a", "configmaps/after", "configmaps/before", "configmaps/forced", "configmaps/replaced", "jobs/migrate"}
	hookParts = []string{"configmaps/after", "configmaps/alarm", "configmaps/before", "configmaps/farewell", "configmaps/last", "configmaps/passes", "jobs/migrate"}
)

// backed are the objects of a life that an operation takes from one version to the next.
var backed = map[string][]string{"v1": {"configmaps/a", "configmaps/goes"}, "v2": {"configmaps/a", "configmaps/new"}}

// parts are the objects of a life at a version.
func (l *life) parts(version string) []string {
	if l.kind == "back" {
		return backed[version]
	}
	if l.kind == "hooks" && version != "" {
		return hooked
	}
	return parts[version]
}

// remade reports whether a part is deleted and created again at a stage.
func (l *life) remade(part, stage string) bool {
	return l.kind == "hooks" && stage == "v2" && part == "configmaps/forced"
}

// hook reports whether a part is a hook.
func (l *life) hook(part string) bool { return l.kind == "hooks" && slices.Contains(hookParts, part) }

// goers are what the second version deletes.
var goers = []string{"configmaps/goes", "configmaps/lingers"}

var partKinds = []schema.GroupVersionResource{
	{Version: "v1", Resource: "configmaps"}, {Version: "v1", Resource: "secrets"}, {Version: "v1", Resource: "services"}, {Version: "v1", Resource: "serviceaccounts"},
	{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
}

var (
	applications   = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	kustomizations = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
)

// newSweep starts a world whose plumbd goes through the proxy.
func newSweep(t *testing.T) *sweep {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane")
	}
	privates <- struct{}{}
	t.Cleanup(func() { <-privates })
	w, err := newWorld(0, []string{"-faults", "-prune-limit", "100%", "-poll", "10m"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		text, _ := os.ReadFile(w.path("plumbd.log"))
		if err := w.close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("plumbd's log:\n%s", tail(string(text), 60))
		}
	})
	s := &sweep{t: t, world: w, story: &story{ns: "sweep", own: true, world: w, env: map[string]string{}}}
	bare := w.path("repos/sweep.git")
	if _, err := git(w.dir, "init", "--bare", "--initial-branch=main", bare); err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	if err := os.CopyFS(tree, os.DirFS("testdata/sweep")); err != nil {
		t.Fatal(err)
	}
	if s.head, err = commit(tree, bare, "main", "both versions", true, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sweep) fatal(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// declare writes the declaration of a life; "" deletes it.
func (s *sweep) declare(l *life, version string) error {
	ctx := context.Background()
	if version == "" {
		if l.kind == "flux" {
			return s.world.client.Resource(kustomizations).Namespace(l.ns).Delete(ctx, "app", metav1.DeleteOptions{})
		}
		return s.world.client.Resource(applications).Namespace("argocd").Delete(ctx, l.ns+"-app", metav1.DeleteOptions{})
	}
	text := `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": {"name": "${NS}-app", "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
		"spec": {"project": "default", "source": {"repoURL": "${URL}", "targetRevision": "main", "path": "${VERSION}"},
		"destination": {"server": "https://kubernetes.default.svc", "namespace": "${NS}"},
		"syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"],
			"retry": {"limit": -1, "backoff": {"duration": "1s", "maxDuration": "2s"}}}}}`
	if l.kind == "flux" {
		text = `{"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "repo", "namespace": "${NS}"},
		"spec": {"url": "${URL}", "interval": "10m", "ref": {"branch": "main"}}}
		{"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "app", "namespace": "${NS}"},
		"spec": {"interval": "10m", "retryInterval": "1s", "prune": true, "path": "./${VERSION}", "targetNamespace": "${NS}",
			"sourceRef": {"kind": "GitRepository", "name": "repo"}}}`
	}
	if l.kind == "back" && version == "v2" { // what it declares stays the first version
		text = strings.Replace(text, `"automated": {"prune": true, "selfHeal": true}, `, "", 1)
		text = strings.Replace(text, "${VERSION}", "back-v1", 1)
		text = strings.TrimSuffix(text, "}") + `, "operation": {"initiatedBy": {"username": "ann"}, "retry": {"limit": -1, "backoff": {"duration": "1s", "maxDuration": "2s"}},
			"sync": {"prune": true, "revision": "${HEAD}", "source": {"repoURL": "${URL}", "targetRevision": "main", "path": "${VERSION}"}}}}`
	}
	s.story.env = map[string]string{"HEAD": s.head, "NS": l.ns, "URL": s.world.git + "/sweep.git", "VERSION": l.dir(version)}
	list, err := s.story.documents(text)
	if err != nil {
		return err
	}
	for _, obj := range list {
		sv, err := s.world.lookUpKind(obj.GroupVersionKind())
		if err != nil {
			return err
		}
		if l.kind == "flux" {
			err = s.story.put(target{served: sv, namespace: obj.GetNamespace(), name: obj.GetName()}, obj)
		} else {
			_, err = s.world.client.Resource(sv.gvr).Namespace("argocd").Apply(ctx, obj.GetName(), obj, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// live lists the objects of a kind by namespace.
func (s *sweep) live(gvr schema.GroupVersionResource) (map[string][]unstructured.Unstructured, error) {
	list, err := s.world.client.Resource(gvr).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	byNamespace := map[string][]unstructured.Unstructured{}
	for _, obj := range list.Items {
		ns := obj.GetNamespace()
		if gvr == applications {
			ns = strings.TrimSuffix(obj.GetName(), "-app")
		}
		byNamespace[ns] = append(byNamespace[ns], obj)
	}
	return byNamespace, nil
}

// own reports whether an object is not one that Kubernetes makes in each namespace.
func own(name string) bool { return name != "kube-root-ca.crt" && name != "default" }

// await waits until all lives have arrived at a version; "" is the end.
func (s *sweep) await(lives []*life, version string) {
	s.t.Helper()
	s.fatal(within(5*deadline, func() error { // so many at once take their time on a busy machine
		declared, err := s.live(applications)
		if err != nil {
			return err
		}
		more, err := s.live(kustomizations)
		if err != nil {
			return err
		}
		maps.Copy(declared, more)
		configs, err := s.live(partKinds[0])
		if err != nil {
			return err
		}
		var late []string
		for _, l := range lives {
			s.release(configs[l.ns])
			if err := s.arrived(l, version, declared[l.ns], configs[l.ns]); err != nil {
				late = append(late, fmt.Sprintf("%s (%s): %v", l.ns, l.describe(), err))
			}
		}
		if len(late) > 0 {
			return fmt.Errorf("%d of %d lives have not arrived at %q:\n%s", len(late), len(lives), version, strings.Join(late[:min(len(late), 5)], "\n"))
		}
		return nil
	}))
}

func (s *sweep) arrived(l *life, version string, declared, configs []unstructured.Unstructured) error {
	var have, want []string
	for _, obj := range configs {
		if own(obj.GetName()) && !(l.kind == "hooks" && obj.GetName() == "alarm") {
			have = append(have, "configmaps/"+obj.GetName())
		}
	}
	for _, part := range l.parts(version) {
		if strings.HasPrefix(part, "configmaps/") {
			want = append(want, part)
		}
	}
	slices.Sort(have)
	if len(declared) == 0 {
		if version != "" || len(have) > 0 {
			return fmt.Errorf("the declaration is gone; left: %v", have)
		}
		return nil
	}
	text, _ := json.Marshal(declared[0].Object["status"])
	if version == "" {
		return fmt.Errorf("the declaration is still there: %s", text)
	}
	if !slices.Equal(have, want) {
		return fmt.Errorf("%v instead of %v: %s", have, want, text)
	}
	expectations := []string{"status.sync.revision=" + s.head, "status.sync.status=Synced", "status.operationState.phase=Succeeded", "status.health.status=Healthy"}
	switch {
	case l.kind == "back" && version == "v2":
		expectations[1] = "status.sync.status=OutOfSync"
		expectations = append(expectations, "status.operationState.syncResult.source.path=back-v2")
	case l.kind == "flux":
		expectations = []string{
			"status.lastAppliedRevision~" + s.head + "$", `status.conditions[?(@.type=="Ready")].status=True`,
			fmt.Sprintf("status.observedGeneration=%d", declared[0].GetGeneration()),
		}
	}
	for _, e := range expectations {
		if err := matches(&declared[0], e); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	return nil
}

// release takes the finalizer off objects that are being deleted.
func (s *sweep) release(list []unstructured.Unstructured) {
	for _, obj := range list {
		if obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) > 0 {
			_, _ = s.world.client.Resource(partKinds[0]).Namespace(obj.GetNamespace()).Patch(context.Background(), obj.GetName(),
				types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		}
	}
}

func (l *life) describe() string {
	if l.fault == nil {
		return "undisturbed"
	}
	if l.fault.every > 0 {
		return fmt.Sprintf("%s at call %d and every %d after it", l.fault.mode, l.fault.skip+1, l.fault.every)
	}
	return fmt.Sprintf("%s at call %d", l.fault.mode, l.fault.skip+1)
}

// quiet waits until plumbd has stopped writing.
func (s *sweep) quiet() {
	s.t.Helper()
	count, last, since := -1, apiCall{}, time.Now()
	s.fatal(within(deadline, func() error {
		s.world.proxy.mu.Lock()
		defer s.world.proxy.mu.Unlock()
		if n := len(s.world.proxy.calls); n != count {
			count, since = n, time.Now()
			if n > 0 {
				last = s.world.proxy.calls[n-1]
			}
		}
		if still := time.Since(since); still < 2*time.Second {
			return fmt.Errorf("plumbd has asked for nothing for %s only; last: %s", still, last)
		}
		return nil
	}))
}

// run lives all lives side by side, from the first version to the end.
func (s *sweep) run(lives []*life) {
	s.t.Helper()
	for _, l := range lives {
		l.states, l.uids = map[string]map[string]string{}, map[string]string{}
		if l.fault != nil {
			l.fault.story = l.ns
			s.world.proxy.begin(l.fault)
		}
	}
	for _, stage := range []string{"v1", "v2", ""} {
		from := map[string]int{}
		for _, l := range lives {
			from[l.ns] = len(s.world.proxy.noted(l.ns))
			s.fatal(s.declare(l, stage))
		}
		s.await(lives, stage)
		s.quiet()
		s.look(lives, stage)
		for _, l := range lives {
			s.judge(l, stage, s.world.proxy.noted(l.ns)[from[l.ns]:])
		}
	}
}

// undisturbed lives a life of each kind as it should be.
func (s *sweep) undisturbed() map[string]*life {
	s.t.Helper()
	reference := map[string]*life{}
	var lives []*life
	for _, kind := range livesOf {
		reference[kind] = &life{ns: "reference-" + kind, kind: kind}
		lives = append(lives, reference[kind])
	}
	s.run(lives)
	return reference
}

// look notes how everything stands at the end of a stage, once it stands as in an
// undisturbed life: after watches ended often, plumbd sees its own last write late.
func (s *sweep) look(lives []*life, stage string) {
	s.t.Helper()
	_ = within(deadline, func() error { // what differs even so is told by compare
		s.note(lives, stage)
		for _, l := range lives {
			if l.like != nil && !maps.Equal(l.states[stage], l.like.states[stage]) {
				return errors.New(l.ns + " differs")
			}
		}
		return nil
	})
	for _, l := range lives {
		for _, part := range l.parts(stage) {
			if _, ok := l.states[stage][part]; !ok {
				s.t.Errorf("%s (%s), at %q: no %s", l.ns, l.describe(), stage, part)
			}
		}
	}
}

// note takes down what is there.
func (s *sweep) note(lives []*life, stage string) {
	s.t.Helper()
	byLife := map[string]map[string]string{}
	for _, gvr := range append([]schema.GroupVersionResource{applications, kustomizations}, partKinds...) {
		live, err := s.live(gvr)
		s.fatal(err)
		for ns, list := range live {
			for _, obj := range list {
				if byLife[ns] == nil {
					byLife[ns] = map[string]string{}
				}
				if own(obj.GetName()) {
					byLife[ns][gvr.Resource+"/"+strings.ReplaceAll(obj.GetName(), ns, "NS")] = essence(ns, &obj)
				}
			}
		}
	}
	for _, l := range lives {
		l.states[stage] = byLife[l.ns]
	}
}

// dir is the directory of a version.
func (l *life) dir(version string) string {
	if l.kind == "hooks" || l.kind == "back" {
		return l.kind + "-" + version
	}
	return version
}

// essence is what one life has in common with the next, and the inventory of a declaration.
func essence(ns string, obj *unstructured.Unstructured) string {
	obj = obj.DeepCopy()
	switch obj.GetKind() {
	case "Application":
		list, _, _ := unstructured.NestedSlice(obj.Object, "status", "resources")
		conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
		obj.Object = map[string]any{"resources": list, "conditions": conditions}
	case "Kustomization":
		list, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
		obj.Object = map[string]any{"inventory": list}
	case "Job":
		obj.Object = map[string]any{"finalizers": obj.GetFinalizers()}
	default:
		delete(obj.Object, "status")
		unstructured.RemoveNestedField(obj.Object, "metadata", "annotations", "plumbline.dev/hook-attempt")
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp"} {
			unstructured.RemoveNestedField(obj.Object, "metadata", field)
		}
		fields := obj.GetManagedFields()
		fields = slices.DeleteFunc(fields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == "kube-controller-manager" })
		for i := range fields {
			fields[i].Time = nil
		}
		obj.SetManagedFields(fields)
		unstructured.RemoveNestedField(obj.Object, "spec", "clusterIP")
		unstructured.RemoveNestedField(obj.Object, "spec", "clusterIPs")
	}
	text, _ := json.Marshal(obj.Object)
	return strings.ReplaceAll(times.ReplaceAllString(string(text), `""`), ns, "NS")
}

// times are what differs between two lives in any case.
var times = regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"`)

// judge checks what plumbd did to one life in one stage.
func (s *sweep) judge(l *life, stage string, calls []apiCall) {
	s.t.Helper()
	may, most := map[string][]string{"v2": goers, "": l.parts("v2")}[stage], 1
	if l.fault != nil && l.fault.hold == nil {
		most = 2 // a sync that fails runs its hooks once more
	}
	created := map[string]int{}
	var wrong []string
	for _, c := range calls {
		part := c.resource + "/" + c.name
		switch {
		case c.namespace != l.ns && c.resource != "namespaces", c.resource == "gitrepositories/status", c.resource == "events", strings.HasPrefix(c.resource, "kustomizations"), strings.HasSuffix(c.name, "-trial"): // tried, and not stored
			continue
		case c.verb == "delete" && (l.hook(part) || l.remade(part, stage)):
			delete(l.uids, part)
			continue
		case c.verb == "delete":
			if !slices.Contains(may, part) {
				wrong = append(wrong, "deleted: "+c.String())
			}
			continue
		case c.code == 201:
			created[part]++
		case c.uid != "" && l.uids[part] != "" && l.uids[part] != c.uid:
			wrong = append(wrong, "another object: "+c.String())
		}
		again := l.hook(part) || l.remade(part, stage)
		if created[part] > 1 && !(again && created[part] <= most) || c.code == 201 && l.uids[part] != "" {
			wrong = append(wrong, "created twice: "+c.String())
		}
		if c.uid != "" {
			l.uids[part] = c.uid
		}
	}
	if len(wrong) > 0 {
		s.t.Errorf("%s (%s), at %q:\n%s\nall calls:\n%s", l.ns, l.describe(), stage, strings.Join(wrong, "\n"), listed(calls))
	}
}

// compare checks that a life was as the undisturbed one at every stage.
func (s *sweep) compare(l *life) {
	s.t.Helper()
	for stage, want := range l.like.states {
		if diff := cmp.Diff(want, l.states[stage]); diff != "" {
			s.t.Errorf("%s (%s) ended otherwise at %q:\n%s\nall calls:\n%s", l.ns, l.describe(), stage, diff, listed(s.world.proxy.noted(l.ns)))
		}
	}
}

func listed(calls []apiCall) string {
	var b strings.Builder
	for i, c := range calls {
		fmt.Fprintf(&b, "%3d %s\n", i+1, c)
	}
	return b.String()
}
