package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTally(t *testing.T) {
	cases := map[string]struct {
		reason string
		events string
		want   string // the last lines that are printed
	}{
		"Pass": {
			"A test with subtests counts as these.",
			`{"Action":"pass","Package":"p","Test":"A/x"}
{"Action":"pass","Package":"p","Test":"A/y"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Elapsed":1}`,
			"3 passed, 0 failed, 0 skipped in 1s",
		},
		"Fail": {
			"A failure counts once, where it happened.",
			`{"Action":"output","Package":"p","Test":"A/x","Output":"it broke\n"}
{"Action":"fail","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A/y"}
{"Action":"fail","Package":"p"}`,
			"failed:  p A/x\n1 passed, 1 failed, 0 skipped in 1s",
		},
		"Parent": {
			"A test can fail although its subtests passed.",
			`{"Action":"pass","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			"failed:  p A\n1 passed, 1 failed, 0 skipped in 1s",
		},
		"Build": {
			"A package that does not compile has failed.",
			`{"Action":"build-output","ImportPath":"p","Output":"no such thing\n"}
{"Action":"fail","Package":"p"}`,
			"failed:  p\n0 passed, 1 failed, 0 skipped in 1s",
		},
		"Skip": {
			"What is skipped says why.",
			`{"Action":"output","Package":"p","Test":"A","Output":"    a_test.go:1: no server\n"}
{"Action":"skip","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}`,
			"skipped: p A: a_test.go:1: no server\n0 passed, 0 failed, 1 skipped in 1s",
		},
		"Torn": {
			"A package whose end is missing has failed.",
			`{"Action":"pass","Package":"p","Test":"A"}`,
			"failed:  p (not finished)\n0 passed, 1 failed, 0 skipped in 1s",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			tally := newTally(&out)
			if err := tally.read(strings.NewReader(tc.events), time.Hour); err != nil {
				t.Fatal(err)
			}
			tally.summary(time.Second)
			_, got, _ := strings.Cut(out.String(), "\n\n")
			if name == "Torn" {
				got = strings.TrimLeft(out.String(), "\n")
			}
			if diff := cmp.Diff(tc.want, strings.TrimSpace(got)); diff != "" {
				t.Errorf("%s\n%s", tc.reason, diff)
			}
		})
	}
}
