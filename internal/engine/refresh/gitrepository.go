package refresh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/shard"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

// GitRepositories keeps the status of GitRepository objects. It polls nothing
// itself: the Poller does, for these objects as for every other reader.
type GitRepositories struct {
	Client client.Client // reads from a cache
	Poller *Poller
	Now    func() time.Time // nil means time.Now
	Shares Shares           // nil: every object is ours
}

// Shares divides the objects among replicas.
type Shares interface {
	// Begin starts work on an object: the context ends when it moves to another
	// replica. It fails with shard.ErrElsewhere or shard.ErrLapsed.
	Begin(ctx context.Context, id app.ID) (context.Context, func(), error)
}

// Followed is the interval of polls where another replica polls, too, and its
// status says when there is something new.
const Followed = 24 * time.Hour

// postponed is when to look again at an object that may not be written now.
const postponed = 200 * time.Millisecond

// RepositoryID returns the identity under which a GitRepository reads.
func RepositoryID(namespace, name string) app.ID {
	return app.ID{Kind: sourcev1.GitRepositoryKind, Namespace: namespace, Name: name}
}

// Reconcile writes what is known of one repository into its status.
func (g *GitRepositories) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	id := RepositoryID(req.Namespace, req.Name)
	obj := &sourcev1.GitRepository{}
	if err := g.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			g.Poller.Forget(id)
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, err
	}
	if g.Shares != nil {
		work, end, err := g.Shares.Begin(ctx, id)
		switch {
		case errors.Is(err, shard.ErrElsewhere):
			g.follow(id, obj)
			return reconcile.Result{}, nil
		case err != nil:
			return reconcile.Result{RequeueAfter: postponed}, nil
		}
		defer end()
		ctx = work
	}
	return g.keep(ctx, id, obj)
}

// follow keeps what another replica reports on at hand for the Kustomizations
// that are ours, and fetches when that replica has seen something new.
func (g *GitRepositories) follow(id app.ID, obj *sourcev1.GitRepository) {
	repo := flux.DecodeRepository(obj)
	if obj.DeletionTimestamp != nil || repo.Suspended || len(repo.Problems) > 0 {
		g.Poller.Forget(id)
		return
	}
	seen := g.Poller.Read(id, Want{URL: repo.URL, Secret: repo.Secret, Ref: repo.Ref, Interval: Followed, Timeout: repo.Timeout})[0]
	if a := obj.Status.Artifact; a != nil && seen.Polls > 0 && flux.ParseRevision(a.Revision).ID != seen.Revision.ID {
		g.Poller.Answer(id, "stored "+a.Revision)
	}
}

// keep polls for one object and writes what is known into its status.
func (g *GitRepositories) keep(ctx context.Context, id app.ID, obj *sourcev1.GitRepository) (reconcile.Result, error) {
	if obj.DeletionTimestamp != nil {
		g.Poller.Forget(id)
		return reconcile.Result{}, g.release(ctx, obj)
	}
	repo := flux.DecodeRepository(obj)
	if repo.Suspended {
		g.Poller.Forget(id)
		return reconcile.Result{}, nil
	}
	if len(repo.Problems) > 0 {
		g.Poller.Forget(id)
		return reconcile.Result{}, g.report(ctx, obj, flux.Fetched{Err: condition.Newf(repo.Problems[0].Reason, "%s", repo.Problems[0].Message)})
	}
	seen := g.Poller.Read(id, Want{URL: repo.URL, Secret: repo.Secret, Ref: repo.Ref, Interval: repo.Interval, Timeout: repo.Timeout})[0]
	if seen.Polls == 0 || g.asked(id, repo, seen) {
		return reconcile.Result{}, nil // the poller calls back
	}
	return reconcile.Result{}, g.report(ctx, obj, g.fetched(ctx, id, seen))
}

// fetched opens the revision that was seen, so that nothing is called stored
// that cannot be read.
func (g *GitRepositories) fetched(ctx context.Context, id app.ID, seen Seen) flux.Fetched {
	f := flux.Fetched{Revision: seen.Revision, Err: seen.Err}
	if f.Err != nil {
		return f
	}
	tree, err := g.Poller.Tree(ctx, id, 0, seen.Revision)
	if err == nil {
		f.Tree, err = tree.ID(".")
	}
	f.Err = condition.Because(condition.SourceFailed, err)
	return f
}

// asked starts the poll that a new request token asks for, once.
func (g *GitRepositories) asked(id app.ID, repo flux.Repository, seen Seen) bool {
	if repo.Request == "" || repo.Request == repo.Seen {
		return false
	}
	return g.Poller.Answer(id, repo.Request) > seen.Polls
}

func (g *GitRepositories) report(ctx context.Context, obj *sourcev1.GitRepository, f flux.Fetched) error {
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	next := flux.ReportRepository(obj, f, now())
	patch := client.MergeFrom(obj)
	data, err := patch.Data(next)
	if err != nil || string(data) == "{}" {
		return err
	}
	err = g.Client.Status().Patch(ctx, next, client.RawPatch(patch.Type(), data), client.FieldOwner("plumbd"))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("GitRepository %s/%s: status: %w", obj.Namespace, obj.Name, err)
	}
	return nil
}

// release takes off the finalizer that another controller may have left.
func (g *GitRepositories) release(ctx context.Context, obj *sourcev1.GitRepository) error {
	i := slices.Index(obj.Finalizers, flux.Finalizer)
	if i < 0 {
		return nil
	}
	next := obj.DeepCopy()
	next.Finalizers = slices.Delete(next.Finalizers, i, i+1)
	return client.IgnoreNotFound(g.Client.Patch(ctx, next, client.MergeFrom(obj)))
}
