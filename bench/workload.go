package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	maxObjects = 4 // of one application
	namespaces = 10
)

// workload is a repository of many small applications.
type workload struct {
	options
	apps int
}

func (w workload) name(i int) string      { return fmt.Sprintf("app-%05d", i) }
func (w workload) namespace(i int) string { return fmt.Sprintf("bench-%d", i%namespaces) }

// files returns the manifests of application i; version changes every object.
func (w workload) files(i int, version string) map[string]string {
	name, ns := w.name(i), w.namespace(i)
	meta := fmt.Sprintf("metadata:\n  name: %s\n  namespace: %s\n  labels: {app: %s, version: %q}\n", name, ns, name, version)
	all := map[string]string{
		"configmap.yaml":      "apiVersion: v1\nkind: ConfigMap\n" + meta + "data:\n  greeting: hello\n  mode: production\n",
		"serviceaccount.yaml": "apiVersion: v1\nkind: ServiceAccount\n" + meta,
		"service.yaml":        "apiVersion: v1\nkind: Service\n" + meta + "spec:\n  selector: {app: " + name + "}\n  ports:\n  - {name: http, port: 80, targetPort: 8080}\n",
		"deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\n" + meta + `spec:
  replicas: 0
  selector:
    matchLabels: {app: ` + name + `}
  template:
    metadata:
      labels: {app: ` + name + `}
    spec:
      serviceAccountName: ` + name + `
      containers:
      - name: app
        image: registry.example.com/app:1.0
        ports:
        - {name: http, containerPort: 8080}
        env:
        - {name: MODE, value: production}
        resources:
          requests: {cpu: 10m, memory: 16Mi}
`,
	}
	for _, file := range order[w.options.perApp:] {
		delete(all, file)
	}
	return all
}

// order is that in which objects are applied, and in which a smaller
// application loses them from the end.
var order = []string{"configmap.yaml", "deployment.yaml", "service.yaml", "serviceaccount.yaml"}

// objects returns what rendering application i gives.
func (w workload) objects(i int, version string) []*unstructured.Unstructured {
	files := w.files(i, version)
	var list []*unstructured.Unstructured
	for _, name := range order[:w.options.perApp] {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(files[name]), &obj.Object); err != nil {
			panic(err) // the text is ours
		}
		list = append(list, obj)
	}
	return list
}

// application returns the Application that deploys application i.
func (w workload) application(i int, url string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": w.name(i), "namespace": "argocd"},
		"spec": map[string]any{
			"project":     "default",
			"source":      map[string]any{"repoURL": url, "targetRevision": "main", "path": "apps/" + w.name(i)},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": w.namespace(i)},
			"syncPolicy":  map[string]any{"automated": map[string]any{"prune": true, "selfHeal": true}},
		},
	}}
}

// write puts the manifests of some applications into a working clone.
func (w workload) write(clone, version string, which ...int) error {
	for _, i := range which {
		dir := filepath.Join(clone, "apps", w.name(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		files := w.files(i, version)
		if w.tool == "kustomize" {
			files["kustomization.yaml"] = "resources: [" + strings.Join(order[:w.options.perApp], ", ") + "]\n"
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w workload) all() []int {
	list := make([]int, w.apps)
	for i := range list {
		list[i] = i
	}
	return list
}

// git runs git in dir.
func git(dir string, args ...string) error {
	_, err := gitOutput(dir, args...)
	return err
}

// gitOutput runs git in dir and returns what it printed.
func gitOutput(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=bench", "-c", "user.email=bench@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

func commit(clone, message string) error {
	if err := git(clone, "add", "-A"); err != nil {
		return err
	}
	return git(clone, "commit", "-qm", message)
}
