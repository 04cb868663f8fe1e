package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
)

const canonical = `apiVersion: v1
entries:
  api:
  - apiVersion: v2
    name: api
    version: 1.0.0
    urls:
    - https://x/api-1.0.0.tgz
  web:
  - name: web
    version: 1.10.0
    digest: abc
    urls: [web-1.10.0.tgz]
  - name: web
    version: 1.9.0
    description: |-
      A text with
      zoo:
      in it
    urls: [web-1.9.0.tgz]
  "web-extra":
  - version: 0.1.0
    urls: [e.tgz]
generated: "2026-01-01T00:00:00Z"
`

func TestVersions(t *testing.T) {
	flow := `{"apiVersion":"v1","entries":{"web":[{"version":"1.9.0","urls":["web-1.9.0.tgz"]}]}}`
	indented := "entries:\n    web:\n        - version: 1.9.0\n          urls: [web-1.9.0.tgz]\n"
	for name, test := range map[string]struct {
		index, chart, want, err string
	}{
		"one of several":     {canonical, "web", "1.10.0 1.9.0", ""},
		"first":              {canonical, "api", "1.0.0", ""},
		"quoted, last":       {canonical, "web-extra", "0.1.0", ""},
		"not there":          {canonical, "zoo", "", ""},
		"prefix":             {canonical, "we", "", ""},
		"a key of the index": {canonical, "generated", "", ""},
		"JSON":               {flow, "web", "1.9.0", ""},
		"deeper":             {indented, "web", "1.9.0", ""},
		"windows":            {strings.ReplaceAll(canonical, "\n", "\r\n"), "web", "1.10.0 1.9.0", ""},
		"no entry":           {"apiVersion: v1\nentries: {}\n", "web", "", ""},
		"web page":           {"<!DOCTYPE html>\n<html>", "web", "", "is no index, but a web page"},
		"empty":              {" \n", "web", "", "is no index, but empty"},
		"something else":     {"a: b\n", "web", "", "it has no entries"},
		"broken":             {"entries:\n  web: [\n", "web", "", "index: "},
		"broken elsewhere":   {strings.Replace(canonical, "name: api", "name: [", 1), "web", "1.10.0 1.9.0", ""},
		"wrong type":         {"entries:\n  web:\n  - version: [1]\n", "web", "", "index: "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := chart.Versions([]byte(test.index), test.chart)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			var texts []string
			for _, v := range got {
				texts = append(texts, v.Version)
			}
			if d := cmp.Diff(test.want, strings.Join(texts, " ")); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	var versions []chart.Version
	for _, text := range []string{"1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1", "v0.5.0", "nightly", "1.9.0+build"} {
		versions = append(versions, chart.Version{Version: text})
	}
	for text, want := range map[string]string{
		"1.9.0": "1.9.0", "1.x": "1.10.0", "~1.9": "1.9.0", ">=1.0 <1.10": "1.9.0", "*": "1.10.0", "": "1.10.0", "0.5.0": "v0.5.0",
		">1.0.0-0": "2.0.0-rc.1", "2.0.0-rc.1": "2.0.0-rc.1", "nightly": "nightly", "1.9.0+build": "1.9.0+build", "1": "1.10.0",
	} {
		if got, err := chart.Resolve(versions, text); err != nil || got.Version != want {
			t.Errorf("Resolve(%q) = %s, %v, want %s", text, got.Version, err, want)
		}
	}
	for text, want := range map[string]string{
		"3.x": `no version is within "3.x"; there are 2.0.0-rc.1, 1.10.0, `, "weekly": `"weekly" is neither a version that is there nor a range`,
	} {
		if _, err := chart.Resolve(versions, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%q): %v, want %q", text, err, want)
		}
	}
	if _, err := chart.Resolve(nil, "1"); err == nil || !strings.HasSuffix(err.Error(), "there are none") {
		t.Errorf("none: %v", err)
	}
}

func TestAddress(t *testing.T) {
	for name, test := range map[string]struct{ repository, url, want, err string }{
		"relative":  {"https://x/charts", "web-1.tgz", "https://x/charts/web-1.tgz", ""},
		"below":     {"https://x/charts/", "a/web-1.tgz", "https://x/charts/a/web-1.tgz", ""},
		"from root": {"https://x/charts", "/web-1.tgz", "https://x/web-1.tgz", ""},
		"absolute":  {"https://x/charts", "https://y/web-1.tgz", "https://y/web-1.tgz", ""},
		"plain":     {"https://x/charts", "http://y/web-1.tgz", "", "without encryption"},
		"all plain": {"http://x/charts", "http://y/web-1.tgz", "http://y/web-1.tgz", ""},
		"password":  {"https://x/charts", "https://ann:secret@y/web-1.tgz", "", "a password in it"},
		"file":      {"https://x", "file:///etc/passwd", "", `of the scheme "file"`},
		"registry":  {"https://x", "oci://y/web", "", "lies in an OCI registry (oci://y/web)"},
		"no URL":    {"https://x", "http://[", "", "is none"},
	} {
		got, err := chart.Address(test.repository, chart.Version{Version: "1", URLs: []string{test.url}})
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %s, %v, want %s %s", name, got, err, test.want, test.err)
		}
	}
	if _, err := chart.Address("https://x", chart.Version{Version: "1"}); err == nil {
		t.Error("a version without URL has an address")
	}
	if got, err := chart.Address("https://x", chart.Version{Version: "1", Digest: "ab", URLs: []string{"http://y/web-1.tgz"}}); err != nil || got != "http://y/web-1.tgz" {
		t.Errorf("a digest makes up for encryption: %s, %v", got, err)
	}
}

