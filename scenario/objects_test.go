package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/util/jsonpath"
)

// documents reads the objects of a file of the script.
func (s *story) documents(text string) ([]*unstructured.Unstructured, error) {
	reader := yamlutil.NewYAMLOrJSONDecoder(strings.NewReader(s.expand(text)), 4096)
	var list []*unstructured.Unstructured
	for {
		obj := &unstructured.Unstructured{}
		err := reader.Decode(&obj.Object)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if len(obj.Object) > 0 {
			list = append(list, obj)
		}
	}
}

// each calls do with every object of a file, its kind's client and the namespace
// filled in.
func (s *story) each(c *call, do func(target, *unstructured.Unstructured) error) error {
	if err := c.want(1, 1, "apply FILE"); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	list, err := s.documents(c.ReadFile(c.args[0]))
	if err != nil {
		return fmt.Errorf("%s: %w", c.args[0], err)
	}
	for _, obj := range list {
		sv, err := w.lookUpKind(obj.GroupVersionKind())
		if err != nil {
			return err
		}
		if sv.namespaced && obj.GetNamespace() == "" {
			obj.SetNamespace(s.ns)
		}
		t := target{served: sv, namespace: obj.GetNamespace(), name: obj.GetName()}
		if err := do(t, obj); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// ensureNamespace creates the namespace that an object of the script lies in.
func (s *story) ensureNamespace(name string) error {
	if name == "" {
		return nil
	}
	sv, err := s.world.lookUp("namespaces")
	if err != nil {
		return err
	}
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	if _, err := s.world.at(sv, "").Get(context.Background(), name, metav1.GetOptions{}); err == nil {
		return nil
	}
	_, err = s.world.at(sv, "").Create(context.Background(), ns, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// apply FILE applies objects as "kubectl apply --server-side" does.
func (s *story) apply(c *call) error {
	return s.each(c, s.put)
}

func (s *story) put(t target, obj *unstructured.Unstructured) error {
	if err := s.ensureNamespace(t.namespace); err != nil {
		return err
	}
	sv, err := s.world.lookUpKind(obj.GroupVersionKind()) // as the object has it, not the preferred version
	if err != nil {
		return err
	}
	_, err = s.world.at(sv, t.namespace).Apply(context.Background(), t.name, obj, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
	return err
}

// client-apply FILE creates objects as "kubectl apply" does on the client's side.
func (s *story) clientApply(c *call) error {
	return s.each(c, func(t target, obj *unstructured.Unstructured) error {
		text, err := json.Marshal(obj.Object)
		if err != nil {
			return err
		}
		if err := s.ensureNamespace(t.namespace); err != nil {
			return err
		}
		notes := obj.GetAnnotations()
		if notes == nil {
			notes = map[string]string{}
		}
		notes["kubectl.kubernetes.io/last-applied-configuration"] = string(text) + "\n"
		obj.SetAnnotations(notes)
		_, err = s.world.at(t.served, t.namespace).Create(context.Background(), obj, metav1.CreateOptions{FieldManager: "kubectl-client-side-apply"})
		return err
	})
}

// application NAME [field=value...] creates an automated Application in argocd
// that deploys the path NAME of $URL into the story's namespace; fields are laid
// over that, below spec.source unless they begin with spec or metadata.
func (s *story) application(c *call) error {
	if err := c.want(1, 20, "application NAME [field=value...]"); err != nil {
		return err
	}
	t, err := s.target("applications", c.args[0])
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": t.name, "namespace": t.namespace},
		"spec": map[string]any{
			"project":     "default",
			"source":      map[string]any{"repoURL": s.env["URL"], "targetRevision": "main", "path": c.args[0]},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": s.ns},
			"syncPolicy": map[string]any{
				"automated":   map[string]any{"prune": true, "selfHeal": true},
				"syncOptions": []any{"CreateNamespace=true"},
			},
		},
	}}
	if err := lay(obj.Object, below("spec.source.", c.args[1:])); err != nil {
		return err
	}
	return s.put(t, obj)
}

// below puts a prefix in front of paths that begin with neither spec nor metadata.
func below(prefix string, pairs []string) []string {
	var list []string
	for _, pair := range pairs {
		if !strings.HasPrefix(pair, "spec.") && !strings.HasPrefix(pair, "metadata.") {
			pair = prefix + pair
		}
		list = append(list, pair)
	}
	return list
}

// kustomization NAME [field=value...] creates a Kustomization in the story's
// namespace that deploys the path NAME of $URL there, and the GitRepository
// "repo" when there is none yet; fields lie below spec.
func (s *story) kustomization(c *call) error {
	if err := c.want(1, 20, "kustomization NAME [field=value...]"); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	repo, err := s.target("gitrepositories", "repo")
	if err != nil {
		return err
	}
	if _, err := w.at(repo.served, repo.namespace).Get(context.Background(), repo.name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		err = s.put(repo, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
			"metadata": map[string]any{"name": repo.name, "namespace": repo.namespace},
			"spec":     map[string]any{"url": s.env["URL"], "interval": "3s", "ref": map[string]any{"branch": "main"}},
		}})
		if err != nil {
			return err
		}
	}
	t, err := s.target("kustomizations", c.args[0])
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": t.name, "namespace": t.namespace},
		"spec": map[string]any{
			"interval": "5m", "retryInterval": "3s", "prune": true, "path": "./" + c.args[0], "targetNamespace": s.ns,
			"sourceRef": map[string]any{"kind": "GitRepository", "name": repo.name},
		},
	}}
	if err := lay(obj.Object, below("spec.", c.args[1:])); err != nil {
		return err
	}
	return s.put(t, obj)
}

