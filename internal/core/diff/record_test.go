package diff

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// TestRecord replays the setup of every archive in testdata/oracle against the
// API server of the kubeconfig in PLUMBLINE_ORACLE_KUBECONFIG and writes the
// live object, the answer to a dry-run apply of desired.yaml and, for kinds that
// Kubernetes does not bring, their schema into the archive. The files of the
// setup are named <n>-<verb>-<manager>.yaml, the verbs are apply, patch (a merge
// patch) and status (one of the subresource). The server must be disposable.
func TestRecord(t *testing.T) {
	kubeconfig := os.Getenv("PLUMBLINE_ORACLE_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("PLUMBLINE_ORACLE_KUBECONFIG is not set")
	}
	s := connect(t, kubeconfig)
	files, err := filepath.Glob("testdata/oracle/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			s.record(t, file)
		})
	}
}

type server struct {
	base   string
	client *http.Client
}

func connect(t *testing.T, kubeconfig string) *server {
	t.Helper()
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     string `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Certificate string `json:"client-certificate-data"`
				Key         string `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	raw, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, &config); err != nil || len(config.Clusters) == 0 || len(config.Users) == 0 {
		t.Fatalf("%s: no cluster and user: %v", kubeconfig, err)
	}
	plain := func(text string) []byte {
		out, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	pair, err := tls.X509KeyPair(plain(config.Users[0].User.Certificate), plain(config.Users[0].User.Key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(plain(config.Clusters[0].Cluster.CA))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}
	return &server{base: config.Clusters[0].Cluster.Server, client: &http.Client{Transport: transport}}
}

func (s *server) record(t *testing.T, file string) {
	archive := readArchive(t, file)
	namespace := "oracle-" + fmt.Sprint(time.Now().UnixNano())
	s.apply(t, namespaceOf(namespace), "setup", "")
	defer s.do(t, "DELETE", "/api/v1/namespaces/"+namespace, "", nil)
	var out []txtar.File
	for _, f := range archive.Files {
		switch f.Name {
		case "live.yaml", "result.yaml", "refused", "schema.json":
			continue
		}
		out = append(out, f)
		if parts := strings.SplitN(strings.TrimSuffix(f.Name, ".yaml"), "-", 3); len(parts) == 3 {
			s.step(t, parts[1], parts[2], shop(decode(t, f.Data), namespace))
		}
	}
	options := readCase(t, &txtar.Archive{Files: out})
	desired := shop(options.Desired.DeepCopy(), namespace)
	defer func() {
		if desired.GetNamespace() != namespace {
			s.do(t, "DELETE", s.path(t, desired), "", nil)
		}
	}()
	code, live := s.do(t, "GET", s.path(t, desired), "", nil)
	if code != http.StatusOK {
		t.Fatalf("no live object: %s", live)
	}
	out = append(out, txtar.File{Name: "live.yaml", Data: asYAML(t, live, namespace)})
	s.takeOver(t, live, desired, options)
	if gvk := desired.GroupVersionKind(); strings.Contains(gvk.Group, "example") {
		out = append(out, txtar.File{Name: "schema.json", Data: s.document(t, gvk.GroupVersion())})
	}
	code, answer := s.do(t, "PATCH", s.path(t, desired)+"?dryRun=All&force=true&fieldManager="+options.Manager, "application/apply-patch+yaml", desired)
	if code == http.StatusOK {
		out = append(out, txtar.File{Name: "result.yaml", Data: asYAML(t, answer, namespace)})
	} else {
		out = append(out, txtar.File{Name: "refused", Data: refusal(t, answer, namespace)})
	}
	archive.Files = out
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// takeOver writes what TakenOver says.
func (s *server) takeOver(t *testing.T, live []byte, desired *unstructured.Unstructured, options Input) {
	t.Helper()
	before := decode(t, live)
	entries, ok, err := TakenOver(before, options.Manager, desired.GetAPIVersion(), options.Takeover)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return
	}
	patch := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{
		"managedFields": entries, "resourceVersion": before.GetResourceVersion(),
	}}}
	s.must(t, s.path(t, desired), "application/merge-patch+json", patch)
}

func (s *server) step(t *testing.T, verb, manager string, obj *unstructured.Unstructured) {
	t.Helper()
	switch verb {
	case "apply":
		s.apply(t, obj, manager, "")
	case "patch":
		s.patch(t, obj, manager, "")
	case "status":
		s.patch(t, obj, manager, "/status")
	default:
		t.Fatalf("unknown verb %q", verb)
	}
}

