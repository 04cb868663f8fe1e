package render

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

func TestKey(t *testing.T) {
	base := Request{Tool: Helm, Path: "a", KubeVersion: "v1.37.0", Helm: &HelmOptions{ReleaseName: "r"}}
	same := base
	same.Path = "./a/"
	same.Directory = &DirectoryOptions{Recurse: true}
	if base.Key() != same.Key() {
		t.Error("the same render has two keys")
	}
	changes := map[string]func(*Request){
		"version": func(r *Request) { r.KubeVersion = "v1.38.0" },
		"path":    func(r *Request) { r.Path = "b" },
		"tool":    func(r *Request) { r.Tool = Kustomize },
		"apis":    func(r *Request) { r.APIVersions = []string{"v1"} },
		"values":  func(r *Request) { r.Helm = &HelmOptions{Values: &runtime.RawExtension{Raw: []byte(`{"a":1}`)}} },
		"invalid": func(r *Request) { r.Helm = &HelmOptions{Values: &runtime.RawExtension{Raw: []byte(`{a`)}} },
		"other":   func(r *Request) { r.Helm = &HelmOptions{Values: &runtime.RawExtension{Raw: []byte(`{b`)}} },
	}
	seen := map[Key]string{base.Key(): "base"}
	for name, change := range changes {
		r := base
		change(&r)
		if other, has := seen[r.Key()]; has {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[r.Key()] = name
	}
	plain := Request{Tool: Directory, Path: "a", KubeVersion: "v1.37.0", APIVersions: []string{"v1"}, Namespace: "x"}
	if plain.Key() != (Request{Tool: Directory, Path: "a"}).Key() {
		t.Error("a plain directory depends on the cluster")
	}
}