// lay sets path=value pairs; values are JSON where they can be, and text otherwise.
func lay(obj map[string]any, pairs []string) error {
	for _, pair := range pairs {
		path, text, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not path=value", pair)
		}
		value := parse(path, text)
		if _, err := assign(obj, steps(path), whole(value)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// parse reads a value as JSON where it can be; labels and annotations are texts.
func parse(path, text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	if value != nil && (strings.Contains(path, "annotations.") || strings.Contains(path, "labels.")) {
		return text
	}
	return value
}

// whole turns numbers without a fraction into integers, as objects have them.
func whole(value any) any {
	switch v := value.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	}
	return value
}

// steps splits a path at dots; "\." is a dot within a step.
func steps(path string) []string {
	const dot = "\x00"
	parts := strings.Split(strings.ReplaceAll(path, `\.`, dot), ".")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], dot, ".")
	}
	return parts
}

// assign sets value at path below node and returns the node; nil removes.
func assign(node any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	if node == nil {
		node = map[string]any{}
	}
	switch n := node.(type) {
	case map[string]any:
		below, err := assign(n[path[0]], path[1:], value)
		if err != nil {
			return nil, err
		}
		n[path[0]] = below
		if below == nil {
			delete(n, path[0])
		}
		return n, nil
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(n) {
			return nil, fmt.Errorf("%q is no index of a list of %d", path[0], len(n))
		}
		n[i], err = assign(n[i], path[1:], value)
		return n, err
	}
	return nil, fmt.Errorf("%T has no %q", node, path[0])
}

// edit [-as MANAGER] KIND NAME path=value... changes an object as "kubectl edit"
// does, or as another field manager.
func (s *story) edit(c *call) error {
	manager := c.option("-as", "kubectl-edit")
	if err := c.want(3, 20, "edit [-as MANAGER] KIND NAME path=value..."); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	client := s.world.at(t.served, t.namespace)
	return within(deadline, func() error {
		obj, err := client.Get(context.Background(), t.name, metav1.GetOptions{})
		if err != nil {
			return final{fmt.Errorf("%s: %w", t, err)}
		}
		if err := lay(obj.Object, c.args[2:]); err != nil {
			return final{err}
		}
		_, err = client.Update(context.Background(), obj, metav1.UpdateOptions{FieldManager: manager})
		if err == nil || apierrors.IsConflict(err) {
			return err
		}
		return final{fmt.Errorf("%s: %w", t, err)}
	})
}

// delete KIND NAME asks for a deletion and does not wait for it.
func (s *story) delete(c *call) error {
	if err := c.want(2, 2, "delete KIND NAME"); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	return s.world.at(t.served, t.namespace).Delete(context.Background(), t.name, metav1.DeleteOptions{})
}

// live KIND NAME [PATH] prints an object, or a field of it. "! live KIND NAME"
// says that there is no such object.
func (s *story) live(c *call) error {
	if err := c.want(2, 3, "[!] live KIND NAME [PATH]"); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	obj, err := s.world.at(t.served, t.namespace).Get(context.Background(), t.name, metav1.GetOptions{})
	switch {
	case c.neg && err == nil:
		return fmt.Errorf("%s exists", t)
	case c.neg && apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	path := ""
	if len(c.args) == 3 {
		path = c.args[2]
	}
	text, err := field(obj, path)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout(), text)
	return nil
}

// field returns the text at a JSON path ("status.sync.status"); "" is the whole
// object, and a field that is not there is empty.
func field(obj *unstructured.Unstructured, path string) (string, error) {
	if path == "" {
		text, err := json.MarshalIndent(obj.Object, "", "  ")
		return string(text), err
	}
	p := jsonpath.New("path").AllowMissingKeys(true)
	if err := p.Parse("{." + strings.TrimPrefix(path, ".") + "}"); err != nil {
		return "", fmt.Errorf("path %q: %w", path, err)
	}
	var b strings.Builder
	if err := p.Execute(&b, obj.Object); err != nil {
		return "", fmt.Errorf("path %q: %w", path, err)
	}
	return b.String(), nil
}

// forget deletes the applications of a story without waiting for anything.
func (w *world) forget(ns string) {
	ctx := context.Background()
	for _, kind := range []string{"applications", "kustomizations", "gitrepositories", "appprojects"} {
		sv, err := w.lookUp(kind)
		if err != nil {
			continue
		}
		list, err := w.client.Resource(sv.gvr).List(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for _, obj := range list.Items {
			if !belongs(obj.GetNamespace(), obj.GetName(), ns) {
				continue
			}
			client := w.client.Resource(sv.gvr).Namespace(obj.GetNamespace())
			_ = client.Delete(ctx, obj.GetName(), metav1.DeleteOptions{})
			_, _ = client.Patch(ctx, obj.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		}
	}
}

// belongs reports whether an object is part of the story called ns.
func belongs(namespace, name, ns string) bool {
	for _, text := range []string{namespace, name} {
		if text == ns || strings.HasPrefix(text, ns+"-") {
			return true
		}
	}
	return false
}
