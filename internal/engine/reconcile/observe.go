package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// soon is when to look again for something that will announce itself, should
// the announcement get lost.
const soon = 2 * time.Second

// resolve finds the revision to compare with, and false when none is known yet.
// A failing source is reported; what was known of it stands.
func (s *session) resolve() (source.Revision, bool) {
	rev, pinned, err := s.subject.Pinned()
	if pinned {
		if err != nil {
			s.problem(err, condition.SourceFailed)
			return source.Revision{}, false
		}
		s.answerRefresh()
		return rev, true
	}
	seen := s.sources.Read(s.app.ID, s.wants()...)
	if !s.refreshed(seen) {
		return source.Revision{}, false
	}
	newest, known := make([]source.Revision, len(seen)), true
	for i, one := range seen {
		newest[i] = one.Revision
		known = known && one.Revision.ID != ""
		if one.Err != nil {
			s.problem(one.Err, condition.SourceFailed)
		}
	}
	if !known {
		if len(s.out.Problems) > 0 {
			s.out.Sync = app.Unknown
			s.answerRefresh()
		}
		return source.Revision{}, false
	}
	s.answerRefresh()
	return s.requested(newest)
}

// refreshed asks for a poll when the user asked for a refresh and reports
// whether its answer is in.
func (s *session) refreshed(seen []refresh.Seen) bool {
	if s.app.Refresh == "" || s.app.Refresh == s.app.State.Seen {
		s.mem.asking = nil
	} else if len(s.mem.asking) != len(seen) {
		s.mem.asking = s.sources.Now(s.app.ID)
		if s.app.Anew {
			s.mem.anew = s.now.UnixNano()
		}
	}
	for i, one := range seen {
		if one.Polls == 0 || (s.mem.asking != nil && one.Polls < s.mem.asking[i]) {
			return false
		}
	}
	return true
}

// requested replaces the newest revisions by those that an operation asks for.
func (s *session) requested(newest []source.Revision) (source.Revision, bool) {
	rev, err := gate.Requested(s.app.Request, s.app.Sources, newest)
	if err != nil {
		s.problem(err, condition.InvalidSpec)
		s.refuse()
	}
	return rev, err == nil
}

// reader is who the repository knows the application by.
func (s *session) reader() app.ID {
	if m := s.app.Managed(); m != nil {
		return app.ID{Kind: m.Kind, Namespace: m.Namespace, Name: m.Name}
	}
	return s.app.ID
}

// render returns the manifests of a revision as plan items whose standing is
// not known yet.
func (s *session) render(ctx context.Context, rev source.Revision) ([]plan.Item, error) {
	ctx, end := s.stage(ctx, s.app.ID, "render")
	items, err := s.rendered(ctx, rev)
	end(err)
	return items, err
}

// settling is how long after a start a source may not be known yet, before that
// is worth telling.
const settling = 10 * time.Second

// early reports whether an application is looked at before the object that its
// source is declared by, as happens right after a start: that says nothing
// about it, so what was reported stands.
func (s *session) early(err error) bool {
	if !errors.Is(err, refresh.ErrUnread) {
		s.mem.unread = time.Time{}
		return false
	}
	if s.mem.unread.IsZero() {
		s.mem.unread = s.now
	}
	s.silent = s.now.Before(s.mem.unread.Add(settling))
	if s.silent {
		s.again(5 * catchUp)
	}
	return s.silent
}

// trees returns the files of each source at a revision; each reads those of the
// sources that have a name below that name.
func (s *session) trees(ctx context.Context, rev source.Revision) ([]source.Tree, error) {
	parts, ok := rev.Parts(len(s.app.Sources))
	if !ok {
		return nil, fmt.Errorf("revision %s is not one of each of the %d sources", rev, len(s.app.Sources))
	}
	trees := make([]source.Tree, len(parts))
	for i, part := range parts {
		var err error
		if trees[i], err = s.sources.Tree(ctx, s.reader(), i, part); err != nil {
			return nil, err
		}
	}
	return app.Lend(s.app.Sources, trees), nil
}

// authentic fails unless every source was signed as its project asks.
func (s *session) authentic(ctx context.Context, rev source.Revision) error {
	if len(s.app.Signatures) == 0 {
		return nil
	}
	parts, ok := rev.Parts(len(s.app.Sources))
	if !ok {
		return fmt.Errorf("revision %s is not one of each of the %d sources", rev, len(s.app.Sources))
	}
	for i, part := range parts {
		policy, ok := gate.SignaturePolicy(s.app.Signatures, s.app.Sources[i].URL)
		if !ok {
			continue
		}
		history, err := s.sources.History(ctx, s.reader(), i)
		if err == nil && history != nil {
			err = policy.Verify(ctx, history, part, s.app.Keys, s.now, &s.proofs)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", source.Redact(s.app.Sources[i].URL), err)
		}
	}
	return nil
}

func (s *session) rendered(ctx context.Context, rev source.Revision) ([]plan.Item, error) {
	if err := s.authentic(ctx, rev); err != nil {
		return nil, condition.Because(condition.SourceFailed, err)
	}
	if len(s.app.Local) > 0 {
		return s.local(ctx)
	}
	trees, err := s.trees(ctx, rev)
	if err != nil {
		return nil, condition.Because(condition.SourceFailed, err)
	}
	var manifests []object.Manifest
	s.out.Tools = make([]render.Tool, len(trees))
	for i, tree := range trees {
		from := s.app.Sources[i]
		if from.Lends {
			continue
		}
		res, err := s.renderOne(ctx, from, tree, rev)
		if err != nil {
			return nil, condition.Because(condition.RenderFailed, err)
		}
		s.out.Tools[i] = res.Tool
		for _, w := range res.Warnings {
			s.out.Problems = append(s.out.Problems, condition.Of(errors.New(w), condition.RenderWarning))
		}
		manifests = append(manifests, res.Manifests...)
	}
	return s.prepare(ctx, manifests)
}

