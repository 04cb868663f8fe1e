package main

import (
	"context"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/gitstore"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// repositories joins the object stores to the port that the poller asks for.
type repositories struct{ store *gitstore.Store }

var _ refresh.Repositories = repositories{}

func (r repositories) Fetch(ctx context.Context, remote refresh.Remote, further []string) (source.Refs, error) {
	return r.store.Fetch(ctx, gitRemote(remote), further...)
}

func (r repositories) Tree(ctx context.Context, remote refresh.Remote, rev source.Revision) (source.Tree, error) {
	return r.store.Tree(ctx, gitRemote(remote), rev)
}

func (r repositories) Complete(ctx context.Context, remote refresh.Remote, id string) (string, error) {
	return r.store.Complete(ctx, gitRemote(remote), id)
}

func gitRemote(remote refresh.Remote) gitremote.Remote {
	return gitremote.Remote{URL: remote.URL, Auth: gitAuth(remote.Credentials)}
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