func TestSameServer(t *testing.T) {
	for pair, same := range map[[2]string]bool{
		{"https://x/a", "https://X:443/b"}: true, {"http://x:80", "http://x"}: true,
		{"https://x", "http://x"}: false, {"https://x", "https://x:8443"}: false, {"https://x", "https://a.x"}: false,
	} {
		a, _ := url.Parse(pair[0])
		b, _ := url.Parse(pair[1])
		if chart.SameServer(a, b) != same {
			t.Errorf("%v: same %t", pair, !same)
		}
	}
}

// pack makes an archive; a name that ends in "@" is a link to what its text names.
func pack(t testing.TB, zip bool, entries ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i+1 < len(entries); i += 2 {
		h := &tar.Header{Name: entries[i], Mode: 0o644, Size: int64(len(entries[i+1])), Typeflag: tar.TypeReg}
		switch {
		case strings.HasSuffix(h.Name, "@"):
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, entries[i+1], 0
		case strings.HasSuffix(h.Name, "!"):
			h.Typeflag, h.Size = tar.TypeChar, 0
		case strings.HasSuffix(h.Name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(entries[i+1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !zip {
		return out.Bytes()
	}
	var zipped bytes.Buffer
	g := gzip.NewWriter(&zipped)
	_, _ = g.Write(out.Bytes())
	_ = g.Close()
	return zipped.Bytes()
}

func TestUnpack(t *testing.T) {
	many := make([]string, 0, 50_000)
	for i := range 20_001 {
		many = append(many, fmt.Sprintf("web/%d", i), "")
	}
	var bomb bytes.Buffer
	g := gzip.NewWriter(&bomb)
	_, _ = g.Write(pack(t, false, "web/zeros", strings.Repeat("\x00", 33<<20)))
	_ = g.Close()
	for name, test := range map[string]struct {
		archive []byte
		strip   bool
		want    string // names
		err     string
	}{
		"a chart":          {pack(t, true, "web/", "", "web/Chart.yaml", "x", "web/templates/a.yaml", "y", "web/charts/db-1.tgz", "z"), true, "Chart.yaml charts/db-1.tgz templates/a.yaml", ""},
		"not zipped":       {pack(t, false, "web/Chart.yaml", "x"), true, "Chart.yaml", ""},
		"as it is":         {pack(t, true, "a.yaml", "x", "./b/c.yaml", "y"), false, "a.yaml b/c.yaml", ""},
		"beside the chart": {pack(t, true, "pax", "x", "web/Chart.yaml", "x"), true, "Chart.yaml", ""},
		"two charts":       {pack(t, true, "web/Chart.yaml", "x", "api/Chart.yaml", "x"), true, "", `two directories at the top, "web" and "api"`},
		"out":              {pack(t, true, "web/../../etc/passwd", "x"), true, "", "no name below the archive"},
		"up":               {pack(t, true, "../passwd", "x"), false, "", "no name below the archive"},
		"absolute":         {pack(t, true, "/etc/passwd", "x"), false, "", "no name below the archive"},
		"backslash":        {pack(t, true, `web\..\..\x`, "x"), false, "", "no name below the archive"},
		"link":             {pack(t, true, "web/a@", "/etc/passwd"), true, "", "is a link"},
		"device":           {pack(t, true, "web/a!", ""), true, "", "neither a file nor a directory"},
		"twice":            {pack(t, true, "web/a", "1", "web/./a", "2"), true, "", "comes twice"},
		"many":             {pack(t, true, many...), true, "", "more than 20000 entries"},
		"bomb":             {bomb.Bytes(), true, "", "more than 33554432"},
		"broken off":       {pack(t, true, "web/a", strings.Repeat("x", 4096))[:60], true, "", "archive: "},
		"no archive":       {[]byte("<html>"), true, "", "archive: "},
		"empty":            {pack(t, true), true, "", "there is no file in it"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := chart.Unpack(test.archive, test.strip)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			var names []string
			for name := range files {
				names = append(names, name)
			}
			if got := strings.Join(sorted(names), " "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// Whatever a repository sends, reading it ends without a panic.
func FuzzVersions(f *testing.F) {
	f.Add([]byte(canonical), "web")
	f.Add([]byte("entries:\n web:\n - version: 1\n"), "web")
	f.Fuzz(func(t *testing.T, index []byte, name string) {
		versions, err := chart.Versions(index, name)
		if err == nil {
			_, _ = chart.Resolve(versions, "*")
		}
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add(pack(f, true, "web/Chart.yaml", "x"))
	f.Add(pack(f, false, "a", "x", "b@", "a"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := chart.Unpack(archive, true)
		for name := range files {
			if err == nil && (strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../")) {
				t.Errorf("%q leads out", name)
			}
		}
	})
}
