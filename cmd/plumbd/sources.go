package main

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/gitstore"
	"github.com/plumbline-dev/plumbline/internal/driver/packagestore"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// repositories joins the stores to the port that the poller asks for.
type repositories struct {
	store    *gitstore.Store
	packages *packagestore.Store
}

var _ refresh.Repositories = repositories{}

func (r repositories) Fetch(ctx context.Context, remote refresh.Remote, further []string) (source.Refs, error) {
	if remote.Packages {
		return r.find(ctx, remote, further)
	}
	return r.store.Fetch(ctx, gitRemote(remote), further...)
}

func (r repositories) Tree(ctx context.Context, remote refresh.Remote, rev source.Revision) (source.Tree, error) {
	if remote.Packages {
		return r.packages.Tree(ctx, packageRemote(remote), remote.Chart, rev)
	}
	return r.store.Tree(ctx, gitRemote(remote), rev)
}

func (r repositories) Complete(ctx context.Context, remote refresh.Remote, id string) (string, error) {
	return r.store.Complete(ctx, gitRemote(remote), id)
}

func (r repositories) History(remote refresh.Remote) signature.History {
	if remote.Packages {
		return nil
	}
	return history{r.store, gitRemote(remote)}
}

// history is that of one repository.
type history struct {
	store  *gitstore.Store
	remote gitremote.Remote
}

func (h history) Commit(ctx context.Context, id string) (gitobject.Commit, error) {
	return h.store.Commit(ctx, h.remote, id)
}

func (h history) Tag(ctx context.Context, name string) (gitobject.Tag, error) {
	return h.store.Tag(ctx, h.remote, name)
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
