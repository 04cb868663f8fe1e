package diff

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// recording is one archive of testdata/oracle that the server accepted.
type recording struct {
	name   string
	in     Input
	result *unstructured.Unstructured
}

func recordings(t testing.TB) []recording {
	t.Helper()
	files, err := filepath.Glob("testdata/oracle/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var out []recording
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if raw := section(archive, "result.yaml"); raw != nil {
			out = append(out, recording{filepath.Base(file), readCase(t, archive), decode(t, raw)})
		}
	}
	return out
}

// What the server stored after an apply needs no further apply.
func TestAppliedIsInSync(t *testing.T) {
	for _, r := range recordings(t) {
		r.in.Live = r.result
		got, err := Compute(r.in)
		if undecided := (*UndecidedError)(nil); errors.As(err, &undecided) && r.name == "limitrange_same.txtar" {
			continue // limits are derived from limits
		}
		if err != nil || got.Kind != None {
			t.Errorf("%s: after the apply: %s", r.name, say(got, err))
		}
	}
}

// The order of managedFields entries, and the process, do not show.
func TestEqualInputsGiveEqualBytes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, r := range recordings(t) {
		want := bytesOf(t, r.in)
		r.in.Live = r.in.Live.DeepCopy()
		metadata := r.in.Live.Object["metadata"].(map[string]any)
		entries, _ := metadata["managedFields"].([]any)
		for range 5 {
			random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			if d := cmp.Diff(want, bytesOf(t, r.in)); d != "" {
				t.Errorf("%s: %s", r.name, d)
			}
		}
	}
}

func bytesOf(t *testing.T, in Input) string {
	t.Helper()
	change, err := Compute(in)
	raw, errJSON := json.Marshal(change)
	if errJSON != nil {
		t.Fatal(errJSON)
	}
	return string(raw) + say(change, err)
}

// Compute changes nothing that it was given.
func TestInputsStay(t *testing.T) {
	for _, r := range recordings(t) {
		desired, live := r.in.Desired.DeepCopy(), r.in.Live.DeepCopy()
		_, _ = Compute(r.in)
		_, _ = FromDryRun(r.in, r.result)
		if d := cmp.Diff(desired.Object, r.in.Desired.Object); d != "" {
			t.Errorf("%s: desired: %s", r.name, d)
		}
		if d := cmp.Diff(live.Object, r.in.Live.Object); d != "" {
			t.Errorf("%s: live: %s", r.name, d)
		}
	}
}

// What others do to an applied object leaves the digest as it is.
func TestOwnedIgnoresOthers(t *testing.T) {
	for _, r := range recordings(t) {
		want, ok := Owned(r.result, r.in.Manager)
		if !ok || r.in.PlainStatus {
			continue
		}
		got, ok := Owned(touchedByOthers(t, r.result), r.in.Manager)
		if !ok || got != want {
			t.Errorf("%s: the digest moved from %s to %s (%v)", r.name, want, got, ok)
		}
	}
}

func touchedByOthers(t *testing.T, obj *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	obj = obj.DeepCopy()
	set := func(v any, path ...string) {
		if err := unstructured.SetNestedField(obj.Object, v, path...); err != nil {
			t.Fatal(err)
		}
	}
	set("999", "metadata", "resourceVersion")
	set(int64(9), "metadata", "generation")
	set("x", "metadata", "annotations", "others.example.com/note")
	set("x", "metadata", "labels", "others.example.com/note")
	set(map[string]any{"phase": "Odd"}, "status")
	entries, _, _ := unstructured.NestedSlice(obj.Object, "metadata", "managedFields")
	for _, entry := range entries {
		entry.(map[string]any)["time"] = "2030-01-01T00:00:00Z"
	}
	note := map[string]any{"f:others.example.com/note": map[string]any{}}
	entries = append(entries, map[string]any{
		"manager": "others", "operation": "Update", "apiVersion": obj.GetAPIVersion(), "fieldsType": "FieldsV1",
		"fieldsV1": map[string]any{"f:metadata": map[string]any{"f:annotations": note, "f:labels": note}},
	})
	slices.Reverse(entries)
	set(entries, "metadata", "managedFields")
	return obj
}

// Every owned value that is gone, and every owned leaf that differs, shows.
func TestOwnedSeesEveryLeaf(t *testing.T) {
	for _, r := range recordings(t) {
		before, ok := Owned(r.result, r.in.Manager)
		if !ok {
			continue
		}
		o, err := split(r.result, r.in.Manager)
		if err != nil {
			t.Fatal(err)
		}
		o.own.Leaves().Iterate(func(path fieldpath.Path) {
			changed := r.result.DeepCopy()
			if !poke(changed.Object, path) {
				return // declared, but not stored: stringData, nulls
			}
			if after, _ := Owned(changed, r.in.Manager); after == before {
				t.Errorf("%s: a change of %s does not show", r.name, text(path))
			}
		})
	}
}

// poke replaces the value at path and reports whether there was one.
func poke(v any, path fieldpath.Path) bool {
	switch v := v.(type) {
	case map[string]any:
		if path[0].FieldName == nil {
			return false
		}
		name := *path[0].FieldName
		child, ok := v[name]
		if ok && len(path) == 1 {
			v[name] = "poked"
			return true
		}
		return ok && poke(child, path[1:])
	case []any:
		for i, item := range v {
			if !named(path[0], item) {
				continue
			}
			if len(path) == 1 {
				v[i] = "poked"
				return true
			}
			return poke(item, path[1:])
		}
	}
	return false
}

