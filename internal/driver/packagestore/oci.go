package packagestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// helmLayer is the media type of a packed chart.
const helmLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// layers are the media types of archives that an artifact may consist of.
var layers = []string{helmLayer, ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip}

const (
	maxManifest = 4 << 20 // bytes
	maxTags     = 100_000
)

// repository opens the repository of a chart, or of the artifact that the URL is of.
func (s *Store) repository(from Remote, name string) (*remote.Repository, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(from.URL, "oci://"), "/")
	if name != "" {
		path += "/" + name
	}
	repo, err := remote.NewRepository(path)
	if err != nil {
		return nil, fmt.Errorf("%q is no name of a repository in a registry", path)
	}
	server := &url.URL{Scheme: "https", Host: repo.Reference.Host()}
	if repo.PlainHTTP = from.Credentials.PlainHTTP; repo.PlainHTTP {
		server.Scheme = "http"
	}
	to, err := s.ways.to(server, from.Credentials)
	if err != nil {
		return nil, err
	}
	repo.Client = &auth.Client{
		Client: &http.Client{Transport: to, CheckRedirect: follow}, Header: http.Header{"User-Agent": {"plumbline"}}, Cache: auth.NewCache(),
		Credential: auth.StaticCredential(repo.Reference.Host(), auth.Credential{
			Username: from.Credentials.Username, Password: from.Credentials.Password, AccessToken: from.Credentials.BearerToken,
		}),
	}
	return repo, nil
}

func (s *Store) findInRegistry(ctx context.Context, from Remote, wants []Want) (map[Want]source.RefTarget, error) {
	found := map[Want]source.RefTarget{}
	for _, want := range wants {
		repo, err := s.repository(from, want.Chart)
		if err != nil {
			return nil, err
		}
		target, err := find(ctx, repo, want)
		why := (*absent)(nil)
		switch {
		case errors.As(err, &why):
			target = source.RefTarget{Why: why.Error()}
		case err != nil:
			return nil, refused(err, from)
		}
		found[want] = target
	}
	return found, nil
}

// absent says why something wanted is not there, although the registry answers.
type absent struct{ error }

// find resolves what is wanted: a chart to its version, an artifact to its digest.
func find(ctx context.Context, repo *remote.Repository, want Want) (source.RefTarget, error) {
	version := want.Version
	if _, notRange := semver.NewConstraint(version); notRange == nil && !exact(version) || version == "" {
		tags, err := tagsOf(ctx, repo)
		if err != nil {
			return source.RefTarget{}, err
		}
		v, err := chart.Resolve(chart.Tags(tags), version)
		if err != nil {
			return source.RefTarget{}, &absent{err}
		}
		version = v.Version
	}
	desc, err := repo.Resolve(ctx, chart.Tag(version))
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return source.RefTarget{}, &absent{fmt.Errorf("the registry has no %s:%s", repo.Reference.Repository, chart.Tag(version))}
	case err != nil:
		return source.RefTarget{}, err
	case want.Chart != "":
		return source.RefTarget{ID: version}, nil
	}
	target := source.RefTarget{ID: desc.Digest.String(), Name: version}
	if target.Name == target.ID {
		target.Name = ""
	}
	return target, nil
}

// exact reports whether text is a version rather than a range. A short one, such as
// 1.2, is both, and first a tag.
func exact(text string) bool {
	_, err := semver.NewVersion(text)
	return err == nil
}

func tagsOf(ctx context.Context, repo *remote.Repository) ([]string, error) {
	var all []string
	err := repo.Tags(ctx, "", func(tags []string) error {
		if all = append(all, tags...); len(all) > maxTags {
			return fmt.Errorf("it has more than %d tags", maxTags)
		}
		return nil
	})
	if errors.Is(err, errdef.ErrNotFound) || notFound(err) {
		return nil, &absent{fmt.Errorf("the registry has no %s", repo.Reference.Repository)}
	}
	return all, err
}

func notFound(err error) bool {
	answer := (*errcode.ErrorResponse)(nil)
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

func (s *Store) fetchFromRegistry(ctx context.Context, from Remote, name, id string) (blob, error) {
	repo, err := s.repository(from, name)
	if err != nil {
		return blob{}, err
	}
	got, err := pull(ctx, repo, chart.Tag(id), name != "")
	if err != nil {
		return blob{}, fmt.Errorf("%s %s: %w", repo.Reference.Repository, id, refused(err, from))
	}
	return got, nil
}

// pull fetches the one layer of an artifact. Everything is held against its digest.
func pull(ctx context.Context, repo *remote.Repository, reference string, chartOnly bool) (blob, error) {
	desc, err := repo.Resolve(ctx, reference)
	if err != nil {
		return blob{}, err
	}
	text, err := fetch(ctx, repo, desc, maxManifest)
	if err != nil {
		return blob{}, fmt.Errorf("manifest: %w", err)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return blob{}, fmt.Errorf("manifest: %w", err)
	}
	var candidates []ocispec.Descriptor
	for _, layer := range manifest.Layers {
		if slices.Contains(layers, layer.MediaType) && (!chartOnly || layer.MediaType == helmLayer) {
			candidates = append(candidates, layer)
		}
	}
	switch {
	case chartOnly && len(candidates) != 1:
		return blob{}, fmt.Errorf("it is no chart: of its %d layers %d are of the type %s", len(manifest.Layers), len(candidates), helmLayer)
	case !chartOnly && (len(candidates) != 1 || len(candidates) != len(manifest.Layers) && candidates[0].MediaType != helmLayer):
		return blob{}, fmt.Errorf("it has to consist of one layer of one of the types %s, and has %d layers, of which %d are", strings.Join(layers, ", "), len(manifest.Layers), len(candidates))
	}
	data, err := fetch(ctx, repo, candidates[0], chart.MaxArchive)
	if err != nil {
		return blob{}, fmt.Errorf("layer: %w", err)
	}
	return blob{data: data, packed: candidates[0].MediaType == helmLayer}, nil
}

func fetch(ctx context.Context, repo *remote.Repository, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	if desc.Size > limit {
		return nil, fmt.Errorf("it has %d bytes, more than %d MiB", desc.Size, limit>>20)
	}
	in, err := repo.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return content.ReadAll(in, desc)
}

// refused says in words what a registry answers.
func refused(err error, from Remote) error {
	answer := (*errcode.ErrorResponse)(nil)
	switch {
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return errors.New("the registry asks for credentials (401): register it with a Secret")
	case !errors.As(err, &answer):
		return plain(err)
	}
	shown := from.Credentials.Username != "" || from.Credentials.BearerToken != ""
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		if shown {
			return fmt.Errorf("the registry refuses the credentials (%d)", answer.StatusCode)
		}
		return fmt.Errorf("the registry asks for credentials (%d): register it with a Secret", answer.StatusCode)
	case http.StatusNotFound:
		return errors.New("it is not in the registry (404)")
	}
	return fmt.Errorf("the registry answers %d", answer.StatusCode)
}
