package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/plumbline-dev/plumbline/sandbox/internal/nodes"
)

var gibibyte = resource.MustParse("1Gi")

// TestSandbox runs two sandboxes side by side, the second as a bench would, and
// looks at everything the command line promises.
func TestSandbox(t *testing.T) {
	binary := build(t)
	root := t.TempDir()
	password := filepath.Join(root, "password")
	if err := os.WriteFile(password, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	repos := filepath.Join(root, "repos")
	git(t, root, "init", "-q", "--bare", "-b", "main", filepath.Join(repos, "app.git"))
	full := []string{
		"--users", "alice=devs,bob=", "--nodes", "2",
		"--git-root", repos, "--git-user", "ann", "--git-password-file", password,
	}
	var wg sync.WaitGroup
	var a, b *instance
	var errA, errB error
	wg.Go(func() { a, errA = launch(t, binary, filepath.Join(root, "a"), full...) })
	wg.Go(func() { b, errB = launch(t, binary, filepath.Join(root, "b"), "--controllers", "none") })
	wg.Wait()
	if errA != nil || errB != nil {
		t.Fatalf("two at once: %v, %v", errA, errB)
	}
	t.Run("Version", func(t *testing.T) { reportsVersion(t, a.client("")) })
	t.Run("Nodes", func(t *testing.T) { hasNodes(t, a.client(""), 2) })
	t.Run("Deployment", func(t *testing.T) { deploys(t, a.client("")) })
	t.Run("Job", func(t *testing.T) { completesJob(t, a.client("")) })
	t.Run("StatefulSet", func(t *testing.T) { bindsClaims(t, a.client("")) })
	t.Run("Annotations", func(t *testing.T) { obeysAnnotations(t, a.client("")) })
	t.Run("DeleteNamespace", func(t *testing.T) { deletesNamespace(t, a.client("")) })
	t.Run("DeleteNamespaceWithoutControllers", func(t *testing.T) { deletesNamespace(t, b.client("")) })
	t.Run("Users", func(t *testing.T) { authorizes(t, a) })
	t.Run("Git", func(t *testing.T) { servesGit(t, a) })
	t.Run("SecondOnSameData", func(t *testing.T) {
		if _, err := launch(t, binary, a.dir); err == nil {
			t.Error("A data directory in use is refused.")
		}
	})
	if err := b.closeStdin(); err != nil {
		t.Errorf("The end of standard input is a clean stop: %v", err)
	}
	if err := a.signal(); err != nil {
		t.Errorf("SIGTERM is a clean stop: %v", err)
	}
	t.Run("Restart", func(t *testing.T) { resumes(t, binary, a, full) })
}

func reportsVersion(t *testing.T, c kubernetes.Interface) {
	v, err := c.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	got := [3]string{v.GitVersion, v.Major, v.Minor}
	if diff := cmp.Diff([3]string{"v1.37.2", "1", "37"}, got); diff != "" {
		t.Errorf("Clients see the real version: -want, +got:\n%s", diff)
	}
}

func hasNodes(t *testing.T, c kubernetes.Interface, want int) {
	list, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	usable := 0
	for i := range list.Items {
		if nodes.Usable(&list.Items[i]) {
			usable++
		}
	}
	if diff := cmp.Diff(want, usable); diff != "" {
		t.Errorf("Ready means that the nodes are: -want, +got:\n%s", diff)
	}
}

func podTemplate(labels map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/none:1"}}},
	}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: podTemplate(labels),
		},
	}
}

func deploys(t *testing.T, c kubernetes.Interface) {
	api := c.AppsV1().Deployments("default")
	if _, err := api.Create(t.Context(), deployment("web", 3), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "3 replicas available", func(ctx context.Context) (bool, string) {
		d, err := api.Get(ctx, "web", metav1.GetOptions{})
		return err == nil && d.Status.AvailableReplicas == 3, d.Status.String()
	})
}

func completesJob(t *testing.T, c kubernetes.Interface) {
	api := c.BatchV1().Jobs("default")
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "once"}, Spec: batchv1.JobSpec{Template: podTemplate(nil)}}
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	if _, err := api.Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "job complete", func(ctx context.Context) (bool, string) {
		j, err := api.Get(ctx, "once", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, cond := range j.Status.Conditions {
			if cond.Type == batchv1.JobComplete && cond.Status == corev1.ConditionTrue {
				return true, ""
			}
		}
		return false, j.Status.String()
	})
}

func bindsClaims(t *testing.T, c kubernetes.Interface) {
	labels, replicas := map[string]string{"app": "db"}, int32(1)
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: podTemplate(labels),
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: gibibyte}},
				},
			}},
		},
	}
	api := c.AppsV1().StatefulSets("default")
	if _, err := api.Create(t.Context(), set, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "replica with a volume available", func(ctx context.Context) (bool, string) {
		s, err := api.Get(ctx, "db", metav1.GetOptions{})
		return err == nil && s.Status.AvailableReplicas == 1, s.Status.String()
	})
}

