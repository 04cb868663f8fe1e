package kustomize

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// overlay returns the kustomization file with the options laid over it, the way
// a series of "kustomize edit" commands would change it.
func (b *build) overlay(file string, data []byte) ([]byte, error) {
	o := b.opts
	o.Generate, o.Unrestricted, o.IgnoreMissingComponents, o.Charts = false, false, false, false
	if reflect.DeepEqual(o, render.KustomizeOptions{}) {
		return data, nil
	}
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("%s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	k.FixKustomization()
	if o.Namespace != "" {
		k.Namespace = o.Namespace
	}
	if o.NamePrefix != "" {
		k.NamePrefix = o.NamePrefix
	}
	if o.NameSuffix != "" {
		k.NameSuffix = o.NameSuffix
	}
	k.Patches = append(k.Patches, patches(o.Patches)...)
	k.Components = append(k.Components, b.components(o.Components)...)
	k.Images = mergeImages(k.Images, o)
	k.Replicas = mergeReplicas(k.Replicas, o.Replicas)
	if err := addLabels(&k, o); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	annotations, err := addPairs("annotation", k.CommonAnnotations, o.Annotations, clashOf(o.ForceAnnotations))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	k.CommonAnnotations = annotations
	return yaml.Marshal(k)
}

func patches(in []render.KustomizePatch) []types.Patch {
	var out []types.Patch
	for _, p := range in {
		patch := types.Patch{Path: p.Path, Patch: p.Patch}
		if t := p.Target; t != nil {
			patch.Target = &types.Selector{LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector}
			patch.Target.Group, patch.Target.Version, patch.Target.Kind = t.Group, t.Version, t.Kind
			patch.Target.Name, patch.Target.Namespace = t.Name, t.Namespace
		}
		if len(p.Options) > 0 {
			patch.Options = &types.PatchArgs{AllowKindChange: p.Options["allowKindChange"], AllowNameChange: p.Options["allowNameChange"]}
		}
		out = append(out, patch)
	}
	return out
}

// components drops those that are not there, if the options say so.
func (b *build) components(in []string) []string {
	if !b.opts.IgnoreMissingComponents {
		return in
	}
	return slices.DeleteFunc(slices.Clone(in), func(c string) bool {
		if isRemote(c) {
			return false
		}
		info, err := b.tree.Stat(path.Join(b.dir, c))
		return err != nil && !isEscape(err) || err == nil && !info.IsDir()
	})
}

// mergeImages replaces entries of the same name. "*" keeps a part of the entry
// that is replaced; with KeepImageNames so does an empty NewName.
func mergeImages(have []types.Image, o render.KustomizeOptions) []types.Image {
	if len(o.Images) == 0 {
		return have
	}
	byName := map[string]types.Image{}
	for _, im := range have {
		byName[im.Name] = im
	}
	for _, im := range o.Images {
		old := byName[im.Name]
		merged := types.Image{Name: im.Name, NewName: keep(im.NewName, old.NewName), NewTag: keep(im.NewTag, old.NewTag), Digest: keep(im.Digest, old.Digest)}
		if o.KeepImageNames {
			if merged.NewName == "" {
				merged.NewName = old.NewName
			}
			if merged.NewTag == "" && merged.Digest == "" {
				merged.NewTag, merged.Digest, merged.TagSuffix = old.NewTag, old.Digest, old.TagSuffix
			}
		}
		byName[im.Name] = merged
	}
	var out []types.Image
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out
}

func keep(value, old string) string {
	if value == "*" {
		return old
	}
	return value
}

func mergeReplicas(have []types.Replica, in []render.KustomizeCount) []types.Replica {
	out := slices.Clone(have)
	for _, r := range in {
		out = slices.DeleteFunc(out, func(old types.Replica) bool { return old.Name == r.Name })
		out = append(out, types.Replica{Name: r.Name, Count: r.Count})
	}
	return out
}

// addLabels adds to commonLabels when selectors are to change as well, else to
// the entry of labels that leaves them alone.
func addLabels(k *types.Kustomization, o render.KustomizeOptions) error {
	if len(o.Labels) == 0 {
		return nil
	}
	var err error
	if o.LabelsInSelectors {
		k.CommonLabels, err = addPairs("label", k.CommonLabels, o.Labels, clashOf(o.ForceLabels))
		return err
	}
	for i := range k.Labels {
		entry := &k.Labels[i]
		if !entry.IncludeSelectors && entry.IncludeTemplates == o.LabelsInTemplates && len(entry.FieldSpecs) == 0 {
			entry.Pairs, err = addPairs("label", entry.Pairs, o.Labels, clashOf(o.ForceLabels))
			return err
		}
	}
	k.Labels = append(k.Labels, types.Label{Pairs: maps.Clone(o.Labels), IncludeTemplates: o.LabelsInTemplates})
	return nil
}

// clash says what becomes of a key that the kustomization file already has.
type clash int

const (
	refuse clash = iota
	replace
)

func clashOf(force bool) clash {
	if force {
		return replace
	}
	return refuse
}

func addPairs(what string, have, in map[string]string, on clash) (map[string]string, error) {
	if len(in) == 0 {
		return have, nil
	}
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if _, has := out[key]; has && on == refuse {
			return nil, fmt.Errorf("%s %q is already in the kustomization file: remove it there or force it in the application", what, key)
		}
		out[key] = in[key]
	}
	return out, nil
}

func isEscape(err error) bool {
	_, ok := err.(*source.EscapeError)
	return ok
}
