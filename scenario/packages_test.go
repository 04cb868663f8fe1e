package scenario

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
)

// packages are a story's own repository of charts, at /charts, and registry.
type packages struct {
	*httptest.Server

	mu       sync.Mutex
	versions map[string][]string // of a chart, as lines of an index
	archives map[string][]byte   // by file name
	password string              // of the repository of charts; empty: none
}

// packages [PASSWORD] starts a repository of charts at $CHARTS, and a registry at the
// host $REGISTRY, which speaks HTTP.
func (s *story) packages(c *call) error {
	if err := c.want(0, 1, "packages [PASSWORD]"); err != nil {
		return err
	}
	p := &packages{versions: map[string][]string{}, archives: map[string][]byte{}, password: strings.Join(c.args, "")}
	mux := http.NewServeMux()
	mux.Handle("/charts/", p)
	mux.Handle("/v2/", registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	p.Server = httptest.NewServer(mux)
	c.Defer(p.Close)
	s.shop = p
	s.set(c, "CHARTS", p.URL+"/charts")
	s.set(c, "REGISTRY", strings.TrimPrefix(p.URL, "http://"))
	return nil
}

// ServeHTTP is the repository of charts.
func (p *packages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, password, _ := r.BasicAuth(); password != p.password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/charts/")
	if name == "index.yaml" {
		fmt.Fprintln(w, "apiVersion: v1\nentries:")
		for chart, lines := range p.versions {
			fmt.Fprintf(w, "  %s:\n%s", chart, strings.Join(lines, ""))
		}
		return
	}
	if p.archives[name] == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(p.archives[name])
}

// publish charts|registry DIR VERSION packs a directory as a version of the chart of
// its name, or, without a Chart.yaml, as an artifact.
func (s *story) publish(c *call) error {
	if err := c.want(3, 3, "publish charts|registry DIR VERSION"); err != nil {
		return err
	}
	if s.shop == nil {
		return fmt.Errorf("begin with the command packages")
	}
	where, dir, version := c.args[0], c.MkAbs(c.args[1]), c.args[2]
	name := path.Base(dir)
	_, err := os.Stat(path.Join(dir, "Chart.yaml"))
	chart := err == nil
	archive, err := s.packed(dir, version, chart)
	if err != nil {
		return err
	}
	if where == "registry" {
		mediaType := "application/vnd.oci.image.layer.v1.tar+gzip"
		if chart {
			mediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
		}
		return s.shop.push(name, version, mediaType, archive)
	}
	file := fmt.Sprintf("%s-%s.tgz", name, version)
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	s.shop.archives[file] = archive
	s.shop.versions[name] = append(s.shop.versions[name], fmt.Sprintf("  - version: %s\n    digest: %x\n    urls: [%s]\n", version, sha256.Sum256(archive), file))
	return nil
}

// packed makes an archive of a directory; ${VERSION} stands for the version.
func (s *story) packed(dir, version string, chart bool) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		text = []byte(strings.ReplaceAll(s.expand(string(text)), "${VERSION}", version))
		if chart {
			name = path.Base(dir) + "/" + name
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	err = z.Close()
	return out.Bytes(), err
}

// push puts an archive into the registry.
func (p *packages) push(name, tag, mediaType string, archive []byte) error {
	blob := func(data []byte, mediaType string) (map[string]any, error) {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
		err := p.send(http.MethodPost, "/v2/"+name+"/blobs/uploads/?digest="+digest, "application/octet-stream", data)
		return map[string]any{"mediaType": mediaType, "digest": digest, "size": len(data)}, err
	}
	config, err := blob([]byte("{}"), "application/vnd.oci.image.config.v1+json")
	if err != nil {
		return err
	}
	layer, err := blob(archive, mediaType)
	if err != nil {
		return err
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": []any{layer}})
	if err != nil {
		return err
	}
	return p.send(http.MethodPut, "/v2/"+name+"/manifests/"+tag, manifestType, manifest)
}

func (p *packages) send(method, path, contentType string, body []byte) error {
	req, err := http.NewRequestWithContext(context.Background(), method, p.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return nil
}
