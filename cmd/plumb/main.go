// Command plumb is the command line of Plumbline.
//
// This package only joins: the commands are in internal/front/cli, the dialects
// and drivers that they need are handed to them here.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/gitstore"
	"github.com/plumbline-dev/plumbline/internal/driver/helm"
	"github.com/plumbline-dev/plumbline/internal/driver/jsonnet"
	"github.com/plumbline-dev/plumbline/internal/driver/kustomize"
	"github.com/plumbline-dev/plumbline/internal/driver/renderworker"
	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

// version is set when the program is linked.
var version = "dev"

// workerCommand makes this program a worker that renders for another one.
const workerCommand = "render-worker"

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) == 2 && os.Args[1] == workerCommand {
		if err := renderworker.Serve(context.Background(), os.Stdin, os.Stdout, workerTools()); err != nil {
			fmt.Fprintln(os.Stderr, "plumb: render worker:", err)
			return cli.ExitUnknown
		}
		return cli.ExitOK
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "plumb: cannot find itself to start workers:", err)
		return cli.ExitUnknown
	}
	pool := renderworker.New(renderworker.Options{Command: []string{self, workerCommand}})
	defer pool.Close()
	return cli.Run(ctx, ports(pool), os.Args[1:])
}

// workerTools are the template tools that run in a worker process.
func workerTools() map[render.Tool]render.Renderer {
	return map[render.Tool]render.Renderer{
		render.Directory: render.DirectoryRenderer{Evaluate: jsonnet.Evaluate},
		render.Kustomize: kustomize.Renderer{Charts: helm.Renderer{}},
		render.Helm:      helm.Renderer{},
	}
}

func ports(pool *renderworker.Pool) cli.Ports {
	return cli.Ports{
		Version:  version,
		In:       os.Stdin,
		Out:      os.Stdout,
		Err:      os.Stderr,
		Getenv:   os.Getenv,
		Now:      time.Now,
		Dialects: dialects,
		Renderer: render.Tools{render.Directory: render.DirectoryRenderer{Elsewhere: pool}, render.Kustomize: pool, render.Helm: pool},
		OpenRepository: func(dir string) (cli.Repository, error) {
			local, err := gitstore.OpenLocal(dir, gitstore.Options{})
			if err != nil {
				return nil, err
			}
			return repository{local}, nil
		},
		Connect: connect,
		Actions: actions,
		Access:  access,
	}
}

// repository is a repository on this machine.
type repository struct{ *gitstore.Local }

func (r repository) Tree(rev source.Revision) (source.Tree, error) { return r.Local.Tree(rev) }
