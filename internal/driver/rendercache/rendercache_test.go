package rendercache

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestRoundTrip(t *testing.T) {
	c := New()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			data := []byte(strings.Repeat(fmt.Sprintf("{\"kind\":\"ConfigMap\",\"n\":%d}", i), 1000*i))
			got, err := c.Unpack(c.Pack(data))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes: %v", len(data), err)
			}
		})
	}
	wg.Wait()
	if _, err := c.Unpack([]byte("not packed")); err == nil {
		t.Error("damage was not noticed")
	}
}

// A Memo with the codec gives equal results from a fraction of the bytes.
func TestMemoWithCodec(t *testing.T) {
	text := ""
	for i := range 20 {
		text += fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d, namespace: shop}\ndata: {key: \"value %d\", host: registry.example.org}\n", i, i)
	}
	tree := source.FromFS(fstest.MapFS{"a/b.yaml": {Data: []byte(text)}}, source.Revision{ID: "1"})
	var results []render.Result
	var sizes []int64
	for _, codec := range []render.Codec{nil, New()} {
		memo := render.NewMemo(render.MemoOptions{Codec: codec})
		for _, want := range []render.Outcome{render.Rendered, render.Remembered} {
			res, outcome, err := memo.Render(t.Context(), render.Request{Path: "a"}, tree, render.DirectoryRenderer{})
			if err != nil || outcome != want {
				t.Fatalf("%s %v", outcome, err)
			}
			results = append(results, res)
		}
		sizes = append(sizes, memo.Stats().Bytes)
	}
	for _, res := range results[1:] {
		if diff := cmp.Diff(results[0], res); diff != "" {
			t.Error(diff)
		}
	}
	if sizes[1]*2 > sizes[0] {
		t.Errorf("%d bytes packed, %d as they are", sizes[1], sizes[0])
	}
	t.Logf("%d bytes packed, %d as they are", sizes[1], sizes[0])
}

func FuzzUnpack(f *testing.F) {
	c := New()
	f.Add(c.Pack([]byte("hello")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := c.Unpack(data); err == nil && len(got) > unpackedLimit {
			t.Error("more than the limit")
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	c := New()
	data := []byte(strings.Repeat(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{"k":"v"}},`, 100))
	packed := c.Pack(data)
	b.Run("Pack", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			c.Pack(data)
		}
	})
	b.Run("Unpack", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			c.Unpack(packed)
		}
	})
}
