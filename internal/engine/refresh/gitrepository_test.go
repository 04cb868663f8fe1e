package refresh_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

var configKey = client.ObjectKey{Namespace: "flux-system", Name: "config"}

func config(edit func(*sourcev1.GitRepository)) *sourcev1.GitRepository {
	g := &sourcev1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: configKey.Namespace, Name: configKey.Name, Generation: 3},
		Spec:       sourcev1.GitRepositorySpec{URL: url, Reference: &sourcev1.GitRepositoryRef{Branch: "main"}, Interval: metav1.Duration{Duration: time.Minute}},
	}
	if edit != nil {
		edit(g)
	}
	return g
}

// repository is a GitRepository in an API server, watched by a Poller.
type repository struct {
	*world
	t      *testing.T
	client client.Client
	git    *refresh.GitRepositories
}

func repositoryOf(t *testing.T, w *world, g *sourcev1.GitRepository) *repository {
	scheme := runtime.NewScheme()
	if err := sourcev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(g).WithObjects(g).Build()
	return &repository{world: w, t: t, client: c, git: &refresh.GitRepositories{Client: c, Poller: w.Poller}}
}

func (r *repository) get() *sourcev1.GitRepository {
	r.t.Helper()
	g := &sourcev1.GitRepository{}
	if err := r.client.Get(r.t.Context(), configKey, g); err != nil {
		r.t.Fatal(err)
	}
	return g
}

// reconcile looks once and returns what stands there then.
func (r *repository) reconcile() *sourcev1.GitRepository {
	r.t.Helper()
	if _, err := r.git.Reconcile(r.t.Context(), reconcile.Request{NamespacedName: configKey}); err != nil {
		r.t.Fatal(err)
	}
	return r.get()
}

func (r *repository) edit(change func(*sourcev1.GitRepository)) {
	r.t.Helper()
	g := r.get()
	change(g)
	if err := r.client.Update(r.t.Context(), g); err != nil {
		r.t.Fatal(err)
	}
}

// conditions are the conditions as "Type: Status Reason".
func conditions(g *sourcev1.GitRepository) map[string]string {
	out := map[string]string{}
	for _, c := range g.Status.Conditions {
		out[c.Type] = string(c.Status) + " " + c.Reason
	}
	return out
}

func TestRepositoryStatus(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		r := repositoryOf(t, w, config(nil))
		if g := r.reconcile(); len(g.Status.Conditions) > 0 {
			t.Errorf("nothing is said before the first poll: %v", g.Status)
		}
		pass(0)
		g := r.reconcile()
		want(t, "a fetched revision is stored", map[string]string{"Ready": "True Succeeded", "ArtifactInStorage": "True Succeeded"}, conditions(g))
		want(t, "under its name", "main@sha1:"+one, g.Status.Artifact.Revision)
		want(t, "for this generation", int64(3), g.Status.ObservedGeneration)
		again := r.reconcile()
		want(t, "a second look writes nothing", g.ResourceVersion, again.ResourceVersion)

		w.hosts.set(func(h *hosts) { h.err = errors.New("connection refused") })
		pass(time.Minute)
		failed := r.reconcile()
		want(t, "a failing fetch says so, and what was stored stands", map[string]string{
			"Ready": "False GitOperationFailed", "FetchFailed": "True GitOperationFailed",
			"Reconciling": "True ProgressingWithRetry", "ArtifactInStorage": "True Succeeded",
		}, conditions(failed))
		want(t, "the artifact stays", "main@sha1:"+one, failed.Status.Artifact.Revision)
		pass(10 * time.Second)
		want(t, "failing again writes nothing", failed.ResourceVersion, r.reconcile().ResourceVersion)

		w.hosts.set(func(h *hosts) { h.err, h.refs["refs/heads/main"] = nil, source.RefTarget{ID: two} })
		pass(time.Minute)
		want(t, "that it is over is said", map[string]string{"Ready": "True Succeeded", "ArtifactInStorage": "True Succeeded"}, conditions(r.reconcile()))
		want(t, "with the new revision", "main@sha1:"+two, r.get().Status.Artifact.Revision)
	})
}

