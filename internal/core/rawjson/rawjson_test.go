package rawjson

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestFrames(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		in     string
		want   []string
		err    string
	}{
		"Lines":     {reason: "One event a line is the usual case.", in: "{\"a\":1}\n{\"b\":2}\n", want: []string{`{"a":1}`, `{"b":2}`}},
		"Adjacent":  {reason: "Events may share a line.", in: `{"a":{}}{"b":[{}]}`, want: []string{`{"a":{}}`, `{"b":[{}]}`}},
		"Pretty":    {reason: "Events may span lines.", in: "{\n \"a\": 1\n}\n", want: []string{"{\n \"a\": 1\n}"}},
		"Strings":   {reason: "Braces and quotes in strings do not count.", in: `{"a":"}\"}\\"}{}`, want: []string{`{"a":"}\"}\\"}`, `{}`}},
		"Empty":     {reason: "An ended stream is no error.", in: ""},
		"Truncated": {reason: "Half an event is an error.", in: `{"a":1}{"b":`, want: []string{`{"a":1}`}, err: "stream broke off after 5 bytes of an event: unexpected EOF"},
		"HTML":      {reason: "A page is an error that shows its beginning.", in: "<html>", err: `a stream of JSON objects was expected: got "<html>"`},
		"Invalid":   {reason: "Balanced braces are not enough.", in: `{"a":}`, err: "an event of 6 bytes is not valid JSON"},
		"TooLarge":  {reason: "One event has a limit.", in: `{"a":"` + strings.Repeat("x", 100) + `"}`, err: "stream broke off after 0 bytes of an event: one event is larger than 64 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tc.in), iotest.OneByteReader(strings.NewReader(tc.in))} {
				var got []string
				f := NewFrames(r, 64)
				var err error
				for {
					var frame []byte
					if frame, err = f.Next(); err != nil {
						break
					}
					got = append(got, string(frame))
				}
				message := ""
				if err != io.EOF {
					message = err.Error()
				}
				if strings.HasPrefix(tc.err, "stream broke off after 0") { // how much was read depends on the reader
					message = strings.Replace(message, "after 64 bytes", "after 0 bytes", 1)
				}
				if tc.err != "" && strings.HasPrefix(tc.err, "a stream") {
					message, tc.err = message[:30], tc.err[:30]
				}
				if diff := cmp.Diff(tc.want, got); diff != "" || message != tc.err {
					t.Errorf("%s: %s, error %q", tc.reason, diff, message)
				}
			}
		})
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(`{"type":"ADDED","object":{"metadata":{"name":"a\"}","uid":"u","resourceVersion":"1"}}}`))
	f.Add([]byte("{}\n{ }  {\"a\": [1, {}]}x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := NewFrames(bytes.NewReader(data), 1<<20)
		oracle := json.NewDecoder(bytes.NewReader(data))
		for {
			frame, err := frames.Next()
			if err != nil {
				return
			}
			var want json.RawMessage
			if err := oracle.Decode(&want); err != nil || !bytes.Equal(want, frame) {
				t.Fatalf("cut %q, the decoder says %q, %v", frame, want, err)
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(frame, &fields); err != nil {
				t.Fatal(err)
			}
			got := map[string]json.RawMessage{}
			Members(frame, func(name, value []byte) bool {
				got[Text(name)] = value
				return true
			})
			if diff := cmp.Diff(fields, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestElements(t *testing.T) {
	for in, want := range map[string][]string{
		`[1, {"a":[2]} ,"x,]",null]`: {"1", `{"a":[2]}`, `"x,]"`, "null"},
		"[]":                         nil, " [ ] ": nil, "{}": nil, "": nil, "null": nil,
	} {
		var got []string
		Elements([]byte(in), func(value []byte) bool {
			got = append(got, string(value))
			return true
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", in, diff)
		}
	}
	n := 0
	Elements([]byte("[1,2,3]"), func([]byte) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("went on for %d elements", n)
	}
}

func TestText(t *testing.T) {
	for raw, want := range map[string]string{
		`"plain"`: "plain", `"a\"b\\"`: `a"b\`, `"\u00e4"`: "ä", `"ä"`: "ä", `""`: "", "1": "", "": "", `"`: "", "\"\xff\"": "\ufffd",
	} {
		if got := Text([]byte(raw)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	if !Named([]byte(`"type"`), "type") || !Named([]byte(`"t\u0079pe"`), "type") || Named([]byte(`"types"`), "type") {
		t.Error("names")
	}
}

func TestMap(t *testing.T) {
	m := Map(`{"a/b":"1", "c":"x\ny","d":null}`)
	if diff := cmp.Diff(map[string]string{"a/b": "1", "c": "x\ny", "d": ""}, m.All()); diff != "" {
		t.Error(diff)
	}
	if v, ok := m.Lookup("c"); v != "x\ny" || !ok {
		t.Errorf("%q, %v", v, ok)
	}
	if v, ok := m.Lookup("e"); v != "" || ok {
		t.Errorf("%q, %v", v, ok)
	}
	if v, ok := Map(nil).Lookup("a"); v != "" || ok {
		t.Errorf("%q, %v", v, ok)
	}
}
