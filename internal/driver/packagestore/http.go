package packagestore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// index is what is known of a repository's index; its text is on disk.
type index struct {
	etag, modified string
}

func (s *Store) findByIndex(ctx context.Context, remote Remote, wants []Want) (map[Want]source.RefTarget, error) {
	text, err := s.index(ctx, remote)
	if err != nil {
		return nil, err
	}
	found := map[Want]source.RefTarget{}
	for _, want := range wants {
		v, err := versionIn(text, want.Chart, want.Version)
		if err != nil {
			found[want] = source.RefTarget{Why: err.Error()}
			continue
		}
		found[want] = source.RefTarget{ID: v.Version}
	}
	return found, nil
}

func versionIn(index []byte, name, version string) (chart.Version, error) {
	versions, err := chart.Versions(index, name)
	switch {
	case err != nil:
		return chart.Version{}, err
	case len(versions) == 0:
		return chart.Version{}, errors.New("the repository has no chart of this name")
	}
	return chart.Resolve(versions, version)
}

func (s *Store) fetchByIndex(ctx context.Context, remote Remote, name, id string) (blob, error) {
	text, err := s.index(ctx, remote)
	if err != nil {
		return blob{}, err
	}
	v, err := versionIn(text, name, id)
	if err != nil {
		return blob{}, fmt.Errorf("chart %q: %w", name, err)
	}
	if v.Version != id {
		return blob{}, fmt.Errorf("chart %q: version %s is not there any more", name, id)
	}
	address, err := chart.Address(remote.URL, v)
	if err != nil {
		return blob{}, fmt.Errorf("chart %q: %w", name, err)
	}
	data, _, err := s.get(ctx, remote, address, nil, chart.MaxArchive)
	if err != nil {
		return blob{}, fmt.Errorf("chart %q %s: %w", name, id, err)
	}
	if want := strings.TrimPrefix(v.Digest, "sha256:"); want != "" {
		if sum := sha256.Sum256(data); !strings.EqualFold(hex.EncodeToString(sum[:]), want) {
			return blob{}, fmt.Errorf("chart %q %s: what is sent is not what the index promises: its SHA-256 is %x, and not %s", name, id, sum, want)
		}
	}
	return blob{data: data, packed: true}, nil
}

// index returns the text of a repository's index.
func (s *Store) index(ctx context.Context, remote Remote) ([]byte, error) {
	key := keyOf("index", source.NormalizeURL(remote.URL), remote.Credentials.Username)
	file := filepath.Join(s.dir, key+".index")
	s.mu.Lock()
	known := s.indexes[key]
	s.mu.Unlock()
	address, err := url.Parse(remote.URL)
	if err != nil {
		return nil, errors.New("the URL of the repository is none")
	}
	header := http.Header{}
	old, err := os.ReadFile(file)
	if known != nil && err == nil {
		if known.etag != "" {
			header.Set("If-None-Match", known.etag)
		}
		if known.modified != "" {
			header.Set("If-Modified-Since", known.modified)
		}
	}
	text, answer, err := s.get(ctx, remote, address.JoinPath("index.yaml").String(), header, chart.MaxIndex)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusNotModified {
		return old, nil
	}
	if err := s.write(file, text); err != nil {
		s.opts.Logger.Warn("index not kept", "repository", source.Redact(remote.URL), "err", err)
		return text, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexes[key] = &index{etag: answer.Header.Get("ETag"), modified: answer.Header.Get("Last-Modified")}
	return text, nil
}

// get fetches one URL. Credentials are shown to the repository's own host alone.
func (s *Store) get(ctx context.Context, remote Remote, address string, header http.Header, limit int64) ([]byte, *http.Response, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, nil, errors.New("its address is no URL")
	}
	known := remote.Credentials
	if base, err := url.Parse(remote.URL); err != nil || !known.PassCredentials && !chart.SameServer(base, target) {
		known = app.Credentials{Proxy: known.Proxy, NoProxy: known.NoProxy} // the way out is the same
	}
	to, err := s.ways.to(target, known)
	if err != nil {
		return nil, nil, err
	}
	to.header = authorization(known)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, errors.New("its address is no URL")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "plumbline")
	resp, err := (&http.Client{Transport: to, CheckRedirect: follow}).Do(req)
	if err != nil {
		return nil, nil, plain(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && header != nil:
		return nil, resp, nil
	case resp.StatusCode != http.StatusOK:
		return nil, nil, refusal(resp, req.URL, to.header != "")
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%s broke off: %w", source.Redact(address), err)
	case int64(len(data)) > limit:
		return nil, nil, fmt.Errorf("%s has more than %d MiB", source.Redact(address), limit>>20)
	}
	return data, resp, nil
}

// authorization is the header that credentials are sent in; empty: there are none.
func authorization(c app.Credentials) string {
	switch {
	case c.BearerToken != "":
		return "Bearer " + c.BearerToken
	case c.Username != "" || c.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
	}
	return ""
}

// refusal says what an answer means that is none.
func refusal(resp *http.Response, at *url.URL, shown bool) error {
	where := source.Redact(at.String())
	switch code := resp.StatusCode; {
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && shown:
		return fmt.Errorf("%s refuses the credentials (%s)", where, resp.Status)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%s asks for credentials (%s): register the repository with a Secret", where, resp.Status)
	case code == http.StatusNotFound:
		return fmt.Errorf("%s is not there (%s)", where, resp.Status)
	}
	return fmt.Errorf("%s answers %s", where, resp.Status)
}

// plain drops the method and the URL, which may hold a password, from the errors of
// the HTTP client.
func plain(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