func named(element fieldpath.PathElement, item any) bool {
	if element.Value != nil {
		return (*element.Value).Unstructured() == item
	}
	m, ok := item.(map[string]any)
	if !ok || element.Key == nil {
		return false
	}
	for _, field := range *element.Key {
		if m[field.Name] != field.Value.Unstructured() {
			return false
		}
	}
	return true
}

func TestOwnedDetails(t *testing.T) {
	entry := func(fields string) string {
		return `{"manager":"m","operation":"Apply","apiVersion":"v1","fieldsV1":` + fields + `}`
	}
	object := func(data, fields string) *unstructured.Unstructured {
		return decode(t, []byte(`{"apiVersion":"v1","kind":"X","metadata":{"name":"x","managedFields":[`+fields+`]},"spec":`+data+`}`))
	}
	keyed := entry(`{"f:spec":{"f:l":{"k:{\"n\":\"a\"}":{".":{},"f:v":{}},"k:{\"n\":\"b\"}":{".":{},"f:v":{}}}}}`)
	empty := entry(`{"f:spec":{"f:m":{}}}`)
	other := `,{"manager":"o","operation":"Update","apiVersion":"v1","fieldsV1":{"f:spec":{"f:m":{"f:x":{}}}}}`
	values := entry(`{"f:spec":{"f:s":{"v:\"a<b\"":{}}}}`)
	cases := map[string]struct {
		reason string
		a, b   *unstructured.Unstructured
		same   bool
	}{
		"other item": {"an item that is not ours, between ours", object(`{"l":[{"n":"a","v":1},{"n":"b","v":2}]}`, keyed), object(`{"l":[{"n":"a","v":1},{"n":"z"},{"n":"b","v":2}]}`, keyed), true},
		"order":      {"the order of our items is stored", object(`{"l":[{"n":"a","v":1},{"n":"b","v":2}]}`, keyed), object(`{"l":[{"n":"b","v":2},{"n":"a","v":1}]}`, keyed), false},
		"item gone":  {"an item of ours is gone", object(`{"l":[{"n":"a","v":1},{"n":"b","v":2}]}`, keyed), object(`{"l":[{"n":"a","v":1}]}`, keyed), false},
		"inner":      {"a field of our item that is not ours", object(`{"l":[{"n":"a","v":1},{"n":"b","v":2}]}`, keyed), object(`{"l":[{"n":"a","v":1,"w":3},{"n":"b","v":2}]}`, keyed), true},
		"filled":     {"an empty map of ours that others filled", object(`{"m":{}}`, empty+other), object(`{"m":{"x":1}}`, empty+other), true},
		"atomic":     {"a map of ours that is taken as a whole", object(`{"m":{"x":1}}`, empty), object(`{"m":{"x":2}}`, empty), false},
		"float":      {"a number is a number", object(`{"m":1}`, empty), object(`{"m":1.0}`, empty), true},
		"null":       {"null is not absent", object(`{"m":null}`, empty), object(`{}`, empty), false},
		"owned set":  {"we own more", object(`{"m":1}`, empty), object(`{"m":1}`, entry(`{"f:spec":{"f:m":{},"f:n":{}}}`)), false},
		"escaped":    {"members of sets are found however they are escaped", object(`{"s":["a<b"]}`, values), object(`{"s":["a<b","c"]}`, values), true},
		"member":     {"a member of a set is gone", object(`{"s":["a<b"]}`, values), object(`{"s":["c"]}`, values), false},
	}
	for name, c := range cases {
		a, okA := Owned(c.a, "m")
		b, okB := Owned(c.b, "m")
		if !okA || !okB || (a == b) != c.same {
			t.Errorf("%s: %s: %s %v, %s %v", name, c.reason, a, okA, b, okB)
		}
	}
	if _, ok := Owned(object(`{}`, keyed), "nobody"); ok {
		t.Error("a manager that owns nothing has a digest")
	}
}

func TestDigestOf(t *testing.T) {
	a := decode(t, []byte(`{"apiVersion":"v1","kind":"X","a":[1,"2",null,true,1.5],"b":{}}`))
	b := decode(t, []byte("b: {}\na: [1.0, '2', null, true, 1.5]\nkind: X\napiVersion: v1\n"))
	if DigestOf(a) != DigestOf(b) {
		t.Error("equal content, different digests")
	}
	seen := map[Digest]string{}
	for _, text := range []string{
		`{"a":[["x"],"y"]}`, `{"a":["x",["y"]]}`, `{"a":["xy"]}`, `{"a":["x","y"]}`, `{"a":{"x":"y"}}`,
		`{"a":"1"}`, `{"a":1}`, `{"a":true}`, `{"a":null}`, `{}`, `{"a":""}`, `{"a":1.5}`,
	} {
		obj := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(text), &obj.Object); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[DigestOf(obj)]; ok {
			t.Errorf("%s and %s have one digest", text, other)
		}
		seen[DigestOf(obj)] = text
	}
}