func (s *server) apply(t *testing.T, obj *unstructured.Unstructured, manager, sub string) {
	t.Helper()
	s.must(t, s.path(t, obj)+sub+"?force=true&fieldManager="+manager, "application/apply-patch+yaml", obj)
	if obj.GetKind() == "CustomResourceDefinition" {
		version, _, _ := unstructured.NestedSlice(obj.Object, "spec", "versions")
		group, _, _ := unstructured.NestedString(obj.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(obj.Object, "spec", "names", "kind")
		name, _ := version[0].(map[string]any)["name"].(string)
		s.await(t, schema.GroupVersionKind{Group: group, Version: name, Kind: kind})
	}
}

func (s *server) patch(t *testing.T, obj *unstructured.Unstructured, manager, sub string) {
	t.Helper()
	s.must(t, s.path(t, obj)+sub+"?fieldManager="+manager, "application/merge-patch+json", obj)
}

func (s *server) must(t *testing.T, path, contentType string, obj *unstructured.Unstructured) {
	t.Helper()
	if code, answer := s.do(t, "PATCH", path, contentType, obj); code >= 300 {
		t.Fatalf("%s: %d %s", path, code, answer)
	}
}

// await polls until the kind is served and described.
func (s *server) await(t *testing.T, gvk schema.GroupVersionKind) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		_, served := s.do(t, "GET", "/apis/"+gvk.GroupVersion().String(), "", nil)
		_, described := s.do(t, "GET", "/openapi/v3/apis/"+gvk.GroupVersion().String(), "", nil)
		if bytes.Contains(served, []byte(`"kind":"`+gvk.Kind+`"`)) && bytes.Contains(described, []byte(gvk.Kind)) {
			return
		}
	}
	t.Fatalf("%s is not served", gvk)
}

func (s *server) document(t *testing.T, gv schema.GroupVersion) []byte {
	t.Helper()
	_, raw := s.do(t, "GET", "/openapi/v3/apis/"+gv.String(), "", nil)
	var doc struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	undescribe(doc.Components.Schemas)
	delete(doc.Components.Schemas, "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
	out, err := json.Marshal(map[string]any{"components": doc.Components})
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func undescribe(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["description"].(string); ok {
			delete(v, "description")
		}
		for _, child := range v {
			undescribe(child)
		}
	case []any:
		for _, child := range v {
			undescribe(child)
		}
	}
}

func (s *server) path(t *testing.T, obj *unstructured.Unstructured) string {
	t.Helper()
	gv := obj.GroupVersionKind().GroupVersion()
	prefix := "/apis/" + gv.String()
	if gv.Group == "" {
		prefix = "/api/" + gv.Version
	}
	_, raw := s.do(t, "GET", prefix, "", nil)
	var list struct {
		Resources []struct {
			Name, Kind string
			Namespaced bool
		} `json:"resources"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatalf("%s: %v", prefix, err)
	}
	for _, r := range list.Resources {
		if r.Kind != obj.GetKind() || strings.Contains(r.Name, "/") {
			continue
		}
		if r.Namespaced {
			return prefix + "/namespaces/" + obj.GetNamespace() + "/" + r.Name + "/" + obj.GetName()
		}
		unstructured.RemoveNestedField(obj.Object, "metadata", "namespace")
		return prefix + "/" + r.Name + "/" + obj.GetName()
	}
	t.Fatalf("%s serves no %s", prefix, obj.GetKind())
	return ""
}

func (s *server) do(t *testing.T, method, path, contentType string, obj *unstructured.Unstructured) (int, []byte) {
	t.Helper()
	var body io.Reader
	if obj != nil {
		raw, err := json.Marshal(obj.Object)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, s.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, raw
}

func namespaceOf(name string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	obj.SetAPIVersion("v1")
	obj.SetKind("Namespace")
	obj.SetName(name)
	return obj
}

// shop moves an object from the namespace shop of the archives to the one of
// this recording.
func shop(obj *unstructured.Unstructured, namespace string) *unstructured.Unstructured {
	if obj.GetNamespace() == "shop" {
		obj.SetNamespace(namespace)
	}
	return obj
}

func asYAML(t *testing.T, raw []byte, namespace string) []byte {
	t.Helper()
	out, err := yaml.JSONToYAML(bytes.ReplaceAll(raw, []byte(namespace), []byte("shop")))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func refusal(t *testing.T, raw []byte, namespace string) []byte {
	t.Helper()
	var status struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(raw, &status); err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(status.Message, namespace, "shop") + "\n")
}
