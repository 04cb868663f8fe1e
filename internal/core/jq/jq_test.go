package jq_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/jq"
)

const deployment = `
metadata: {name: api, annotations: {a.b/c: x, other: "y"}}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - {name: istio-proxy, image: "proxy:1", resources: {limits: {cpu: 100m}}}
      - {name: api, image: "api:1", env: [{name: A, value: "1"}, {name: B, value: "2"}]}
      - {name: side, image: "side:1"}
`

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var obj map[string]any
	if err := yaml.Unmarshal([]byte(text), &obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestPaths(t *testing.T) {
	for expression, want := range map[string]string{
		".spec.replicas":                 "spec.replicas",
		`.metadata.annotations["a.b/c"]`: "metadata.annotations.a.b/c",
		`.metadata.annotations."a.b/c"`:  "metadata.annotations.a.b/c",
		".spec.absent":                   "spec.absent", // deleting it changes nothing
		".spec.absent.below":             "spec.absent.below",
		".spec.template.spec.containers[] | select(.name == \"api\") | .image": "spec.template.spec.containers.1.image",
		`.spec.template.spec.containers[1].env[] | select(.name | test("^[AB]$"))`: "spec.template.spec.containers.1.env.1 " +
			"spec.template.spec.containers.1.env.0",
		".spec.template.spec.containers[].resources.limits.cpu": "spec.template.spec.containers.2.resources.limits.cpu " +
			"spec.template.spec.containers.1.resources.limits.cpu spec.template.spec.containers.0.resources.limits.cpu",
		".spec.replicas, .metadata.name":                                  "spec.replicas metadata.name",
		".. | select(.name? == \"A\")":                                    "spec.template.spec.containers.1.env.0",
		".spec.template.spec.containers[] | select(.env) | .env[0].value": "spec.template.spec.containers.1.env.0.value",
		".spec.template.spec.containers[-1].image":                        "", // a position from the end is none
		".spec.template.spec.containers[0:2]":                             "",
		".spec.template.spec.containers[].env[]":                          "", // the first has none: it fails
		".spec.template.spec.containers[].env[]?":                         "spec.template.spec.containers.1.env.1 spec.template.spec.containers.1.env.0",
		"if .spec.replicas > 2 then .spec.replicas else empty end":        "spec.replicas",
		"empty": "",
		".":     "", // the whole object cannot go
		"1":     "",
		".spec.template.spec.containers[] | select(.name | IN(\"side\",\"api\")) | .image": "spec.template.spec.containers.2.image spec.template.spec.containers.1.image",
		".spec.replicas # a remark": "spec.replicas",
	} {
		e, err := jq.Parse(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		paths, err := e.Paths(object(t, deployment))
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		var texts []string
		for _, p := range paths {
			texts = append(texts, strings.ReplaceAll(strings.Trim(fmt.Sprint(p), "[]"), " ", "."))
		}
		if d := cmp.Diff(want, strings.Join(texts, " ")); d != "" {
			t.Errorf("%s: -want +got:\n%s", expression, d)
		}
	}
}

func TestRefused(t *testing.T) {
	for expression, want := range map[string]string{
		".spec.":                        "unexpected",
		"":                              "",
		".a) | (.b":                     "unexpected",
		"def f: f; f":                   "defines a function",
		"range(1e9)":                    "the function range",
		"[range(1e9)]":                  "the function range",
		"env.HOME":                      "the function env",
		"$ENV.HOME":                     "",
		"input":                         "the function input",
		`"x" * 1000000000`:              "* is not for",
		". + .":                         "+ is not for",
		".a = 1":                        "= is not for",
		"reduce .[] as $x (0; 1)":       "reduce, foreach and label",
		"repeat(.)":                     "the function repeat",
		"recurse(.[])":                  "the function recurse",
		`import "a" as a; .`:            "imports something",
		"[.]|[.]|[.]|[.]|[.]":           "more than 4 arrays",
		strings.Repeat(".a", 3000):      "more than 4096",
		"until(false; .)":               "the function until",
		".spec | tojson":                "the function tojson",
		"halt":                          "the function halt",
		".a | getpath([\"b\"]; .) | $x": "",
	} {
		_, err := jq.Parse(expression)
		switch {
		case err == nil && want != "":
			t.Errorf("%.40s: accepted, want %q", expression, want)
		case err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%.40s: %v, want %q", expression, err, want)
		}
	}
}

// What takes too long is cut off.
func TestSlow(t *testing.T) {
	e, err := jq.Parse(strings.Repeat("(.,.)|", 60) + ".a")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := e.Paths(map[string]any{"a": "x"}); !errors.Is(err, jq.ErrSlow) {
		t.Errorf("%v after %s, want that it took too long", err, time.Since(begin))
	}
}

// Whatever is written, parsing and running it end, and every path leads into the object.
func FuzzPaths(f *testing.F) {
	for _, text := range []string{".spec.replicas", ".. | select(.name? == \"A\")", "$ENV", ".[0:1]", "path(.a)", "(.,.)|.", `"\(.)"`, "..|..|.."} {
		f.Add(text)
	}
	obj := object(f, deployment)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := jq.Parse(text)
		if err != nil {
			return
		}
		paths, err := e.Paths(obj)
		if err != nil && !errors.Is(err, jq.ErrSlow) {
			t.Fatal(err)
		}
		for _, p := range paths {
			if len(p) == 0 {
				t.Errorf("%q points to the whole object", text)
			}
		}
	})
}
