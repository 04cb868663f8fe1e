package main

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coregithubapp "github.com/plumbline-dev/plumbline/internal/core/githubapp"
	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/githubapp"
	"github.com/plumbline-dev/plumbline/internal/driver/gitstore"
	"github.com/plumbline-dev/plumbline/internal/driver/packagestore"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// repositories joins the stores to the port that the poller asks for.
type repositories struct {
	store    *gitstore.Store
	packages *packagestore.Store
	tokens   *githubapp.Tokens
}

var _ refresh.Repositories = repositories{}

func (r repositories) Fetch(ctx context.Context, remote refresh.Remote, further []string) (source.Refs, error) {
	if remote.Packages {
		return r.find(ctx, remote, further)
	}
	at, err := r.git(ctx, remote)
	if err != nil {
		return nil, err
	}
	return r.store.Fetch(ctx, at, further...)
}

func (r repositories) Tree(ctx context.Context, remote refresh.Remote, rev source.Revision) (source.Tree, error) {
	if remote.Packages {
		return r.packages.Tree(ctx, packageRemote(remote), remote.Chart, rev)
	}
	at, err := r.git(ctx, remote)
	if err != nil {
		return nil, err
	}
	return r.store.Tree(ctx, at, rev)
}

func (r repositories) Complete(ctx context.Context, remote refresh.Remote, id string) (string, error) {
	at, err := r.git(ctx, remote)
	if err != nil {
		return "", err
	}
	return r.store.Complete(ctx, at, id)
}

func (r repositories) History(remote refresh.Remote) signature.History {
	if remote.Packages {
		return nil
	}
	return history{r, remote}
}

// history is that of one repository.
type history struct {
	repositories
	remote refresh.Remote
}

func (h history) Commit(ctx context.Context, id string) (gitobject.Commit, error) {
	at, err := h.git(ctx, h.remote)
	if err != nil {
		return gitobject.Commit{}, err
	}
	return h.store.Commit(ctx, at, id)
}

func (h history) Tag(ctx context.Context, name string) (gitobject.Tag, error) {
	at, err := h.git(ctx, h.remote)
	if err != nil {
		return gitobject.Tag{}, err
	}
	return h.store.Tag(ctx, at, name)
}

// git is how a repository is opened: with the token of a GitHub App, where that is its
// key.
func (r repositories) git(ctx context.Context, remote refresh.Remote) (gitremote.Remote, error) {
	known := remote.Credentials.GitHubApp
	if known == nil {
		return gitRemote(remote), nil
	}
	token, err := r.tokens.Get(ctx, remote.URL, remote.Credentials)
	if err != nil {
		kind := gitremote.FailedNetwork
		if refused := (*coregithubapp.RefusedError)(nil); errors.As(err, &refused) {
			kind = gitremote.FailedAuth
		}
		return gitremote.Remote{}, gitremote.Failed(gitRemote(remote), kind, err.Error(), err)
	}
	remote.Credentials.Username, remote.Credentials.Password = coregithubapp.User, token.Text
	at := gitRemote(remote)
	at.Auth.Constant = known.Identity()
	return at, nil
}

// find says what names of packages stand for.
func (r repositories) find(ctx context.Context, remote refresh.Remote, names []string) (source.Refs, error) {
	wants := map[packagestore.Want]string{}
	for _, full := range names {
		if chart, version, ok := source.Package(full); ok {
			wants[packagestore.Want{Chart: chart, Version: version}] = full
		}
	}
	found, err := r.packages.Find(ctx, packageRemote(remote), slices.Collect(maps.Keys(wants)))
	if err != nil {
		return nil, err
	}
	refs := source.Refs{}
	for want, target := range found {
		refs[wants[want]] = target
	}
	return refs, nil
}

// packageRemote is where packages are fetched from. What is written without a scheme is
// a registry, whether a Secret says so or not.
func packageRemote(remote refresh.Remote) packagestore.Remote {
	url := remote.URL
	if !strings.Contains(url, "://") {
		url = "oci://" + url
	}
	return packagestore.Remote{URL: url, Credentials: remote.Credentials}
}

func gitRemote(remote refresh.Remote) gitremote.Remote {
	auth := gitAuth(remote.Credentials)
	if at, err := url.Parse(remote.URL); err == nil {
		if proxy, err := remote.Credentials.ProxyFor(at); err == nil && proxy != nil {
			auth.Proxy = proxy.String()
		}
	}
	return gitremote.Remote{URL: remote.URL, Auth: auth}
}

func gitAuth(c app.Credentials) gitremote.Auth {
	auth := gitremote.Auth{
		Username: c.Username, Password: c.Password, BearerToken: c.BearerToken,
		SSHPrivateKey: c.SSHPrivateKey, SSHPassphrase: c.SSHPassphrase, KnownHosts: c.KnownHosts,
		CABundle: c.CABundle, ClientCert: c.ClientCert, ClientKey: c.ClientKey,
	}
	if c.SkipTLSVerify {
		auth.TLS = gitremote.TLSSkipVerify
	}
	if c.AnyHostKey {
		auth.HostKeys = gitremote.HostKeysAny
	}
	return auth
}

// renders joins the memo and the template tools.
type renders struct {
	*render.Memo

	tools render.Renderer
}

func (r renders) Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	res, _, err := r.Memo.Render(ctx, req, tree, r.tools)
	return res, err
}
