package gitstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitref"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// update mirrors the remote's references and brings their objects. The caller has
// the turn.
func (m *member) update(ctx context.Context, extra []string) (source.Refs, error) {
	m.mu.Lock()
	headless := m.headless
	m.mu.Unlock()
	if !headless {
		err := m.git(ctx, gitref.Mirror(gitref.HeadRequired, extra))
		var failure *gitremote.FetchError
		switch {
		case err == nil:
			return m.read(extra)
		case !errors.As(err, &failure) || !failure.NoHead():
			return nil, err
		}
	}
	// The repository is empty, or its HEAD points nowhere, or what answered is no
	// Git server at all: git takes any web page for a list of no references. Only
	// a real answer may remove references here.
	if err := m.confirm(ctx); err != nil {
		return nil, err
	}
	if err := m.git(ctx, gitref.Mirror(gitref.HeadOptional, extra)); err != nil {
		return nil, err
	}
	refs, err := m.read(extra)
	if err == nil {
		_, found := refs["HEAD"]
		m.mu.Lock()
		m.headless = !found
		m.mu.Unlock()
	}
	return refs, err
}

// confirm makes sure that a Git server answers for the address.
func (m *member) confirm(ctx context.Context) error {
	a := m.address
	if a.Scheme != "http" && a.Scheme != "https" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.repo.store.opts.FetchTimeout)
	defer cancel()
	_, err := advertised(ctx, a)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return gitremote.Failed(m.remote, gitremote.FailedTimeout, err.Error(), err)
	}
	return gitremote.Classify(m.remote, m.address, err.Error(), err)
}

// read returns what the remote offers, as it is on disk now.
func (m *member) read(extra []string) (source.Refs, error) {
	if _, err := m.repo.objects.reload(); err != nil {
		return nil, err
	}
	onDisk, loose, err := m.repo.refs.read()
	if err != nil {
		return nil, err
	}
	m.repo.loose = loose
	refs := gitref.Offered(onDisk, extra)
	if old, ok := m.last(); ok && maps.Equal(old, refs) {
		return old, nil
	}
	return refs, nil
}

// fetchCommit brings one commit by its id, with all it consists of.
func (m *member) fetchCommit(ctx context.Context, id gitobject.ID) error {
	if err := m.repo.store.begin(); err != nil {
		return err
	}
	defer m.repo.store.tasks.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.repo.store.life, func() { cancel(errClosed) })()
	if err := m.repo.acquire(ctx); err != nil {
		return gitremote.Failed(m.remote, gitremote.FailedTimeout, err.Error(), err)
	}
	defer m.repo.release()
	if m.repo.objects.has(id) { // another caller was faster
		return nil
	}
	err := m.git(ctx, []string{gitref.Keep(id)})
	var failure *gitremote.FetchError
	if errors.As(err, &failure) && failure.Withheld() {
		detail := fmt.Sprintf("commit %s is not in the repository, or the server does not hand it out because no branch or tag leads to it", id)
		return gitremote.Failed(m.remote, gitremote.FailedNotFound, detail, nil)
	}
	if err != nil {
		return err
	}
	if _, err := m.repo.objects.reload(); err != nil {
		return err
	}
	if !m.repo.objects.has(id) {
		return &gitobject.MissingError{Object: id.String()}
	}
	return nil
}

// git runs a fetch; if the server redirects, once more where it leads.
func (m *member) git(ctx context.Context, specs []string) error {
	m.mu.Lock()
	to := m.moved
	m.mu.Unlock()
	a := m.address
	if to != "" {
		a.URL = to
	}
	err := m.gitTo(ctx, a, specs)
	var failure *gitremote.FetchError
	if !errors.As(err, &failure) {
		return err
	}
	switch {
	case to != "" && ctx.Err() == nil:
		m.setMoved("") // perhaps it moved on, or back
		return m.git(ctx, specs)
	case !failure.Redirected() || !strings.HasPrefix(a.Scheme, "http"):
		return err
	}
	to, moveErr := advertised(ctx, a)
	if moveErr != nil {
		return gitremote.Failed(m.remote, gitremote.FailedProtocol, moveErr.Error(), moveErr)
	}
	if to == a.URL {
		return err
	}
	a.URL = to
	if err := m.gitTo(ctx, a, specs); err != nil {
		return err
	}
	m.setMoved(to)
	return nil
}

func (m *member) setMoved(to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moved = to
}

// gitTo runs one git fetch.
func (m *member) gitTo(ctx context.Context, a gitremote.Address, specs []string) error {
	p, opts := m.repo, m.repo.store.opts
	p.sweep()
	s, err := newSession(filepath.Join(p.store.dir, "tmp"), a, opts)
	if err != nil {
		return gitremote.Failed(m.remote, gitremote.FailedSetup, err.Error(), err)
	}
	defer s.close()
	ctx, cancel := context.WithTimeoutCause(ctx, opts.FetchLimit, fmt.Errorf("the fetch took more than %s", opts.FetchLimit))
	defer cancel()
	args := []string{
		"fetch", "--progress", "--prune", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
		"--no-recurse-submodules", "--no-show-forced-updates", "--update-head-ok", "--", a.URL,
	}
	c := command{git: opts.Git, dir: p.dir, session: s, protocol: a.Scheme, args: append(args, specs...), watch: m.watch(time.Now())}
	output, err := c.run(ctx)
	if err == nil {
		err = m.checkSize(p.size()) // it may have been too quick to be watched
	}
	if err == nil {
		return nil
	}
	p.sweep()
	if ended := (*limitError)(nil); errors.As(err, &ended) {
		return gitremote.Failed(m.remote, ended.kind, ended.detail, nil)
	}
	if ctx.Err() != nil {
		return gitremote.Failed(m.remote, gitremote.FailedTimeout, context.Cause(ctx).Error(), context.Cause(ctx))
	}
	return gitremote.Classify(m.remote, m.address, output, err)
}

// limitError is why we ended a fetch ourselves.
type limitError struct {
	kind   gitremote.FailureKind
	detail string
}

func (e *limitError) Error() string { return e.detail }

func (m *member) checkSize(bytes int64) error {
	if limit := m.repo.store.opts.MaxRepoBytes; bytes > limit {
		return &limitError{gitremote.FailedDisk, fmt.Sprintf("the repository has more than the limit of %d MiB", limit>>20)}
	}
	return nil
}

// watch ends a fetch that shows no life, or that fills the disk.
func (m *member) watch(start time.Time) func(time.Time) error {
	opts := m.repo.store.opts
	grown, size := start, int64(-1)
	return func(lastOutput time.Time) error {
		if now := m.repo.size(); now != size {
			grown, size = time.Now(), now
		}
		if err := m.checkSize(size); err != nil {
			return err
		}
		alive := grown
		if lastOutput.After(alive) {
			alive = lastOutput
		}
		if time.Since(alive) > opts.FetchTimeout {
			return &limitError{gitremote.FailedTimeout, fmt.Sprintf("the server was silent for %s", opts.FetchTimeout)}
		}
		return nil
	}
}
