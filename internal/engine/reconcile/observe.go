package reconcile

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
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
	seen := s.sources.Read(s.app.ID, s.want())
	if !s.refreshed(seen) {
		return source.Revision{}, false
	}
	if seen.Err != nil {
		s.problem(seen.Err, condition.SourceFailed)
	}
	if seen.Revision.ID == "" {
		if seen.Err != nil {
			s.out.Sync = app.Unknown
			s.answerRefresh()
		}
		return source.Revision{}, false
	}
	s.answerRefresh()
	return s.requested(seen.Revision)
}

// refreshed asks for a poll when the user asked for a refresh and reports
// whether its answer is in.
func (s *session) refreshed(seen refresh.Seen) bool {
	if s.app.Refresh == "" || s.app.Refresh == s.app.State.Seen {
		s.mem.asking = 0
		return seen.Polls > 0
	}
	if s.mem.asking == 0 {
		s.mem.asking = s.sources.Now(s.app.ID)
	}
	return seen.Polls >= s.mem.asking
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// requested replaces the newest revision by the one an operation asks for.
func (s *session) requested(newest source.Revision) (source.Revision, bool) {
	op := s.app.Request
	if op == nil || op.Revision == "" || op.Revision == newest.ID || op.Revision == newest.Name || op.Revision == s.app.Source.Ref.Any {
		return newest, true
	}
	if !commitID.MatchString(op.Revision) {
		s.problem(condition.Newf(condition.InvalidSpec, "operation.sync.revision %q is neither the target revision nor a full commit id", op.Revision), condition.InvalidSpec)
		s.refuse()
		return source.Revision{}, false
	}
	return source.Revision{ID: op.Revision}, true
}

// reader is who the repository knows the application by.
func (s *session) reader() app.ID {
	if m := s.app.Source.Managed; m != nil {
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

func (s *session) rendered(ctx context.Context, rev source.Revision) ([]plan.Item, error) {
	tree, err := s.sources.Tree(ctx, s.reader(), rev)
	if err != nil {
		return nil, condition.Because(condition.SourceFailed, err)
	}
	req := s.app.Source.Render
	if req.KubeVersion == "" {
		req.KubeVersion = s.cluster.Version()
	}
	if len(req.APIVersions) == 0 {
		req.APIVersions = s.cluster.APIVersions()
	}
	res, err := s.renders.Render(ctx, req, tree)
	if err != nil {
		return nil, condition.Because(condition.RenderFailed, err)
	}
	s.out.Tool = res.Tool
	s.mark = marked{Mark: s.renders.Mark(req, res, tree), at: rev.ID}
	for _, w := range res.Warnings {
		s.out.Problems = append(s.out.Problems, condition.Of(errors.New(w), condition.RenderWarning))
	}
	scopes := s.scopes(ctx, res.Manifests)
	items, problems, err := s.subject.Prepare(res.Manifests, scopes.Namespaced)
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