func TestRepositoryRefused(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		r := repositoryOf(t, w, config(func(g *sourcev1.GitRepository) { g.Spec.RecurseSubmodules = true }))
		g := r.reconcile()
		if c := apimeta.FindStatusCondition(g.Status.Conditions, "Stalled"); c == nil || c.Status != metav1.ConditionTrue {
			t.Errorf("what cannot be honoured is stalled: %v", conditions(g))
		}
		want(t, "a second look writes nothing", g.ResourceVersion, r.reconcile().ResourceVersion)
		pass(time.Hour)
		want(t, "and not fetched", 0, w.hosts.count())
	})
}

func TestRepositorySuspended(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		r := repositoryOf(t, w, config(nil))
		r.reconcile()
		pass(0)
		r.reconcile()
		r.edit(func(g *sourcev1.GitRepository) { g.Spec.Suspend = true })
		before := r.get().ResourceVersion
		want(t, "what is suspended is left as it is", before, r.reconcile().ResourceVersion)
		pass(time.Hour)
		want(t, "and not fetched", 1, w.hosts.count())
	})
}

func TestRepositoryRequest(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		r := repositoryOf(t, w, config(nil))
		r.reconcile()
		pass(0)
		r.reconcile()
		w.told()
		w.hosts.took = 10 * time.Second
		r.edit(func(g *sourcev1.GitRepository) {
			g.Annotations = map[string]string{"reconcile.fluxcd.io/requestedAt": "now"}
		})
		for range 3 { // other events, while the poll is under way
			want(t, "a request is not handled before its poll", "", r.reconcile().Status.LastHandledReconcileAt)
			pass(time.Second)
		}
		pass(10 * time.Second)
		want(t, "who asked is called", []string{"config main@1111111!"}, w.told())
		want(t, "and then it is handled", "now", r.reconcile().Status.LastHandledReconcileAt)
		want(t, "with one poll", 2, w.hosts.count())
	})
}

func TestRepositoryGone(t *testing.T) {
	for name, edit := range map[string]func(*sourcev1.GitRepository){
		"plain":          func(*sourcev1.GitRepository) {},
		"with finalizer": func(g *sourcev1.GitRepository) { g.Finalizers = []string{"finalizers.fluxcd.io"} },
	} {
		run(t, refresh.Options{}, func(t *testing.T, w *world) {
			r := repositoryOf(t, w, config(edit))
			r.reconcile()
			pass(0)
			if err := r.client.Delete(t.Context(), r.get()); err != nil {
				t.Fatal(err)
			}
			if _, err := r.git.Reconcile(t.Context(), reconcile.Request{NamespacedName: configKey}); err != nil {
				t.Fatal(err)
			}
			if err := r.client.Get(t.Context(), configKey, &sourcev1.GitRepository{}); client.IgnoreNotFound(err) != nil || err == nil {
				t.Errorf("%s: it is let go: %v", name, err)
			}
			pass(time.Hour)
			want(t, name+": and not fetched any more", 1, w.hosts.count())
		})
	}
}

func TestSecrets(t *testing.T) {
	data := func(name string, labels map[string]string, values map[string]string) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name, Labels: labels}, Data: map[string][]byte{}}
		for k, v := range maps.All(values) {
			s.Data[k] = []byte(v)
		}
		return s
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		data("repo", map[string]string{"argocd.argoproj.io/secret-type": "repository"}, map[string]string{"url": url, "password": "registered"}),
		data("unlabelled", nil, map[string]string{"url": "https://git.example/other", "password": "hidden"}),
		data("named", nil, map[string]string{"username": "ada", "password": "named"}),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "argocd-ssh-known-hosts-cm"}, Data: map[string]string{"ssh_known_hosts": "hosts"}},
	).Build()
	s := refresh.Secrets{Reader: c, Namespace: "argocd"}
	got, err := s.Credentials(t.Context(), url, nil)
	want(t, "by address", app.Credentials{Password: "registered", KnownHosts: []byte("hosts")}, got)
	want(t, "", nil, err)
	got, err = s.Credentials(t.Context(), "https://git.example/other", nil)
	want(t, "Secrets without the label are not looked at", app.Credentials{KnownHosts: []byte("hosts")}, got)
	want(t, "", nil, err)
	got, err = s.Credentials(t.Context(), url, &app.SecretRef{Namespace: "argocd", Name: "named"})
	want(t, "by name", app.Credentials{Username: "ada", Password: "named"}, got)
	want(t, "", nil, err)
	if _, err := s.Credentials(t.Context(), url, &app.SecretRef{Namespace: "argocd", Name: "missing"}); err == nil {
		t.Error("a Secret that is not there is an error")
	}
}
