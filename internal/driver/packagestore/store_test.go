package packagestore_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	digest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/packagestore"
)

func pack(dir, text string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for name, content := range map[string]string{"Chart.yaml": "name: web\n", "values.yaml": text} {
		_ = w.WriteHeader(&tar.Header{Name: dir + name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
		_, _ = w.Write([]byte(content))
	}
	_ = w.Close()
	_ = z.Close()
	return out.Bytes()
}

// shop is an HTTP repository of charts.
type shop struct {
	*httptest.Server

	mu       sync.Mutex
	index    string
	etag     string
	archives map[string][]byte
	password string
	answer   int // instead of everything; 0: none
	served   []string
	shown    []string // who saw which credentials
}

func newShop(t *testing.T) *shop {
	s := &shop{archives: map[string][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, password, _ := r.BasicAuth()
	if password != "" {
		s.shown = append(s.shown, r.URL.Path)
	}
	switch name := strings.TrimPrefix(r.URL.Path, "/charts/"); {
	case s.answer != 0:
		w.WriteHeader(s.answer)
	case s.password != "" && password != s.password:
		w.WriteHeader(http.StatusUnauthorized)
	case name == "index.yaml" && s.etag != "" && r.Header.Get("If-None-Match") == s.etag:
		s.served = append(s.served, "unchanged")
		w.WriteHeader(http.StatusNotModified)
	case name == "index.yaml":
		s.served = append(s.served, name)
		w.Header().Set("ETag", s.etag)
		_, _ = io.WriteString(w, s.index)
	case s.archives[name] != nil:
		s.served = append(s.served, name)
		_, _ = w.Write(s.archives[name])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// publish adds a version; base is where its URL points to.
func (s *shop) publish(version, text, base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	file := "web-" + version + ".tgz"
	s.archives[file] = pack("web/", text)
	if s.index == "" {
		s.index = "entries:\n  web:\n"
	}
	s.index += fmt.Sprintf("  - version: %s\n    digest: %x\n    urls: [%s%s]\n", version, sha256.Sum256(s.archives[file]), base, file)
	s.etag = fmt.Sprintf(`"%d"`, len(s.index))
}

func (s *shop) took() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(s.served, " ")
	s.served = nil
	return text
}

func open(t *testing.T, opts packagestore.Options) *packagestore.Store {
	t.Helper()
	store, err := packagestore.Open(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func find(t *testing.T, store *packagestore.Store, remote packagestore.Remote, chart, version string) string {
	t.Helper()
	want := packagestore.Want{Chart: chart, Version: version}
	found, err := store.Find(t.Context(), remote, []packagestore.Want{want})
	switch {
	case err != nil:
		return "error: " + err.Error()
	case found[want].ID == "":
		return "none: " + found[want].Why
	}
	return found[want].ID
}

func values(t *testing.T, store *packagestore.Store, remote packagestore.Remote, chart, id string) string {
	t.Helper()
	tree, err := store.Tree(t.Context(), remote, chart, source.Revision{ID: id})
	if err != nil {
		return "error: " + err.Error()
	}
	text, err := tree.ReadFile("values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func want(t *testing.T, what, want, got string) {
	t.Helper()
	if !strings.Contains(got, want) || want == "" && got != "" {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestRepository(t *testing.T) {
	s := newShop(t)
	s.publish("1.0.0", "one", "")
	store := open(t, packagestore.Options{})
	remote := packagestore.Remote{URL: s.URL + "/charts"}
	want(t, "a range", "1.0.0", find(t, store, remote, "web", "1.x"))
	want(t, "its files", "one", values(t, store, remote, "web", "1.0.0"))
	want(t, "what was fetched", "index.yaml unchanged web-1.0.0.tgz", s.took())
	want(t, "again", "one", values(t, store, remote, "web", "1.0.0"))
	want(t, "nothing is fetched twice", "", s.took())
	s.publish("1.1.0", "two", "")
	want(t, "a newer one", "1.1.0", find(t, store, remote, "web", "1.x"))
	want(t, "its files", "two", values(t, store, remote, "web", "1.1.0"))
	want(t, "another chart", "none: the repository has no chart of this name", find(t, store, remote, "api", "*"))
	want(t, "another version", `none: no version is within "2.x"; there are 1.1.0, 1.0.0`, find(t, store, remote, "web", "2.x"))
	want(t, "a version that is not there", `no version is within "9.9.9"`, values(t, store, remote, "web", "9.9.9"))
}

func TestRepositoryFaults(t *testing.T) {
	s := newShop(t)
	s.publish("1.0.0", "one", "")
	s.publish("2.0.0", "two", "")
	remote := packagestore.Remote{URL: s.URL + "/charts"}
	store := open(t, packagestore.Options{})
	s.archives["web-2.0.0.tgz"] = pack("web/", "evil")
	want(t, "another archive than promised", "not what the index promises", values(t, store, remote, "web", "2.0.0"))
	delete(s.archives, "web-1.0.0.tgz")
	want(t, "no archive", "web-1.0.0.tgz is not there (404", values(t, store, remote, "web", "1.0.0"))
	s.answer = http.StatusInternalServerError
	want(t, "a broken server", "error: "+remote.URL+": "+remote.URL+"/index.yaml answers 500", find(t, store, remote, "web", "*"))
	s.answer, s.index, s.etag = 0, "<html>log in</html>", ""
	want(t, "a web page", "is no index, but a web page", find(t, open(t, packagestore.Options{}), remote, "web", "*"))
	want(t, "nobody there", "connection refused", find(t, store, packagestore.Remote{URL: "http://127.0.0.1:1"}, "web", "*"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Find(ctx, remote, []packagestore.Want{{Chart: "web"}}); err == nil {
		t.Error("an ended context finds something")
	}
}

// Credentials are shown to the repository's own host, and to no other.
func TestCredentials(t *testing.T) {
	other := newShop(t)
	s := newShop(t)
	s.password = "hunter2"
	s.publish("1.0.0", "one", "")
	s.publish("2.0.0", "two", other.URL+"/charts/")
	other.archives["web-2.0.0.tgz"] = s.archives["web-2.0.0.tgz"]
	remote := packagestore.Remote{URL: s.URL + "/charts"}
	want(t, "without", "asks for credentials (401", find(t, open(t, packagestore.Options{}), remote, "web", "*"))
	remote.Credentials = app.Credentials{Username: "ann", Password: "wrong"}
	got := find(t, open(t, packagestore.Options{}), remote, "web", "*")
	want(t, "wrong ones", "refuses the credentials (401", got)
	if strings.Contains(got, "wrong") {
		t.Error("the error repeats a password")
	}
	remote.Credentials.Password = "hunter2"
	store := open(t, packagestore.Options{})
	want(t, "right ones", "2.0.0", find(t, store, remote, "web", "*"))
	want(t, "an archive elsewhere", "two", values(t, store, remote, "web", "2.0.0"))
	if len(other.shown) > 0 {
		t.Error("another host was shown the credentials")
	}
	remote.Credentials.PassCredentials = true
	want(t, "passed on", "two", values(t, open(t, packagestore.Options{}), remote, "web", "2.0.0"))
	if len(other.shown) == 0 {
		t.Error("credentials that are to be passed on were not")
	}
}

// A repository that has a proxy is reached through it alone.
func TestProxy(t *testing.T) {
	proxy := newShop(t) // answers for every host
	proxy.publish("1.0.0", "one", "http://files.example/charts/")
	remote := packagestore.Remote{URL: "http://charts.example/charts", Credentials: app.Credentials{Proxy: proxy.URL}}
	store := open(t, packagestore.Options{})
	want(t, "a version", "1.0.0", find(t, store, remote, "web", "*"))
	want(t, "its files", "one", values(t, store, remote, "web", "1.0.0"))
}

// What is kept stays within its bounds, and what went is fetched again.
func TestRoom(t *testing.T) {
	s := newShop(t)
	for i := range 5 {
		s.publish(fmt.Sprintf("1.%d.0", i), strings.Repeat("x", 2000), "")
	}
	store := open(t, packagestore.Options{Disk: 1, Memory: 1})
	remote := packagestore.Remote{URL: s.URL + "/charts"}
	for range 2 {
		for i := range 5 {
			values(t, store, remote, "web", fmt.Sprintf("1.%d.0", i))
		}
	}
	if n := strings.Count(s.took(), ".tgz"); n != 10 {
		t.Errorf("fetched %d archives, want each each time", n)
	}
}

// push puts an artifact of one layer into a registry.
func push(t *testing.T, url, name, tag, mediaType string, layer []byte, more ...ocispec.Descriptor) string {
	t.Helper()
	put := func(method, path, contentType string, body []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
	}
	blob := func(data []byte) ocispec.Descriptor {
		d := digest.FromBytes(data)
		put(http.MethodPost, "/v2/"+name+"/blobs/uploads/?digest="+d.String(), "application/octet-stream", data)
		return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
	}
	config := blob([]byte("{}"))
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: append([]ocispec.Descriptor{blob(layer)}, more...)}
	manifest.SchemaVersion = 2
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	put(http.MethodPut, "/v2/"+name+"/manifests/"+tag, ocispec.MediaTypeImageManifest, text)
	return digest.FromBytes(text).String()
}

const helmLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

func newRegistry(t *testing.T) (server *httptest.Server, remote packagestore.Remote) {
	t.Helper()
	server = httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return server, packagestore.Remote{URL: "oci://" + strings.TrimPrefix(server.URL, "http://") + "/team", Credentials: app.Credentials{PlainHTTP: true}}
}

func TestRegistry(t *testing.T) {
	server, remote := newRegistry(t)
	push(t, server.URL, "team/web", "1.0.0", helmLayer, pack("web/", "one"))
	push(t, server.URL, "team/web", "1.1.0_b", helmLayer, pack("web/", "two"))
	store := open(t, packagestore.Options{})
	want(t, "a range", "1.1.0+b", find(t, store, remote, "web", "1.x"))
	want(t, "its files", "two", values(t, store, remote, "web", "1.1.0+b"))
	want(t, "a version", "1.0.0", find(t, store, remote, "web", "1.0.0"))
	want(t, "its files", "one", values(t, store, remote, "web", "1.0.0"))
	want(t, "no version", "none: the registry has no team/web:2.0.0", find(t, store, remote, "web", "2.0.0"))
	want(t, "no range", "none: no version is within", find(t, store, remote, "web", "2.x"))
	want(t, "no chart", "none: the registry has no team/api", find(t, store, remote, "api", "1.x"))

	artifact := remote
	artifact.URL += "/plain"
	id := push(t, server.URL, "team/plain", "v1", ocispec.MediaTypeImageLayerGzip, pack("", "files"))
	want(t, "an artifact by tag", id, find(t, store, artifact, "", "v1"))
	want(t, "by digest", id, find(t, store, artifact, "", id))
	want(t, "its files", "files", values(t, store, artifact, "", id))
	artifact.URL = remote.URL + "/web"
	chart := find(t, store, artifact, "", "~1.0")
	want(t, "a chart as an artifact", "sha256:", chart)
	want(t, "its files", "one", values(t, store, artifact, "", chart))

	second := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromBytes([]byte("{}")), Size: 2}
	artifact.URL = remote.URL + "/two"
	two := push(t, server.URL, "team/two", "v1", ocispec.MediaTypeImageLayerGzip, pack("", "files"), second)
	want(t, "two layers", "has to consist of one layer", values(t, store, artifact, "", two))
	push(t, server.URL, "team/nochart", "1.0.0", ocispec.MediaTypeImageLayerGzip, pack("", "files"))
	want(t, "no chart", "it is no chart", values(t, store, remote, "nochart", "1.0.0"))
}

func TestRegistryCredentials(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "hunter2" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	remote := packagestore.Remote{URL: "oci://" + strings.TrimPrefix(server.URL, "http://"), Credentials: app.Credentials{PlainHTTP: true}}
	want(t, "without", "asks for credentials", find(t, open(t, packagestore.Options{}), remote, "web", "1.x"))
	remote.Credentials.Username, remote.Credentials.Password = "ann", "wrong"
	want(t, "wrong ones", "refuses the credentials", find(t, open(t, packagestore.Options{}), remote, "web", "1.x"))
	remote.Credentials.Password = "hunter2"
	want(t, "right ones", "none: the registry has no web", find(t, open(t, packagestore.Options{}), remote, "web", "1.x"))
}