func obeysAnnotations(t *testing.T, c kubernetes.Interface) {
	api := c.CoreV1().Pods("default")
	for name, annotation := range map[string][2]string{
		"unready": {nodes.AnnotationReady, "false"},
		"failing": {nodes.AnnotationFail, "true"},
	} {
		tmpl := podTemplate(nil)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{annotation[0]: annotation[1]}}, Spec: tmpl.Spec}
		if _, err := api.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	is := func(name string, want func(corev1.PodStatus) bool) {
		t.Helper()
		eventually(t, "pod "+name, func(ctx context.Context) (bool, string) {
			p, err := api.Get(ctx, name, metav1.GetOptions{})
			return err == nil && want(p.Status), p.Status.String()
		})
	}
	is("failing", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodFailed })
	is("unready", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodRunning && !podReady(s) })
	pod, err := api.Get(t.Context(), "unready", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	delete(pod.Annotations, nodes.AnnotationReady)
	if _, err := api.Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	is("unready", podReady)
}

func podReady(s corev1.PodStatus) bool {
	for _, c := range s.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func deletesNamespace(t *testing.T, c kubernetes.Interface) {
	api := c.CoreV1().Namespaces()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short-lived"}}
	if _, err := api.Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AppsV1().Deployments(ns.Name).Create(t.Context(), deployment("web", 2), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := api.Delete(t.Context(), ns.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "namespace gone", func(ctx context.Context) (bool, string) {
		left, err := api.Get(ctx, ns.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), left.Status.String()
	})
}

func authorizes(t *testing.T, a *instance) {
	list := func(user string) error {
		_, err := a.client(user).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
		return err
	}
	for _, user := range []string{"alice", "bob"} {
		if err := list(user); !apierrors.IsForbidden(err) {
			t.Errorf("%s may do nothing at first: got %v", user, err)
		}
	}
	_, err := a.client("").RbacV1().RoleBindings("default").Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "devs"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "devs"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "alice sees as a member of devs", func(context.Context) (bool, string) {
		err := list("alice")
		return err == nil, cmp.Diff(nil, err)
	})
	if err := list("bob"); !apierrors.IsForbidden(err) {
		t.Errorf("bob is not a member: got %v", err)
	}
}

func servesGit(t *testing.T, a *instance) {
	dir := t.TempDir()
	git(t, dir, "clone", "-q", a.ready.Git.HTTP+"/app.git", "w")
	w := filepath.Join(dir, "w")
	git(t, w, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "first")
	git(t, w, "push", "-q", "origin", "HEAD:main")
	want := git(t, w, "rev-parse", "HEAD")
	urls := map[string]string{
		"http": a.ready.Git.HTTP + "/app.git",
		"auth": strings.Replace(a.ready.Git.HTTP, "//", "//ann:s3cret@", 1) + "/auth/app.git",
		"tls":  a.ready.Git.HTTPS + "/app.git",
	}
	for name, url := range urls {
		got := git(t, dir, "-c", "http.sslCAInfo="+a.ready.Git.CA, "ls-remote", url, "refs/heads/main")
		if diff := cmp.Diff(want+"\trefs/heads/main", got); diff != "" {
			t.Errorf("%s serves what was pushed: -want, +got:\n%s", name, diff)
		}
	}
}

func resumes(t *testing.T, binary string, before *instance, flags []string) {
	kubeconfig := read(t, before.ready.Kubeconfig)
	token := read(t, before.ready.Kubeconfig+"-alice")
	after, err := launch(t, binary, before.dir, flags...)
	if err != nil {
		t.Fatal(err)
	}
	want, got := before.ready, after.ready
	want.Took, got.Took = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Addresses stay: -want, +got:\n%s", diff)
	}
	if kubeconfig != read(t, after.ready.Kubeconfig) || token != read(t, after.ready.Kubeconfig+"-alice") {
		t.Error("Authorities, certificates and tokens stay: a kubeconfig changed.")
	}
	hasNodes(t, after.client(""), 2)
	api := after.client("").AppsV1().Deployments("default")
	web, err := api.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	four := int32(4)
	web.Spec.Replicas = &four
	if _, err := api.Update(t.Context(), web, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "scaled after the restart", func(ctx context.Context) (bool, string) {
		d, err := api.Get(ctx, "web", metav1.GetOptions{})
		return err == nil && d.Status.AvailableReplicas == four, d.Status.String()
	})
	if err := after.signal(); err != nil {
		t.Errorf("The second run stops cleanly too: %v", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s: mode %v, want 0600", path, info.Mode().Perm())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
