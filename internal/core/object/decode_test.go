package object

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const cm = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "

func TestDecode(t *testing.T) {
	obj := func(pairs ...any) map[string]any {
		m := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	type want struct {
		Object map[string]any
		Index  int
	}
	cases := map[string]struct {
		reason string
		in     string
		want   []want
	}{
		"Documents": {
			reason: "documents come in order; empty ones and comments are neither returned nor counted",
			in:     "---\n# nothing\n---\n\n---\n" + cm + "a\n--- # second\n---\n" + cm + "a\nx: 1\n",
			want:   []want{{obj(), 0}, {obj("x", int64(1)), 1}},
		},
		"CRLFAndBOM": {
			reason: "files from Windows mean the same",
			in:     "\xef\xbb\xbf---\r\n" + strings.ReplaceAll(cm+"a\n", "\n", "\r\n") + "---\r\n" + strings.ReplaceAll(cm+"a\n", "\n", "\r\n"),
			want:   []want{{obj(), 0}, {obj(), 1}},
		},
		"LoneCarriageReturns": {
			reason: "YAML 1.1 breaks lines at a carriage return; no document may get lost",
			in:     strings.ReplaceAll(cm+"a\n---\n"+cm+"a\n", "\n", "\r"),
			want:   []want{{obj(), 0}, {obj(), 1}},
		},
		"EndMarker": {
			reason: "what follows an end marker is a document too",
			in:     cm + "a\n...\n" + cm + "a\n...\n---\n" + cm + "a\n",
			want:   []want{{obj(), 0}, {obj(), 1}, {obj(), 2}},
		},
		"MarkerInsideText": {
			reason: "dashes that are indented or run on are text",
			in:     cm + "a\ntext: |\n  ---\n  b\nmore: |\n  x\n  ----\n----: 1\n",
			want:   []want{{obj("text", "---\nb\n", "more", "x\n----\n", "----", int64(1)), 0}},
		},
		"OneLine": {
			reason: "content may follow the marker",
			in:     "--- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n",
			want:   []want{{obj(), 0}},
		},
		"Numbers": {
			reason: "whole numbers are int64 and others float64, as after a trip through JSON",
			in:     cm + "a\ni: 9007199254740993\nf: 1.5\none: 1.0\nbig: 18446744073709551615\noct: 0644\nexp: 1e3\nneg: -0.0\n",
			want: []want{{obj("i", int64(9007199254740993), "f", 1.5, "one", int64(1), "big", float64(18446744073709551615),
				"oct", int64(420), "exp", int64(1000), "neg", int64(0)), 0}},
		},
		"Booleans": {
			reason: "YAML 1.1, as kubectl reads it; a date stays text",
			in:     cm + "a\na: yes\nb: off\nc: \"on\"\nd: 2020-01-02\ne: ~\n",
			want:   []want{{obj("a", true, "b", false, "c", "on", "d", "2020-01-02", "e", nil), 0}},
		},
		"Keys": {
			reason: "keys that are not text become text",
			in:     cm + "a\ndata: {1: k, true: l, 1.5: z}\n",
			want:   []want{{obj("data", map[string]any{"1": "k", "true": "l", "1.5": "z"}), 0}},
		},
		"Merge": {
			reason: "a key may override a merged one",
			in:     cm + "a\nbase: &b {x: 1, z: 2}\nover: {<<: *b, z: 3}\n",
			want: []want{{obj("base", map[string]any{"x": int64(1), "z": int64(2)},
				"over", map[string]any{"x": int64(1), "z": int64(3)}), 0}},
		},
		"List": {
			reason: "a List is its items, also when nested",
			in: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n-\n" +
				"- apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - metadata: {name: a}\n",
			want: []want{{obj(), 0}, {obj(), 0}},
		},
		"EmptyList": {
			reason: "a List may be empty",
			in:     "apiVersion: v1\nkind: List\nitems:\n---\napiVersion: v1\nkind: ConfigMapList\nitems: []\n",
		},
		"KindCalledList": {
			reason: "a kind of one's own may end in List",
			in:     "apiVersion: x/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {}\n",
			want:   []want{{map[string]any{"apiVersion": "x/v1", "kind": "AllowList", "metadata": map[string]any{"name": "a"}, "spec": map[string]any{}}, 0}},
		},
		"JSON": {
			reason: "JSON keeps its escapes and whole numbers",
			in:     "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\n\t\"x\":\"\\ud83d\\ude00\\/\",\"n\":3}\n{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}",
			want:   []want{{obj("x", "😀/", "n", int64(3)), 0}, {obj(), 1}},
		},
		"GenerateName": {
			reason: "an object may leave its name to the server",
			in:     "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n",
			want:   []want{{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"generateName": "a-"}}, 0}},
		},
		"NullLabels": {
			reason: "null in labels is what the API server makes of it",
			in:     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {x: }, annotations: }\n",
			want: []want{{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{
				"name": "a", "labels": map[string]any{"x": ""}, "annotations": nil}}, 0}},
		},
		"Nothing": {reason: "an empty file declares nothing", in: "\n# todo\n---\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Decode("a.yaml", []byte(tc.in))
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			var have []want
			for _, m := range got {
				if m.Origin.File != "a.yaml" {
					t.Errorf("origin %+v", m.Origin)
				}
				have = append(have, want{m.Object.Object, m.Origin.Index})
			}
			if diff := cmp.Diff(tc.want, have); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	bomb := cm + "a\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	cases := map[string]struct {
		in, want string
		problem  Problem
	}{
		"Syntax":        {cm + "a\n---\n# x\n" + "a: [\n", "a.yaml: document 2, line 7: is not valid YAML: did not find expected node content", ProblemSyntax},
		"Tab":           {cm + "a\ndata:\n\tx: y\n", "a.yaml: document 1, line 6: is not valid YAML: found character that cannot start any token", ProblemSyntax},
		"Duplicate":     {cm + "a\n---\n" + cm + "a\ndata: {}\ndata: {}\n", `a.yaml: document 2, line 11: key "data" is there twice`, ProblemDuplicateKey},
		"DuplicateDeep": {cm + "a\nx: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n  a: 3\n", `a.yaml: document 1, line 9: key "a" is there twice`, ProblemDuplicateKey},
		"DuplicateText": {cm + "a\ndata: {1: a, \"1\": b}\n", `a.yaml: document 1, line 1: key "1" is there twice`, ProblemDuplicateKey},
		"DuplicateJSON": {"{\"apiVersion\":\"v1\",\n\"kind\":\"ConfigMap\",\"kind\":\"X\"}", `a.yaml: document 1, line 2: key "kind" is there twice`, ProblemDuplicateKey},
		"NoKind":        {"apiVersion: v1\nmetadata: {name: a}\n", "a.yaml: document 1, line 1: has no kind", ProblemNotObject},
		"NoVersion":     {"\n\n# x\nkind: A\nmetadata: {name: a}\n", "a.yaml: document 1, line 4: has no apiVersion", ProblemNotObject},
		"NoName":        {"apiVersion: v1\nkind: A\nmetadata: {}\n", "a.yaml: document 1, line 1: A has no metadata.name", ProblemNotObject},
		"NoMetadata":    {"apiVersion: v1\nkind: A\n", "a.yaml: document 1, line 1: A has no metadata.name", ProblemNotObject},
		"NumberName":    {"apiVersion: v1\nkind: A\nmetadata: {name: 12}\n", "a.yaml: document 1, line 1: A metadata.name is a number, want text; put it in quotes", ProblemNotObject},
		"Annotation":    {"apiVersion: v1\nkind: A\nmetadata: {name: a, annotations: {b: true}}\n", `a.yaml: document 1, line 1: A "a": metadata.annotations["b"] is a boolean, want text; put it in quotes`, ProblemNotObject},
		"Scalar":        {"hello\n", "a.yaml: document 1, line 1: is plain text, not a Kubernetes object", ProblemNotObject},
		"Array":         {"- a\n", "a.yaml: document 1, line 1: is a list, not a Kubernetes object", ProblemNotObject},
		"Item":          {"apiVersion: v1\nkind: List\nitems: [{kind: A}]\n", "a.yaml: document 1, line 1: items[0]: has no apiVersion", ProblemNotObject},
		"Infinity":      {cm + "a\nx: .inf\n", "a.yaml: document 1, line 1: has the number +Inf, which no object can hold", ProblemNotObject},
		"Bomb":          {bomb, "a.yaml: document 1, line 1: is not valid YAML: document contains excessive aliasing", ProblemLimit},
		"Deep":          {cm + "a\nx: " + strings.Repeat("[", 600) + strings.Repeat("]", 600), "a.yaml: document 1, line 1: is nested more than 500 levels deep", ProblemLimit},
		"UTF16":         {"\xff\xfea\x00", "a.yaml: is UTF-16 text; save it as UTF-8", ProblemSyntax},
		"Binary":        {"\x00\x01", "a.yaml: document 1, line 1: is not valid YAML: control characters are not allowed", ProblemSyntax},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Decode("a.yaml", []byte(tc.in))
			e, ok := errors.AsType[*DecodeError](err)
			if !ok {
				t.Fatalf("got %v (%T), want *DecodeError", err, err)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if e.Problem != tc.problem {
				t.Errorf("problem %s, want %s", e.Problem, tc.problem)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error spans lines: %q", err)
			}
		})
	}
}

