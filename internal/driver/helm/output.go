package helm

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// hookAnnotation lists the events that an object is a hook for.
const hookAnnotation = "helm.sh/hook"

// manifests decodes CRDs, then rendered templates by name. Hooks are objects
// like the others; whoever applies them reads their annotations.
func (j *job) manifests(ch *chart.Chart, texts map[string]string) ([]object.Manifest, error) {
	out := &output{job: j, chart: ch.Name()}
	if !j.opts.SkipCRDs {
		crds := ch.CRDObjects()
		slices.SortFunc(crds, func(a, b chart.CRD) int { return strings.Compare(a.Filename, b.Filename) })
		for _, crd := range crds {
			if err := out.add(crd.Filename, crd.File.Data); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if path.Base(name) == "NOTES.txt" || strings.TrimSpace(texts[name]) == "" {
			continue
		}
		if err := out.add(name, []byte(texts[name])); err != nil {
			return nil, err
		}
	}
	return out.manifests, nil
}

type output struct {
	job       *job
	chart     string
	decoder   object.Decoder
	manifests []object.Manifest
}

// add decodes the text of one template. Equal keys are common in charts and the
// last has always won, so they are worth a warning only.
func (o *output) add(name string, text []byte) error {
	file := path.Join(o.job.dir, strings.TrimPrefix(name, o.chart+"/"))
	manifests, err := o.decoder.Decode(file, text)
	if bad, ok := errors.AsType[*object.DecodeError](err); ok && bad.Problem == object.ProblemDuplicateKey {
		o.job.warnings = append(o.job.warnings, fmt.Sprintf("%s (in the rendered text); the last one counts", bad))
		o.decoder.Keys = object.LastKeyWins
		manifests, err = o.decoder.Decode(file, text)
		o.decoder.Keys = object.UniqueKeys
	}
	if err != nil {
		return fmt.Errorf("%w (in the rendered text)", err)
	}
	for _, m := range manifests {
		if o.job.opts.SkipTests && isTest(m) {
			continue
		}
		o.manifests = append(o.manifests, m)
	}
	return nil
}

func isTest(m object.Manifest) bool {
	for event := range strings.SplitSeq(m.Object.GetAnnotations()[hookAnnotation], ",") {
		switch strings.TrimSpace(event) {
		case "test", "test-success", "test-failure":
			return true
		}
	}
	return false
}
