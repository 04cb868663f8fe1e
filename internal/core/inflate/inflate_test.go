package inflate_test

import (
	"bytes"
	"compress/zlib"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/inflate"
)

func deflate(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAll(t *testing.T) {
	plain := bytes.Repeat([]byte("plain text "), 100)
	sound := deflate(t, plain)
	wrongSum := bytes.Clone(sound)
	wrongSum[len(wrongSum)-1] ^= 1
	tests := map[string]struct {
		reason string
		data   []byte
		size   uint64
		ok     bool
	}{
		"exact":          {"", sound, uint64(len(plain)), true},
		"more follows":   {"streams lie one after the other in a pack", append(bytes.Clone(sound), "next"...), uint64(len(plain)), true},
		"empty":          {"", deflate(t, nil), 0, true},
		"holds more":     {"the size is a promise", sound, uint64(len(plain)) - 1, false},
		"holds less":     {"the size is a promise", sound, uint64(len(plain)) + 1, false},
		"large claim":    {"nothing is allocated for it", sound, 1 << 62, false},
		"checksum":       {"", wrongSum, uint64(len(plain)), false},
		"cut off":        {"", sound[:len(sound)/2], uint64(len(plain)), false},
		"no zlib stream": {"", []byte("plain"), 5, false},
		"nothing":        {"", nil, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := inflate.All(tt.data, tt.size)
			if (err == nil) != tt.ok || tt.ok && !bytes.Equal(got, plain[:min(len(plain), int(tt.size))]) {
				t.Errorf("%d bytes, %v: %s", len(got), err, tt.reason)
			}
		})
	}
}

func TestStart(t *testing.T) {
	data := deflate(t, []byte("plain text"))
	for _, room := range []int{1, 5, 10, 64} {
		buf := make([]byte, room)
		n, err := inflate.Start(data, buf)
		if want := "plain text"[:min(room, 10)]; err != nil || string(buf[:n]) != want {
			t.Errorf("%q, %v, want %q", buf[:n], err, want)
		}
	}
	if n, err := inflate.Start(data[:2], make([]byte, 5)); n != 0 || err != nil {
		t.Errorf("cut off after its head: %d bytes, %v", n, err)
	}
	if _, err := inflate.Start([]byte("plain"), make([]byte, 5)); err == nil {
		t.Error("what is no stream was accepted")
	}
}

func FuzzAll(f *testing.F) {
	f.Add(deflate(f, []byte("abc")), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		if plain, err := inflate.All(data, uint64(size)); err == nil && len(plain) != int(size) {
			t.Errorf("%d bytes, want %d", len(plain), size)
		}
		if _, err := inflate.Start(data, make([]byte, 32)); err != nil {
			return
		}
	})
}
