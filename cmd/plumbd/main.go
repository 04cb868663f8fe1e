// Plumbd is the Plumbline server: it keeps a cluster true to Git.
//
// It reads Argo CD's Applications and AppProjects and Flux's GitRepositories and
// Kustomizations from the cluster that its kubeconfig names (or, inside a pod,
// from the cluster it runs in) and needs nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // for machines that have none

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/driver/helm"
	"github.com/plumbline-dev/plumbline/internal/driver/jsonnet"
	"github.com/plumbline-dev/plumbline/internal/driver/kustomize"
	"github.com/plumbline-dev/plumbline/internal/driver/renderworker"
)

// version is set at build time.
var version = "dev"

// workerCommand is the hidden first argument of a render worker.
const workerCommand = "render-worker"

// config is what the flags say.
type config struct {
	kubeconfig string
	data       string
	listen     string
	namespace  string
	tracking   string

	appNamespaces app.Patterns
	poll          time.Duration
	workers       int
	silence       time.Duration
	pruneLimit    app.PruneLimit
	plugins       string
	given         map[string]bool // flags that were
	installCRDs   bool
	takeOver      bool
	logLevel      slog.Level
	logFormat     string
	profile       bool
	events        bool
	otlp          string
	stuckAfter    time.Duration
	lostAfter     time.Duration
	share         sharing
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == workerCommand {
		exit(renderworker.Serve(context.Background(), os.Stdin, os.Stdout, tools()))
	}
	cfg, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "plumbd:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, cfg))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "plumbd:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// tools are the template tools that run in worker processes.
func tools() map[render.Tool]render.Renderer {
	return map[render.Tool]render.Renderer{
		render.Directory: render.DirectoryRenderer{Evaluate: jsonnet.Evaluate},
		render.Kustomize: kustomize.Renderer{Charts: helm.Renderer{}},
		render.Helm:      helm.Renderer{},
	}
}

func parse(args []string) (config, error) {
	var cfg config
	fs := flag.NewFlagSet("plumbd", flag.ContinueOnError)
	showVersion := fs.Bool("version", false, "print the version and exit")
	fs.StringVar(&cfg.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "file that names the cluster; empty: the cluster that plumbd runs in")
	fs.StringVar(&cfg.data, "data", filepath.Join(os.TempDir(), "plumbd"), "directory for Git objects; a cache, its loss costs time only")
	fs.StringVar(&cfg.listen, "listen", "127.0.0.1:8484", "address for webhooks (/hook/git, /api/webhook), /metrics, /healthz and /readyz")
	fs.StringVar(&cfg.namespace, "argocd-namespace", "argocd", "namespace of Applications, AppProjects and repository Secrets")
	fs.Func("application-namespaces", "further namespaces in which Applications may be: names, globs and /regular expressions/, with commas between; their projects have to permit them in sourceNamespaces", func(text string) error {
		for one := range strings.SplitSeq(text, ",") {
			if one = strings.TrimSpace(one); one != "" {
				cfg.appNamespaces = append(cfg.appNamespaces, one)
			}
		}
		return cfg.appNamespaces.Check()
	})
	fs.StringVar(&cfg.tracking, "resource-tracking", "", "how objects show their Application: annotation, label or annotation+label; empty: as argocd-cm says at the start, or annotation")
	fs.DurationVar(&cfg.poll, "poll", 2*time.Minute, "pause between polls of a repository that no GitRepository sets an interval for")
	fs.IntVar(&cfg.workers, "workers", 16, "applications reconciled at the same time")
	fs.DurationVar(&cfg.silence, "watch-silence", 3*time.Minute, "longest silence on a watch before it is opened anew; API servers break it every minute")
	fs.StringVar(&cfg.plugins, "plugins", "", "directory of config management plugins, each a file as in plugin.yaml, that run beside plumbd; empty: there are none")
	cfg.pruneLimit = app.DefaultPruneLimit
	fs.Var(&cfg.pruneLimit, "prune-limit", "`share` of an application that one revision may delete before a person is asked, and the least number of objects; 100% never asks")
	fs.BoolVar(&cfg.takeOver, "take-over", false, "work on Applications although Argo CD's controller has written to them in the last 10 minutes")
	fs.BoolVar(&cfg.installCRDs, "install-crds", true, "install and upgrade the CustomResourceDefinitions of both dialects")
	fs.TextVar(&cfg.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	fs.StringVar(&cfg.logFormat, "log-format", "text", "text or json")
	fs.BoolVar(&cfg.profile, "profile", false, "serve /debug/pprof")
	fs.BoolVar(&cfg.events, "events", true, "tell what happens to Applications and Kustomizations in Events about them")
	fs.StringVar(&cfg.otlp, "otlp-endpoint", "", "URL of an OpenTelemetry collector that gets traces over HTTP; empty: as OTEL_EXPORTER_OTLP_ENDPOINT says, and without that none are made")
	fs.DurationVar(&cfg.stuckAfter, "stuck-after", 5*time.Minute, "time without progress after which /healthz fails")
	fs.DurationVar(&cfg.lostAfter, "lost-after", time.Minute, "time without an answer of the API server after which /readyz fails")
	fs.BoolVar(&cfg.share.on, "share", false, "share the applications with other replicas by Leases in the namespace of -argocd-namespace; all replicas need it")
	fs.StringVar(&cfg.share.name, "share-name", "", "name of this replica and its Lease, another one for each; empty: made of the host's name and -data")
	fs.StringVar(&cfg.share.address, "share-address", "", "host:port where other replicas reach -listen, to pass on push events; empty: -listen, with the host's name where it names no address")
	fs.DurationVar(&cfg.share.lease, "share-lease", 15*time.Second, "duration of Leases, the same for all replicas: a replica that does not renew loses its applications after that")
	if err := fs.Parse(args); err != nil {
		return cfg, err
	}
	cfg.given = map[string]bool{}
	fs.Visit(func(f *flag.Flag) { cfg.given[f.Name] = true })
	if *showVersion {
		fmt.Println("plumbd", version)
		os.Exit(0)
	}
	if fs.NArg() > 0 {
		return cfg, fmt.Errorf("unexpected argument %q; see plumbd -help", fs.Arg(0))
	}
	switch argo.Tracking(cfg.tracking) {
	case "", argo.TrackByAnnotation, argo.TrackByLabel, argo.TrackByBoth:
	default:
		return cfg, fmt.Errorf("-resource-tracking: %q is none of annotation, label, annotation+label", cfg.tracking)
	}
	if cfg.logFormat != "text" && cfg.logFormat != "json" {
		return cfg, fmt.Errorf("-log-format: %q is neither text nor json", cfg.logFormat)
	}
	return cfg, cfg.share.complete(cfg.data, cfg.listen)
}

func (c config) logger() *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}