func TestDecodeJSONRefusesYAML(t *testing.T) {
	_, err := DecodeJSON("a.json", []byte("{\n\"a\": 1,\n}"))
	if want := "a.json: document 1, line 3: is not valid JSON: invalid character '}' looking for beginning of object key string"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Many small bombs, each below the parser's own limit, stay within one budget.
func TestDecoderSharesItsLimit(t *testing.T) {
	text := cm + "a\nbig: &b " + strings.Repeat("x", 1000) + "\nmany: [" + strings.Repeat("*b,", 90) + "]\n"
	d := Decoder{Limits: Limits{Expanded: 300_000}}
	for i := range 4 {
		_, err := d.Decode("a.yaml", []byte(text))
		e, _ := errors.AsType[*DecodeError](err)
		if i < 3 && err != nil || i == 3 && (e == nil || e.Problem != ProblemLimit) {
			t.Fatalf("file %d: %v", i, err)
		}
	}
}

func TestManyDocuments(t *testing.T) {
	d := Decoder{Limits: Limits{Documents: 3}}
	_, err := d.Decode("a.yaml", []byte(strings.Repeat("---\n"+cm+"a\n", 2)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Decode("b.yaml", []byte(strings.Repeat("---\n"+cm+"a\n", 2)))
	if want := "b.yaml: document 2, line 7: brings the number of documents above the limit of 3"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLastKeyWins(t *testing.T) {
	d := Decoder{Keys: LastKeyWins}
	got, err := d.Decode("a.yaml", []byte(cm+"a\nx: 1\nx: 2\n"))
	if err != nil || got[0].Object.Object["x"] != int64(2) {
		t.Errorf("%v %v", got, err)
	}
}

func TestDecodeFileLimit(t *testing.T) {
	d := Decoder{Limits: Limits{File: 10}}
	_, err := d.Decode("a.yaml", []byte(cm))
	if want := "a.yaml: has 49 bytes, more than the limit of 10"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What decodes must equal what kubectl's own conversion makes of the text.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		cm + "a\n", "---\n---\na: b\n...\n", "{\"apiVersion\":\"v1\"}", "a: &a [*a]", "<<: {a: 1}\na: 2", "\r\n---\r\n", "? {a: b}\n: c",
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: X, metadata: {name: a}}\n", cm + "a\nx: [1.0, 1e30, 0x10, 0o7, 1_000, .5, y, ~, 2001-01-01]\n",
		cm + "a\nx: !!binary aGk=\ny: !!timestamp 2001-01-01\nz: !!str 1\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Decode("f.yaml", data)
		if err != nil {
			if _, ok := errors.AsType[*DecodeError](err); !ok {
				t.Fatalf("untyped error %T", err)
			}
			return
		}
		for _, m := range got {
			text, err := json.Marshal(m.Object.Object)
			if err != nil {
				t.Fatal(err)
			}
			m.Object.DeepCopy() // panics on types that no object holds
			again, err := DecodeJSON("f.json", text)
			if err != nil || len(again) != 1 {
				t.Fatalf("JSON form does not decode: %v", err)
			}
			if diff := cmp.Diff(m.Object.Object, again[0].Object.Object); diff != "" {
				t.Fatalf("changed by a trip through JSON:\n%s", diff)
			}
		}
		if len(got) == 1 && !looksLikeJSON(data) && len(split(data)) == 1 {
			var ref map[string]any
			if yaml.Unmarshal(data, &ref) == nil && ref["kind"] == got[0].Object.GetKind() {
				want, _ := json.Marshal(ref["spec"])
				have, _ := json.Marshal(got[0].Object.Object["spec"])
				if string(want) != string(have) {
					t.Fatalf("spec: kubectl reads %s, we read %s", want, have)
				}
			}
		}
	})
}

func benchmarkText() []byte {
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-%d\n  labels: {app: a, tier: web}\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n", i)
		for c := range 3 {
			fmt.Fprintf(&b, "      - name: c%d\n        image: registry.example/c:%d\n        env:\n", c, c)
			for e := range 8 {
				fmt.Fprintf(&b, "        - name: VAR_%d\n          value: \"value %d\"\n", e, e)
			}
		}
	}
	return []byte(b.String())
}

func BenchmarkDecode(b *testing.B) {
	data := benchmarkText()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode("a.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReference is the usual way: YAML to JSON to a map.
func BenchmarkReference(b *testing.B) {
	data := benchmarkText()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range split(data) {
			var m map[string]any
			if err := yaml.Unmarshal(s.text, &m); err != nil {
				b.Fatal(err)
			}
		}
	}
}
