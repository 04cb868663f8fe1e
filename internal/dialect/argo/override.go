package argo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// overrides names the files beside the manifests that change a source, the
// stronger last: one for all applications that read the directory, and one for a
// single application.
func (s Settings) overrides(id app.ID) []string {
	return []string{".argocd-source.yaml", ".argocd-source-" + s.instance(id) + ".yaml"}
}

// Request returns what to render of a source of a out of tree: as the application
// says, with what the override files in its directory change of that.
func (s Settings) Request(a app.Application, from app.Source, tree source.Tree) (render.Request, error) {
	written, ok := from.Written.(sourceSpec)
	if !ok {
		return from.Render, nil
	}
	heeds := s.overrides(a.ID)
	for _, name := range heeds {
		var err error
		if written.Source, err = overridden(written.Source, path.Join(from.Render.Path, name), tree); err != nil {
			return render.Request{}, err
		}
	}
	if err := written.check(); err != nil {
		return render.Request{}, err
	}
	req, err := written.request(a, s.buildEnv(a, written.Source, tree.Revision()))
	req.Heeds = heeds
	return req, err
}

// overridden lays a file, if there is one, over a source as a JSON merge patch
// (RFC 7396). What is read, and where from, stays as it is.
func overridden(src v1alpha1.Source, name string, tree source.Tree) (v1alpha1.Source, error) {
	text, err := tree.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return src, nil
	}
	if err != nil {
		return src, err
	}
	patch, err := yaml.YAMLToJSON(text)
	if err != nil {
		return src, fmt.Errorf("%s: %w", name, err)
	}
	if string(patch) == "null" {
		return src, nil
	}
	if !bytes.HasPrefix(patch, []byte("{")) {
		return src, fmt.Errorf("%s: is not a map of fields of a source, such as kustomize or helm", name)
	}
	before, err := json.Marshal(src)
	if err != nil {
		return src, fmt.Errorf("%s: source: %w", name, err)
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return src, fmt.Errorf("%s: %w", name, err)
	}
	var out v1alpha1.Source
	if err := json.Unmarshal(after, &out); err != nil {
		return src, fmt.Errorf("%s: %w", name, err)
	}
	out.RepoURL, out.Path, out.Chart, out.TargetRevision, out.TagPrefix = src.RepoURL, src.Path, src.Chart, src.TargetRevision, src.TagPrefix
	out.Ref, out.Name = src.Ref, src.Name
	return out, nil
}
