package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

type refuse struct{}

func (refuse) RoundTrip(r *http.Request) (*http.Response, error) {
	panic("a render went to the network: " + r.URL.String())
}

func TestMain(m *testing.M) {
	http.DefaultTransport = refuse{}
	os.Exit(m.Run())
}

var testRevision = source.Revision{Name: "main", ID: "4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2"}

type files map[string]string

func (f files) tree() source.Tree {
	m := fstest.MapFS{}
	for name, text := range f {
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			m[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return source.FromFS(m, testRevision)
}

func full(t testing.TB) files {
	t.Helper()
	a, err := txtar.ParseFile("testdata/full.txtar")
	if err != nil {
		t.Fatal(err)
	}
	f := files{}
	for _, file := range a.Files {
		f[file.Name] = string(file.Data)
	}
	return f
}

func renderWeb(t testing.TB, f files, opts render.HelmOptions) render.Result {
	t.Helper()
	got, err := Renderer{}.Render(t.Context(), webRequest(opts), f.tree())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func webRequest(opts render.HelmOptions) render.Request {
	if opts.ReleaseName == "" {
		opts.ReleaseName = "shop"
	}
	return render.Request{Path: "charts/web", Namespace: "prod", KubeVersion: "v1.33.4-gke.1", APIVersions: []string{"example.org/v1/Widget"}, Helm: &opts}
}

func TestRender(t *testing.T) {
	got := renderWeb(t, full(t), render.HelmOptions{})
	var have []string
	for _, m := range got.Manifests {
		have = append(have, m.Key().String()+" from "+m.Origin.File)
	}
	want := []string{
		"apiextensions.k8s.io/CustomResourceDefinition widgets.example.org from charts/web/crds/widget.yaml",
		"ConfigMap cache from charts/web/charts/cache/templates/cm.yaml",
		"ConfigMap caps from charts/web/templates/caps.yaml",
		"apps/Deployment prod/shop-web from charts/web/templates/deploy.yaml",
		"ConfigMap dropme from charts/web/templates/deploy.yaml",
		"batch/Job migrate from charts/web/templates/hook.yaml",
		"Pod test from charts/web/templates/tests/test.yaml",
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	wantCaps := map[string]any{"kube": "v1.33.4-gke.1", "minor": "33", "widget": "true", "apps": "false", "looked": "{}", "file": "hello\n", "outside": "", "keys": "abc", "upgrade": "false"}
	if diff := cmp.Diff(wantCaps, got.Manifests[2].Object.Object["data"]); diff != "" {
		t.Error(diff)
	}
	if got.Impure != "" || len(got.Warnings) != 0 || got.Digest == "" {
		t.Errorf("result %+v", got)
	}
}

// seen summarises what values did to the web chart.
func seen(got render.Result) string {
	var out []string
	for _, m := range got.Manifests {
		obj := m.Object.Object
		switch m.Object.GetName() {
		case "shop-web":
			spec := obj["spec"].(map[string]any)
			c := spec["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
			out = append(out, fmt.Sprint(spec["replicas"], " ", c["image"], " ", c["args"]))
		case "cache":
			out = append(out, fmt.Sprint("cache ", obj["data"].(map[string]any)["size"]))
		case "dropme", "test", "widgets.example.org":
			out = append(out, m.Object.GetName())
		}
	}
	return strings.Join(out, ", ")
}

func TestValues(t *testing.T) {
	raw := func(s string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(s)} }
	cases := map[string]struct {
		reason string
		opts   render.HelmOptions
		want   string
	}{
		"Defaults":      {"the chart's own values", render.HelmOptions{}, "widgets.example.org, cache 1, 1 nginx:4.5 [a b], dropme, test"},
		"Files":         {"later files win; a slash is the root of the repository", render.HelmOptions{ValueFiles: []string{"/values/common.yaml", "../../values/env/prod.yaml"}}, "widgets.example.org, cache 1, 2 nginx:prod [c], dropme, test"},
		"Local":         {"others are relative to the chart and reach dependencies", render.HelmOptions{ValueFiles: []string{"local.yaml"}}, "widgets.example.org, cache 7, 5 nginx:4.5 [a b], dropme, test"},
		"Glob":          {"a pattern is sorted where it stands", render.HelmOptions{ValueFiles: []string{"/values/env/*.yaml"}}, "widgets.example.org, cache 1, 1 nginx:z [c], dropme, test"},
		"GlobAndName":   {"a file that is listed keeps its place", render.HelmOptions{ValueFiles: []string{"/values/**/*.yaml", "/values/common.yaml"}}, "widgets.example.org, cache 1, 2 nginx:common [c], dropme, test"},
		"Missing":       {"missing files may be ignored", render.HelmOptions{ValueFiles: []string{"nope.yaml", "/no/*.yaml"}, IgnoreMissingValueFiles: true}, "widgets.example.org, cache 1, 1 nginx:4.5 [a b], dropme, test"},
		"Object":        {"values win over files", render.HelmOptions{ValueFiles: []string{"local.yaml"}, Values: raw(`{"replicas": 8, "cache": {"size": "big"}}`)}, "widgets.example.org, cache big, 8 nginx:4.5 [a b], dropme, test"},
		"Null":          {"null removes a default", render.HelmOptions{Values: raw(`{"drop": null}`)}, "widgets.example.org, cache 1, 1 nginx:4.5 [a b], test"},
		"Parameters":    {"parameters win over all; commas stay text, braces make lists", render.HelmOptions{Values: raw(`{"replicas": 8}`), Parameters: []render.HelmParameter{{Name: "replicas", Value: "9"}, {Name: "image.tag", Value: "a,b"}, {Name: "list", Value: "{x,y}"}}}, "widgets.example.org, cache 1, 9 nginx:a,b [x y], dropme, test"},
		"ForceString":   {"a string may be forced", render.HelmOptions{Parameters: []render.HelmParameter{{Name: "cache.size", Value: "0123", ForceString: true}, {Name: "image.tag", Value: "1e3", ForceString: true}}}, "widgets.example.org, cache 0123, 1 nginx:1e3 [a b], dropme, test"},
		"FileParameter": {"a value may be a file", render.HelmOptions{FileParameters: []render.HelmFileParameter{{Name: "cache.size", Path: "/secret.txt"}}}, "widgets.example.org, cache canary\n, 1 nginx:4.5 [a b], dropme, test"},
		"Condition":     {"a dependency may be off", render.HelmOptions{Parameters: []render.HelmParameter{{Name: "cache.enabled", Value: "false"}}}, "widgets.example.org, 1 nginx:4.5 [a b], dropme, test"},
		"Skips":         {"CRDs and tests may be left out", render.HelmOptions{SkipCRDs: true, SkipTests: true}, "cache 1, 1 nginx:4.5 [a b], dropme"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, seen(renderWeb(t, full(t), tc.opts))); diff != "" {
				t.Errorf("%s:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	raw := func(s string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(s)} }
	const meta = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
	cases := map[string]struct {
		reason string
		change files
		opts   render.HelmOptions
		want   string
	}{
		"Template":   {"a template that does not parse", files{"charts/web/templates/a.yaml": "x: 1\ny: {{ if }}\n"}, render.HelmOptions{}, `chart "web": parse error at (web/templates/a.yaml:2): missing value for if`},
		"Execution":  {"one that fails", files{"charts/web/templates/a.yaml": "\nx: {{ .Values.a.b.c }}\n"}, render.HelmOptions{}, `chart "web": web/templates/a.yaml:2:13 executing "web/templates/a.yaml" at <.Values.a.b.c>: nil pointer evaluating interface {}.b`},
		"Fail":       {"one that says so", files{"charts/web/templates/a.yaml": `{{ fail "set\nit" }}`}, render.HelmOptions{}, `chart "web": execution error at (web/templates/a.yaml:1:3): set it`},
		"Required":   {"one that wants a value", files{"charts/web/templates/a.yaml": `{{ required "host is needed" .Values.host }}`}, render.HelmOptions{}, `chart "web": execution error at (web/templates/a.yaml:1:3): host is needed`},
		"Recursion":  {"one that includes itself", files{"charts/web/templates/_r.tpl": `{{ define "r" }}{{ include "r" . }}{{ end }}`, "charts/web/templates/a.yaml": `{{ include "r" . }}`}, render.HelmOptions{}, "..."},
		"Output":     {"text that is not YAML", files{"charts/web/templates/a.yaml": "{{ if true }}\napiVersion: v1\nkind: [\n{{ end }}"}, render.HelmOptions{}, "charts/web/templates/a.yaml: document 1, line 3: is not valid YAML: did not find expected node content (in the rendered text)"},
		"NoObject":   {"text that is no object", files{"charts/web/templates/a.yaml": "replicas: 1\n"}, render.HelmOptions{}, "charts/web/templates/a.yaml: document 1, line 1: has no apiVersion (in the rendered text)"},
		"Schema":     {"values that do not fit", nil, render.HelmOptions{Values: raw(`{"replicas": "many", "image": {"repository": null}}`)}, `chart "web": values.schema.json: at '/image': missing property 'repository'; at '/replicas': got string, want integer`},
		"SchemaFile": {"a schema that reads files", files{"charts/web/values.schema.json": `{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`}, render.HelmOptions{}, `chart "web": values.schema.json: refers to "file:///etc/passwd", and only references inside the schema are followed: put the definitions under $defs`},
		"SchemaHTTP": {"or servers", files{"charts/web/values.schema.json": `{"$ref": "http://169.254.169.254/x"}`}, render.HelmOptions{}, `chart "web": values.schema.json: refers to "http://169.254.169.254/x", and only references inside the schema are followed: put the definitions under $defs`},
		"SchemaBad":  {"a schema that is none", files{"charts/web/values.schema.json": `{`}, render.HelmOptions{}, `chart "web": values.schema.json: is not JSON: unexpected EOF`},
		"Dependency": {"a dependency that is not vendored", files{"charts/web/Chart.yaml": meta + "dependencies: [{name: db, version: 1.0.0, repository: \"https://x\"}, {name: mq, version: 1.0.0, repository: \"oci://x\"}]\n"}, render.HelmOptions{},
			`chart "web": dependencies "db", "mq" are listed in Chart.yaml but not in charts/web/charts, and they are not downloaded: run "helm dependency update" and commit the charts directory`},
		"FileDependencyOut":  {"one outside the repository", files{"charts/web/Chart.yaml": meta + "dependencies: [{name: db, version: 1.0.0, repository: \"file://../../../x\"}]\n"}, render.HelmOptions{}, `chart in "charts/web": dependency "db": path "../../../x" leaves the repository`},
		"FileDependencyLoop": {"one that depends on itself", files{"charts/web/Chart.yaml": meta + "dependencies: [{name: db, version: 1.0.0, repository: \"file://../web\"}]\n"}, render.HelmOptions{}, "..."},
		"KubeVersion":        {"another Kubernetes", files{"charts/web/Chart.yaml": meta + "kubeVersion: \">=1.40.0\"\n"}, render.HelmOptions{}, `chart "web": requires Kubernetes >=1.40.0, the destination has v1.33.4`},
		"Library":            {"a library", files{"charts/web/Chart.yaml": meta + "type: library\n"}, render.HelmOptions{}, `chart "web": is a library and renders nothing by itself`},
		"NoName":             {"metadata that is wrong", files{"charts/web/Chart.yaml": "apiVersion: v2\nname: ../evil\nversion: 1.0.0\n"}, render.HelmOptions{}, `chart in "charts/web": validation: chart.metadata.name "../evil" is invalid`},
		"NotYAML":            {"or not YAML", files{"charts/web/Chart.yaml": "{"}, render.HelmOptions{}, `chart in "charts/web": cannot load Chart.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content`},
		"ValuesYAML":         {"defaults that are not YAML", files{"charts/web/values.yaml": "a: ["}, render.HelmOptions{}, `chart in "charts/web": cannot load values.yaml: cannot unmarshal yaml document: error converting YAML to JSON: yaml: line 1: did not find expected node content`},
		"ValueFile":          {"a value file that is not there", nil, render.HelmOptions{ValueFiles: []string{"/values/nope.yaml"}}, `value file: main@4f1c2ab has no file "values/nope.yaml"`},
		"ValueGlob":          {"a pattern without a match", nil, render.HelmOptions{ValueFiles: []string{"/values/*.yml"}}, `value file: main@4f1c2ab has no file that matches "values/*.yml"`},
		"ValueOut":           {"a value file outside", nil, render.HelmOptions{ValueFiles: []string{"../../../x.yaml"}}, `value file: path "../../../x.yaml" leaves the repository`},
		"ValueURL":           {"or remote", nil, render.HelmOptions{ValueFiles: []string{"file:///proc/self/environ"}}, `value file: "file:///proc/self/environ" is remote, and remote files are not fetched: put the file in the repository`},
		"ValueSlash":         {"slashes do not help", nil, render.HelmOptions{ValueFiles: []string{"//tmp/../../x.yaml"}}, `value file: path "//tmp/../../x.yaml" leaves the repository`},
		"ValueLink":          {"nor do links", files{"charts/web/l.yaml": "-> ../../../x.yaml"}, render.HelmOptions{ValueFiles: []string{"l.yaml"}}, `charts/web/l.yaml: path "charts/web/l.yaml" is a symbolic link to "../../../x.yaml", which leaves the repository`},
		"ValueBad":           {"a value file that is not YAML", files{"v.yaml": "a: ["}, render.HelmOptions{ValueFiles: []string{"/v.yaml"}}, `v.yaml: value file: cannot unmarshal yaml document: error converting YAML to JSON: yaml: line 1: did not find expected node content`},
		"Values":             {"values that are no object", nil, render.HelmOptions{Values: raw(`[1]`)}, `values: are not an object: json: cannot unmarshal array into Go value of type map[string]interface {}`},
		"Parameter":          {"a parameter with a huge index", nil, render.HelmOptions{Parameters: []render.HelmParameter{{Name: "a[999999999]", Value: "1"}}}, `parameter "a[999999999]": index of 999999999 is greater than maximum supported index of 65536`},
		"Release":            {"a name that no release can have", nil, render.HelmOptions{ReleaseName: "Not_A_Name"}, `release name "Not_A_Name": invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53`},
		"Huge":               {"a file above the limit", files{"charts/web/big": strings.Repeat("x", 100<<20)}, render.HelmOptions{}, `file "charts/web/big" has 104857600 bytes, more than the limit of 16777216`},
		"BadArchive":         {"an archive that is none", files{"charts/web/charts/x.tgz": "hello"}, render.HelmOptions{}, `charts/web/charts/x.tgz: is not a chart archive: unexpected EOF`},
		"Bomb":               {"an archive that explodes", files{"charts/web/charts/x.tgz": archiveOf(map[string]string{"x/big": strings.Repeat("\x00", bytesLimit+1)})}, render.HelmOptions{}, `charts/web/charts/x.tgz: the chart is larger than 67108864 bytes: leave out files with .helmignore`},
		"Slip":               {"an archive that climbs", files{"charts/web/charts/x.tgz": archiveOf(map[string]string{"x/../../evil": "x"})}, render.HelmOptions{}, `charts/web/charts/x.tgz: chart illegally references parent directory`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := full(t)
			for n, text := range tc.change {
				f[n] = text
			}
			_, err := Renderer{}.Render(t.Context(), webRequest(tc.opts), f.tree())
			switch {
			case err == nil:
				t.Errorf("%s: rendered", tc.reason)
			case strings.Contains(err.Error(), "\n") || len(err.Error()) > 900:
				t.Errorf("%s: unreadable: %q", tc.reason, err)
			case tc.want != "..." && tc.want != err.Error():
				t.Errorf("%s:\n got %s\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func archiveOf(contents map[string]string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range contents {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
		w.Write([]byte(text))
	}
	w.Close()
	z.Close()
	return b.String()
}

// A dependency may be an archive, with archives of its own.
func TestArchives(t *testing.T) {
	inner := archiveOf(map[string]string{"inner/Chart.yaml": "apiVersion: v2\nname: inner\nversion: 1.0.0\n", "inner/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inner}\n"})
	f := files{
		"Chart.yaml": "apiVersion: v2\nname: outer\nversion: 1.0.0\ndependencies: [{name: mid, version: 1.0.0, repository: \"https://x\", alias: other}]\n",
		"charts/mid-1.0.0.tgz": archiveOf(map[string]string{
			"mid/Chart.yaml": "apiVersion: v2\nname: mid\nversion: 1.0.0\n", "mid/charts/inner-1.0.0.tgz": inner,
			"mid/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\n",
		}),
	}
	got, err := Renderer{}.Render(t.Context(), render.Request{Path: "."}, f.tree())
	if err != nil || len(got.Manifests) != 2 || got.Manifests[0].Object.GetName() != "inner" || got.Manifests[1].Object.GetName() != "other" {
		t.Errorf("%v %v", got.Manifests, err)
	}
}

func TestImpurity(t *testing.T) {
	cases := map[string]string{
		`{{ now }}`:                                               "the chart uses now",
		`{{ randAlphaNum 5 }}{{ uuidv4 }}`:                        "the chart uses randAlphaNum, uuidv4",
		`{{ if false }}{{ now }}{{ end }}`:                        "", // not called
		`{{ date "2006" "x" }}`:                                   "the chart uses date",
		`{{ toDate "2006-01-02" "2020-01-02" | date "2006" }}`:    "",
		`{{ derivePassword 1 "long" "p" "u" "s" }}`:               "",
		`{{ tpl "{{ randInt 1 5 }}" . }}`:                         "the chart uses randInt",
		`{{ getHostByName "example.org" }}`:                       "",
		`{{ range $k, $v := dict "b" 1 "a" 2 }}{{ $k }}{{ end }}`: "",
		`{{ (genSelfSignedCert "a" nil nil 1).Cert | trunc 5 }}`:  "the chart uses genSelfSignedCert",
	}
	for text, want := range cases {
		f := files{
			"Chart.yaml":       "apiVersion: v2\nname: c\nversion: 1.0.0\n",
			"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: '" + text + "'\n",
		}
		got, err := Renderer{}.Render(t.Context(), render.Request{Path: "."}, f.tree())
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got.Impure != want {
			t.Errorf("%s: impure %q, want %q", text, got.Impure, want)
		}
	}
}

func TestDuplicateKeysWarn(t *testing.T) {
	f := files{
		"Chart.yaml":       "apiVersion: v2\nname: c\nversion: 1.0.0\n",
		"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: a}\ndata: {x: b}\n",
	}
	got, err := Renderer{}.Render(t.Context(), render.Request{Path: "."}, f.tree())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"x": "b"}, got.Manifests[0].Object.Object["data"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`templates/a.yaml: document 1, line 5: key "data" is there twice (in the rendered text); the last one counts`}, got.Warnings); diff != "" {
		t.Error(diff)
	}
}

// Equal input gives equal output, byte for byte.
func TestDeterminism(t *testing.T) {
	f := full(t)
	first := renderWeb(t, f, render.HelmOptions{})
	for range 10 {
		if diff := cmp.Diff(first, renderWeb(t, f, render.HelmOptions{})); diff != "" {
			t.Fatal(diff)
		}
	}
}

func FuzzEscapeCommas(f *testing.F) {
	f.Add("a,b")
	f.Fuzz(func(t *testing.T, value string) {
		j := job{opts: render.HelmOptions{Parameters: []render.HelmParameter{{Name: "a.b", Value: value, ForceString: true}}}}
		_ = j.parameters(map[string]any{})
	})
}

func BenchmarkRender(b *testing.B) {
	tree := full(b).tree()
	for b.Loop() {
		if _, err := (Renderer{}).Render(b.Context(), webRequest(render.HelmOptions{}), tree); err != nil {
			b.Fatal(err)
		}
	}
}
