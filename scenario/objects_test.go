package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
