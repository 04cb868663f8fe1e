package reconcile_test

import (
	"context"
	"errors"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

var (
	settings = argo.Settings{Namespace: "argocd"}
	shop     = app.ID{Kind: "Application", Namespace: "argocd", Name: "shop"}
	shopKey  = client.ObjectKey{Namespace: "argocd", Name: "shop"}
	start    = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	metaNow  = metav1.NewTime(start)
)

// git is a repository in memory: the newest revision, and the files of each.
type git struct {
	seen  refresh.Seen
	files map[string]string // by revision
	asked int

	tree   func(source.Revision) source.Tree // nil, or one that is nil: as files says
	unread bool                              // nobody has said yet what is read
}

func (g *git) Read(app.ID, ...refresh.Want) []refresh.Seen { return []refresh.Seen{g.seen} }
func (g *git) Forget(app.ID)                               {}
func (g *git) Now(app.ID) []int64                          { g.asked++; return []int64{g.seen.Polls + 1} }

func (g *git) History(context.Context, app.ID, int) (signature.History, error) { return nil, nil }

func (g *git) Chart(context.Context, chart.Dependency, func(string) bool) (source.Tree, error) {
	return nil, errors.New("there are no charts here")
}

func (g *git) Tree(_ context.Context, _ app.ID, _ int, rev source.Revision) (source.Tree, error) {
	if g.unread {
		return nil, refresh.ErrUnread
	}
	if g.tree != nil {
		if tree := g.tree(rev); tree != nil {
			return tree, nil
		}
	}
	text, ok := g.files[rev.ID]
	if !ok {
		return nil, errors.New("no such revision")
	}
	return source.FromFS(fstest.MapFS{"app.yaml": {Data: []byte(text)}, "apps/shop/app.yaml": {Data: []byte(text)}}, rev), nil
}

// renders remembers what documents made.
type renders struct{ *render.Memo }

func newRenders() renders { return renders{render.NewMemo(render.MemoOptions{})} }

func (r renders) Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	res, _, err := r.Memo.Render(ctx, req, tree, documents{})
	return res, err
}

// documents reads YAML documents separated by "---"; "broken" does not render.
type documents struct{}

func (documents) Render(_ context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	data, err := tree.ReadFile(path.Join(req.Path, "app.yaml"))
	if err != nil {
		return render.Result{}, err
	}
	out := render.Result{Tool: render.Directory, Digest: string(data)}
	for i, text := range strings.Split(string(data), "---") {
		switch strings.TrimSpace(text) {
		case "":
			continue
		case "broken":
			return render.Result{}, errors.New("app.yaml: it is broken")
		}
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
			return render.Result{}, err
		}
		out.Manifests = append(out.Manifests, object.Manifest{Object: obj, Origin: object.Origin{File: "app.yaml", Index: i}})
	}
	return out, nil
}

// world is one Application, its repository and its cluster.
type world struct {
	*cluster
	t          *testing.T
	git        *git
	client     client.Client
	reconciler *reconcile.Reconciler
	now        time.Time
	next       reconcile.Next
	options    reconcile.Options
}

func newWorld(t *testing.T, edit func(*v1alpha1.Application)) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	yes := true
	a := &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "shop", Finalizers: []string{argo.Finalizer}},
		Spec: v1alpha1.ApplicationSpec{
			Source:      &v1alpha1.Source{RepoURL: "https://git.example/shop", Path: ".", TargetRevision: "main"},
			Destination: v1alpha1.Destination{Server: argo.InCluster, Namespace: "shop"},
			SyncPolicy:  &v1alpha1.SyncPolicy{Automated: &v1alpha1.AutomatedSync{Prune: &yes, SelfHeal: &yes}, Retry: &v1alpha1.Retry{Limit: 2}},
		},
	}
	if edit != nil {
		edit(a)
	}
	w := &world{cluster: newCluster(t), t: t, git: &git{files: map[string]string{}}, now: start}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(a, argo.DefaultProject("argocd")).Build()
	w.restart()
	return w
}

// restart forgets everything that is kept in memory.
func (w *world) restart() {
	opts := w.options
	opts.Now = func() time.Time { return w.now }
	w.reconciler = reconcile.New(
		map[string]reconcile.Dialect{"Application": &reconcile.Applications{Client: w.client, Settings: settings}},
		reconcile.Only(w.cluster), w.git, newRenders(), opts)
}

// push makes text the content of a new revision.
func (w *world) push(digit, text string) {
	id := strings.Repeat(digit, 40)
	w.git.files[id] = text
	w.git.seen = refresh.Seen{Revision: source.Revision{Name: "main", ID: id}, Polls: w.git.seen.Polls + 1, At: w.now}
}

// reconcile looks once and returns the Application then.
func (w *world) reconcile() *v1alpha1.Application {
	w.t.Helper()
	next, err := w.reconciler.Reconcile(w.t.Context(), shop)
	if err != nil {
		w.t.Fatal(err)
	}
	w.next = next
	return w.get()
}

func (w *world) get() *v1alpha1.Application {
	w.t.Helper()
	a := &v1alpha1.Application{}
	if err := w.client.Get(w.t.Context(), shopKey, a); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return a
}

// declare changes the Application as its user.
func (w *world) declare(change func(*v1alpha1.Application)) {
	w.t.Helper()
	a := w.get()
	change(a)
	if err := w.client.Update(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
}

func want[T any](t *testing.T, reason string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", reason, d)
	}
}

// says checks that one of the conditions holds the text.
func says(t *testing.T, reason string, a *v1alpha1.Application, text string) {
	t.Helper()
	for _, c := range a.Status.Conditions {
		if strings.Contains(c.Message, text) {
			return
		}
	}
	t.Errorf("%s: %q is not in %+v", reason, text, a.Status.Conditions)
}

func phase(a *v1alpha1.Application) string {
	if a.Status.OperationState == nil {
		return ""
	}
	return string(a.Status.OperationState.Phase)
}

// configMap is a manifest; more is further metadata.
func configMap(name, value string, more ...string) string {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n"
	for _, line := range more {
		text += "  " + line + "\n"
	}
	return text + "data:\n  value: \"" + value + "\"\n---\n"
}

func key(kind, name string) object.Key { return object.Key{Kind: kind, Namespace: "shop", Name: name} }