// local returns the manifests that an operation brings along.
func (s *session) local(ctx context.Context) ([]plan.Item, error) {
	var decoder object.Decoder
	var manifests []object.Manifest
	for i, text := range s.app.Local {
		each, err := decoder.DecodeJSON(fmt.Sprintf("operation.sync.manifests[%d]", i), []byte(text))
		if err != nil {
			return nil, condition.Because(condition.RenderFailed, err)
		}
		manifests = append(manifests, each...)
	}
	return s.prepare(ctx, manifests)
}

// renderOne renders one source.
func (s *session) renderOne(ctx context.Context, from app.Source, tree source.Tree, rev source.Revision) (render.Result, error) {
	req, err := s.subject.Request(from, tree)
	if err != nil {
		return render.Result{}, err
	}
	if req.KubeVersion == "" {
		req.KubeVersion = s.cluster.Version()
	}
	if len(req.APIVersions) == 0 {
		req.APIVersions = s.cluster.APIVersions()
	}
	if req.Plugin != nil {
		req.Plugin.Asked = s.mem.anew
	}
	if tree, err = s.withDependencies(ctx, req, tree); err != nil {
		return render.Result{}, err
	}
	res, err := s.renders.Render(ctx, req, tree)
	s.mark = marked{}
	if err == nil && len(s.app.Sources) == 1 && !s.app.Borrowed && !from.Ref.Packaged() { // one version is of many charts
		s.mark = marked{Mark: s.renders.Mark(req, res, tree), at: rev.ID}
	}
	return res, err
}

// withDependencies mounts the charts that a chart depends on and does not bring along.
func (s *session) withDependencies(ctx context.Context, req render.Request, tree source.Tree) (source.Tree, error) {
	missing, err := missingCharts(req, tree)
	if err != nil || len(missing) == 0 {
		return tree, err
	}
	mounts := map[string]source.Tree{}
	for _, d := range missing {
		sub, err := s.sources.Chart(ctx, d.Fetch, s.subject.Trusts)
		if err != nil {
			return nil, condition.Because(condition.SourceFailed, fmt.Errorf("chart in %q: dependency %q: %w", req.Path, d.Listed.Name, err))
		}
		mounts[d.Listed.Mount()] = sub
	}
	return source.Mounted(tree, mounts), nil
}

// missingCharts lists the charts that a render needs and the tree does not have.
func missingCharts(req render.Request, tree source.Tree) (missing []chart.Missing, err error) {
	if len(req.Rules)+len(req.Off) > 0 { // what looks like a chart may be something else
		if req, err = req.Detect(tree); err != nil {
			return nil, nil //nolint:nilerr // rendering says so
		}
	}
	if req.Tool == "" || req.Tool == render.Helm {
		if missing, err = chart.Dependencies(tree, req.Path); err != nil {
			return nil, err
		}
	}
	if k := req.Kustomize; k != nil && k.Charts && (req.Tool == "" || req.Tool == render.Kustomize) {
		more, err := chart.Inflated(tree, req.Path, render.KustomizationFiles)
		if err != nil {
			return nil, err
		}
		missing = append(missing, more...)
	}
	return missing, nil
}

// prepare makes plan items of what all sources declare.
func (s *session) prepare(ctx context.Context, manifests []object.Manifest) ([]plan.Item, error) {
	manifests, left := assess.Exclude(manifests, s.excludes)
	s.out.Problems = append(s.out.Problems, left...)
	scopes := s.scopes(ctx, manifests)
	items, problems, err := s.subject.Prepare(manifests, scopes.Namespaced)
	s.out.Problems = append(s.out.Problems, problems...)
	if err != nil {
		return nil, err
	}
	if s.traits.Strict {
		if _, err := plan.Build(plan.Input{Order: s.traits.Order, Items: items}); err != nil {
			return nil, condition.Because(condition.PlanInvalid, err)
		}
	}
	return items, s.permit(items)
}

// excludes reports whether the installation leaves objects of a kind alone.
func (s *session) excludes(key object.Key) bool {
	return s.app.Kinds.Excludes(key.GroupKind(), s.app.Target.Server)
}

// permit checks every object against the project.
func (s *session) permit(items []plan.Item) error {
	var refused []string
	for _, item := range items {
		if err := s.subject.Permit(item.Key()); err != nil {
			refused = append(refused, fmt.Sprintf("%s in %s: %v", item.Key(), item.Origin.File, err))
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return condition.Newf(condition.NotPermitted, "%s", condition.Summary(refused))
}

// scopes finds out which kinds live in namespaces.
func (s *session) scopes(ctx context.Context, manifests []object.Manifest) assess.Scopes {
	objects := make([]*unstructured.Unstructured, len(manifests))
	for i, m := range manifests {
		objects[i] = m.Object
	}
	return assess.ScopesOf(objects, func(gvk schema.GroupVersionKind) (namespaced, known bool) {
		res, err := s.cluster.Resource(ctx, gvk.GroupKind(), gvk.Version)
		return res.Namespaced, err == nil
	})
}
