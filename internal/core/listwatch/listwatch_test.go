package listwatch

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/rawjson"
)

func TestVersions(t *testing.T) {
	for text, number := range map[string]bool{"1": true, "18446744073709551615": true, "0": false, "007": false, "a": false, "-1": false, "": false} {
		v := ParseVersion(text)
		if v.String() != text || v.Ordered() != number {
			t.Errorf("%q became %+v", text, v)
		}
	}
	if ParseVersion("a").After(ParseVersion("1")) || ParseVersion("1").After(ParseVersion("a")) || !ParseVersion("10").After(ParseVersion("9")) {
		t.Error("order")
	}
	for _, text := range []string{"c1d5b1bd-cee8-4437-b0e8-052d751c9e4b", "C1D5B1BD-CEE8-4437-B0E8-052D751C9E4B", "u-1", ""} {
		if got := string(ParseUID(text).Value()); text != "" && got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

const sample = `{"apiVersion":"v1","kind":"ConfigMap","data":{"metadata":"no"},"metadata":{"name":"a","namespace":"n","uid":"u",` +
	`"resourceVersion":"7","generation":3,"deletionTimestamp":"2026-01-02T03:04:05Z","labels":{"l":"1"},"annotations":{"k8s.io/initial-events-end":"true"},` +
	`"managedFields":[{"manager":"m"}]}}`

func TestReadHeader(t *testing.T) {
	h, err := ReadHeader([]byte(sample))
	h.Metadata = nil
	want := Header{
		APIVersion: "v1", Kind: "ConfigMap", Name: Name{"n", "a"}, UID: "u", Version: "7", Generation: 3,
		Deleted: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Unix(),
		Labels:  rawjson.Map(`{"l":"1"}`), Annotations: rawjson.Map(`{"k8s.io/initial-events-end":"true"}`),
	}
	if diff := cmp.Diff(want, h); diff != "" || err != nil || h.Check() != nil {
		t.Errorf("%v %v\n%s", err, h.Check(), diff)
	}
	for data, want := range map[string]string{
		`{"kind":"Pod"}`:                      "it has no metadata",
		`[]`:                                  "it has no metadata",
		`{"metadata":{}}`:                     "an object has no metadata.name",
		`{"metadata":{"name":"a","uid":"u"}}`: `object "a" has no metadata.resourceVersion`,
		`{"metadata":{"name":"a","resourceVersion":"1"}}`:  `object "a" has no metadata.uid`,
		`{"metadata":{"name":["a"],"generation":"three"}}`: "an object has no metadata.name",
	} {
		h, err := ReadHeader([]byte(data))
		if err == nil {
			err = h.Check()
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
}

func TestOnlyMetadata(t *testing.T) {
	h, err := ReadHeader([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Metadata map[string]any
		Data     any
	}
	if err := json.Unmarshal(h.OnlyMetadata(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Metadata["managedFields"] != nil || got.Metadata["name"] != "a" || len(got.Metadata) != 8 || got.Data != nil {
		t.Errorf("%v", got)
	}
}

func TestReadEvent(t *testing.T) {
	e, err := ReadEvent([]byte(`{"object":{"a":1},"type":"MODIFIED"}`))
	if e.Type != Modified || string(e.Object) != `{"a":1}` || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
	_, err = ReadEvent([]byte(`{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}`))
	if !apierrors.IsResourceExpired(err) {
		t.Errorf("a server's error became %v", err)
	}
	for frame, want := range map[string]string{
		`{"type":"RENAMED"}`:              `an event has the unknown type "RENAMED"`,
		`{}`:                              `an event has the unknown type ""`,
		`{"type":"ERROR"}`:                "an ERROR event carries no status",
		`{"type":"ERROR","object":[1,2]}`: "an ERROR event carries no status",
	} {
		_, err := ReadEvent([]byte(frame))
		if bad := (*StreamError)(nil); !errors.As(err, &bad) || err.Error() != want {
			t.Errorf("%s: %v, want %s", frame, err, want)
		}
	}
}

func TestReadBookmark(t *testing.T) {
	b, err := ReadBookmark([]byte(sample))
	if diff := cmp.Diff(Bookmark{ParseVersion("7"), true}, b, cmp.AllowUnexported(Version{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if b, err := ReadBookmark([]byte(`{"metadata":{"resourceVersion":"8"}}`)); b.InitialEnd || b.Version.String() != "8" || err != nil {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := ReadBookmark([]byte(`{"metadata":{}}`)); err == nil {
		t.Error("a bookmark without version was accepted")
	}
}

func TestReadPage(t *testing.T) {
	p, err := ReadPage([]byte(`{"kind":"PodList","metadata":{"resourceVersion":"5","continue":"c"},"items":[{},{}]}`))
	if diff := cmp.Diff(Page{Items: []byte("[{},{}]"), Next: "c", Version: "5"}, p); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for data, want := range map[string]string{
		"<html>":         `a list was expected: got 6 bytes that start with "<html>"`,
		`{"kind":"Pod"}`: `a list was expected: got an object of kind "Pod"`,
		`{"kind":"PodList","metadata":{"resourceVersion":"5"}}`:             "the list has no items",
		`{"kind":"PodList","metadata":{"resourceVersion":"0"},"items":[]}`:  "the list has no resource version",
		`{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":"x"}`: "the list has no items",
	} {
		if _, err := ReadPage([]byte(data)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
}

func TestWhatFailuresMean(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	tests := map[string]struct {
		err               error
		refuses, answered bool
		delay             time.Duration
	}{
		"forbidden":  {apierrors.NewForbidden(pods, "", nil), true, true, 0},
		"not found":  {apierrors.NewNotFound(pods, ""), true, true, 0},
		"busy":       {apierrors.NewTooManyRequests("later", 7), false, false, 7 * time.Second},
		"very busy":  {apierrors.NewTooManyRequests("later", 100_000), false, false, longestDelay},
		"expired":    {apierrors.NewResourceExpired("old"), false, true, 0},
		"nonsense":   {Malformed("a page"), false, true, 0},
		"connection": {errors.New("connection refused"), false, false, 0},
		"who":        {apierrors.NewUnauthorized("who"), false, false, 0},
	}
	for name, tt := range tests {
		if Refuses(tt.err) != tt.refuses || Answered(tt.err) != tt.answered || Delay(tt.err) != tt.delay {
			t.Errorf("%s: refuses %v, answered %v, delay %v", name, Refuses(tt.err), Answered(tt.err), Delay(tt.err))
		}
	}
	restored := apierrors.NewTimeoutError("too large", 1)
	restored.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}
	if !TooNew(restored) || TooNew(errors.New("x")) {
		t.Error("a version above all that the server has")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"type":"ADDED","object":` + sample + `}`))
	f.Add([]byte(`{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = ReadPage(data)
		if !json.Valid(data) {
			return
		}
		if e, err := ReadEvent(data); err == nil {
			_, _ = ReadBookmark(e.Object)
		}
		if h, err := ReadHeader(data); err == nil && !json.Valid(h.OnlyMetadata()) {
			t.Errorf("metadata of %q is %q", data, h.OnlyMetadata())
		}
	})
}
