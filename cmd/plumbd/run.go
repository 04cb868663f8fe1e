package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/deploy/crds"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
	"github.com/plumbline-dev/plumbline/internal/driver/githubapp"
	"github.com/plumbline-dev/plumbline/internal/driver/gitstore"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	"github.com/plumbline-dev/plumbline/internal/driver/livestate"
	"github.com/plumbline-dev/plumbline/internal/driver/otlp"
	"github.com/plumbline-dev/plumbline/internal/driver/packagestore"
	"github.com/plumbline-dev/plumbline/internal/driver/plugin"
	"github.com/plumbline-dev/plumbline/internal/driver/rendercache"
	"github.com/plumbline-dev/plumbline/internal/driver/renderworker"
	"github.com/plumbline-dev/plumbline/internal/engine/fleet"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
	"github.com/plumbline-dev/plumbline/internal/engine/share"
)

// startTimeout bounds the first contact with the API server.
const startTimeout = 2 * time.Minute

func run(ctx context.Context, cfg config) error {
	log := cfg.logger()
	ctrl.SetLogger(logr.FromSlogHandler(quiet(log).Handler()))
	pace()
	restConfig, err := restConfig(cfg.kubeconfig)
	if err != nil {
		return err
	}
	listener, err := listen(cfg.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	counters := newCounters()
	startCtx, cancel := context.WithTimeout(kube.Unfenced(ctx), startTimeout)
	defer cancel()
	w := &wiring{cfg: cfg, log: log, counters: counters, listener: listener, contact: &contact{}}
	restConfig.Wrap(w.contact.transport) // innermost: what never leaves says nothing about the server
	defer w.close()
	if w.tracer, err = newTracer(ctx, w); err != nil {
		return err
	}
	if w.leases, err = newLeases(restConfig, cfg, counters, log); err != nil {
		return err
	}
	w.share = w.newShare()
	connection, err := connect(startCtx, restConfig, cfg, w.kubeOptions())
	if err != nil {
		return err
	}
	if cfg, err = initial(startCtx, connection, cfg); err != nil {
		return err
	}
	w.cfg = cfg
	mgr, err := newManager(restConfig, cfg, counters, w.permit())
	if err != nil {
		return err
	}
	settings := argo.Settings{Namespace: cfg.namespace, Namespaces: cfg.appNamespaces, Tracking: argo.Tracking(cfg.tracking)}
	if cfg.plugins != "" {
		if w.plugins, settings.Plugins, err = plugins(cfg.plugins); err != nil {
			return err
		}
	}
	direct, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return err
	}
	if err := reconcile.EnsureDefaultProject(startCtx, direct, cfg.namespace); err != nil {
		return err
	}
	if settings, err = marking(startCtx, direct, settings); err != nil {
		return err
	}
	w.settings, w.manager, w.kube = settings, mgr, connection
	if err := w.alone(startCtx); err != nil {
		return err
	}
	if err := w.build(); err != nil {
		return err
	}
	log.Info("started", "cluster", connection.Host(), "version", version, "kubernetes", connection.KubeVersion(), "listen", w.address())
	err = mgr.Start(ctx)
	log.Info("stopped")
	return err
}

func (w *wiring) kubeOptions() kube.Options {
	return kube.Options{Observe: w.counters.request, UserAgent: w.cfg.userAgent(), Logger: w.log, Permit: w.permit()}
}

// staleAfter is for how long a watch may have failed before its kind is not known
// any more.
func (w *wiring) staleAfter() time.Duration { return min(w.cfg.silence, time.Minute) }

// restConfig reads the kubeconfig, or what a pod is given.
func restConfig(file string) (*rest.Config, error) {
	if file == "" {
		cfg, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no cluster: not in a pod, and neither -kubeconfig nor KUBECONFIG is set")
		}
		return cfg, nil
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", file, err)
	}
	return cfg, nil
}

// connect reaches the API server, waiting while it starts, and brings the
// definitions of the dialects up to date.
func connect(ctx context.Context, restConfig *rest.Config, cfg config, options kube.Options) (*kube.Cluster, error) {
	var connection *kube.Cluster
	err := until(ctx, 0, func() (bool, error) {
		c, err := kube.Connect(ctx, restConfig, options)
		if err != nil {
			options.Logger.Warn("api server does not answer yet", "err", err)
			return false, nil
		}
		connection = c
		return true, nil
	})
	if err != nil || !cfg.installCRDs {
		return connection, err
	}
	for _, file := range crds.Files() {
		if err := connection.EnsureCRD(ctx, file.Data, "plumbd"); err != nil {
			return nil, fmt.Errorf("installing %s: %w (start with -install-crds=false to leave definitions alone)", file.Name, err)
		}
	}
	return connection, nil
}

func newManager(restConfig *rest.Config, cfg config, counters *counters, permit kube.Permit) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme, sourcev1.AddToScheme, kustomizev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	typed, err := labels.NewRequirement(argo.SecretTypeLabel, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(restConfig)
	config.QPS, config.Burst = -1, 0
	if permit != nil {
		kube.Fence(config, permit)
	}
	config.Wrap(counters.own)
	config.Wrap(kube.EndSilentWatches(cfg.silence))
	config.UserAgent = cfg.userAgent()
	config.WarningHandlerWithContext = rest.NoWarnings{}
	return ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		MapperProvider:         func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return ownKinds(), nil },
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Cache: cache.Options{
			DefaultTransform:            cache.TransformStripManagedFields(),
			ReaderFailOnMissingInformer: true,
			ByObject: map[client.Object]cache.ByObject{
				&v1alpha1.Application{}: {Namespaces: cfg.applicationCaches(), Transform: keepRival},
				&v1alpha1.AppProject{}:  {Namespaces: map[string]cache.Config{cfg.namespace: {}}},
				&corev1.ConfigMap{}: {
					Namespaces: map[string]cache.Config{cfg.namespace: {}},
					Transform:  withoutData,
				},
				&corev1.Secret{}: {
					Label:      labels.NewSelector().Add(*typed),
					Namespaces: map[string]cache.Config{cfg.namespace: {}},
					Transform:  withoutData,
				},
			},
		},
	})
}

// applicationCaches are the namespaces whose Applications are watched: one, or all.
func (c config) applicationCaches() map[string]cache.Config {
	if len(c.appNamespaces) > 0 {
		return map[string]cache.Config{cache.AllNamespaces: {}}
	}
	return map[string]cache.Config{c.namespace: {}}
}

// ownKinds says how the kinds that plumbd itself reads and writes are served. It
// defines most of them, so that there is nothing to discover.
func ownKinds() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, gvk := range []schema.GroupVersionKind{
		v1alpha1.GroupVersion.WithKind(v1alpha1.ApplicationKind), v1alpha1.GroupVersion.WithKind(v1alpha1.AppProjectKind),
		sourcev1.GroupVersion.WithKind(sourcev1.GitRepositoryKind), kustomizev1.GroupVersion.WithKind(kustomizev1.KustomizationKind),
		corev1.SchemeGroupVersion.WithKind("Secret"), corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	} {
		mapper.Add(gvk, meta.RESTScopeNamespace)
		mapper.Add(gvk.GroupVersion().WithKind(gvk.Kind+"List"), meta.RESTScopeNamespace) // caches ask for lists by their own kind
	}
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	return mapper
}

// keepRival keeps of the managed fields of Applications what tells of another engine.
func keepRival(obj any) (any, error) {
	if a, ok := obj.(*v1alpha1.Application); ok {
		argo.KeepRival(a)
	}
	return obj, nil
}

// withoutData keeps the fact that a repository Secret changed, and not its content.
func withoutData(obj any) (any, error) {
	switch obj := obj.(type) {
	case *corev1.Secret:
		obj.Data, obj.StringData, obj.ManagedFields = nil, nil, nil
	case *corev1.ConfigMap:
		obj.Data, obj.BinaryData, obj.ManagedFields = nil, nil, nil
	}
	return obj, nil
}

// wiring holds the parts of a running server.
type wiring struct {
	cfg      config
	log      *slog.Logger
	counters *counters
	settings argo.Settings
	manager  manager.Manager
	kube     *kube.Cluster
	listener net.Listener
	leases   *kube.Leases
	contact  *contact
	tracer   *otlp.Tracer // nil: nobody listens
	health   *health
	share    *share.Share // nil: everything is ours
	changed  func(context.Context, share.Change)

	store    *gitstore.Store
	packages *packagestore.Store
	live     memory // of the engine's own cluster
	registry *fleet.Registry
	remotes  remotes
	pool     *renderworker.Pool
	plugins  *plugin.Renderer // nil: there are none
	memo     *render.Memo
	http     *httpServer
}

func (w *wiring) close() {
	w.closeTracer()
	if w.registry != nil {
		w.registry.Close()
	}
	if w.live != nil {
		w.live.Close()
	}
	if w.pool != nil {
		w.pool.Close()
	}
	if w.plugins != nil {
		w.plugins.Close()
	}
	if w.store != nil {
		if err := w.store.Close(); err != nil {
			w.log.Warn("object store not closed", "err", err)
		}
	}
}

func (w *wiring) address() string { return w.http.address() }

// build makes every part and registers what runs with the manager.
func (w *wiring) build() error {
	var err error
	if w.store, err = gitstore.Open(filepath.Join(w.cfg.data, "git"), gitstore.Options{Logger: w.log}); err != nil {
		return err
	}
	if w.packages, err = packagestore.Open(filepath.Join(w.cfg.data, "packages"), packagestore.Options{Logger: w.log}); err != nil {
		return err
	}
	if err := w.renderers(); err != nil {
		return err
	}
	var control *reconcile.Controller
	repositoryEvents := make(chan event.GenericEvent, 256)
	secrets := refresh.Secrets{Reader: w.manager.GetAPIReader(), Namespace: w.cfg.namespace}
	poller := refresh.New(repositories{w.store, w.packages, &githubapp.Tokens{}}, secrets, refresh.Options{Interval: w.cfg.poll, Logger: w.log, Trace: w.fetches()}, func(news []refresh.News) {
		var readers, objects []refresh.News
		for _, n := range news {
			if n.Reader.Kind != sourcev1.GitRepositoryKind {
				readers = append(readers, n)
				continue
			}
			control.Announced(context.Background(), n)
			objects = append(objects, n)
		}
		control.Revised(context.Background(), readers)
		for _, n := range objects {
			repositoryEvents <- event.GenericEvent{Object: &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: n.Reader.Namespace, Name: n.Reader.Name}}}
		}
	})
	wake := func(id app.ID) { control.Enqueue(id) }
	home := w.observed(w.kube, app.Cluster{}, wake)
	w.live = home.live
	w.registry = fleet.NewRegistry(home, argo.InCluster, w.dial(wake), wake, w.log)
	credentials := &renewal{poller: poller, registry: w.registry, secrets: secrets}
	config := &settings{
		reader: w.manager.GetAPIReader(), namespace: w.cfg.namespace, log: w.log, config: argo.DecodeConfig(nil),
		changed: func() { control.EnqueueApplications(context.Background()) },
	}
	busy := func() bool { return control.Busy() }
	teller := w.newTeller(busy)
	w.counters.told(teller)
	reconciler := reconcile.New(map[string]reconcile.Dialect{
		v1alpha1.ApplicationKind:      &reconcile.Applications{Client: w.manager.GetClient(), Direct: w.manager.GetAPIReader(), Settings: w.settings, Clusters: w.registry, Config: config.current},
		kustomizev1.KustomizationKind: &reconcile.Kustomizations{Client: w.manager.GetClient(), Direct: w.manager.GetAPIReader()},
	}, w.registry, poller, renders{Memo: w.memo, tools: w.toolchain()}, reconcile.Options{Logger: w.log, Recorder: recorder{w.counters, w.tracer}, PruneLimit: w.cfg.pruneLimit, TakeOver: w.cfg.takeOver, Busy: busy, Tell: telling(teller)})
	control = reconcile.NewController(reconciler, w.cfg.workers)
	if w.share != nil {
		control.Share(w.share)
		w.changed = w.rebalanced(control, repositoryEvents)
		if err := w.manager.Add(w.share); err != nil {
			return err
		}
	}
	if err := control.Start(w.manager, w.settings, config.gives); err != nil {
		return err
	}
	if err := config.read(context.Background()); err != nil {
		w.log.Warn("settings not read", "err", err)
	}
	if err := credentials.register(context.Background()); err != nil {
		w.log.Warn("no registered cluster is known", "err", err)
	}
	for _, obj := range []client.Object{&v1alpha1.Application{}, &v1alpha1.AppProject{}, &sourcev1.GitRepository{}, &kustomizev1.Kustomization{}} {
		if _, err := w.manager.GetCache().GetInformer(context.Background(), obj, cache.BlockUntilSynced(false)); err != nil {
			return err
		}
	}
	w.counters.observe(w, w.memo, poller)
	w.counters.shared(w.share, func() float64 { return float64(reconciler.Kept()) })
	w.health = &health{
		pulse: control.Pulse, stuck: w.cfg.stuckAfter, contact: w.contact, lost: w.cfg.lostAfter,
		synced: w.manager.GetCache().WaitForCacheSync, pending: func() int { return len(w.live.Pending()) },
	}
	w.counters.held(reconciler)
	w.http = newHTTPServer(w, poller)
	for _, runnable := range []manager.Runnable{manager.RunnableFunc(poller.Run), w.http, w.definitions(home), w.health.sample(), scavenge()} {
		if err := w.manager.Add(runnable); err != nil {
			return err
		}
	}
	if teller != nil {
		if err := w.manager.Add(teller); err != nil {
			return err
		}
	}
	return w.controllers(poller, credentials, config, repositoryEvents)
}

// definitions keeps watching CustomResourceDefinitions, whoever changes them.
func (w *wiring) definitions(c *cluster) manager.Runnable {
	return manager.RunnableFunc(c.keepDefinitions)
}

func (c *cluster) keepDefinitions(ctx context.Context) error {
	return until(ctx, 0, func() (bool, error) { return c.watchDefinitions(ctx) == nil, nil })
}

func (w *wiring) controllers(poller *refresh.Poller, credentials *renewal, config *settings, events chan event.GenericEvent) error {
	git := &refresh.GitRepositories{Client: w.manager.GetClient(), Poller: poller}
	if w.share != nil {
		git.Shares = w.share
	}
	err := builder.ControllerManagedBy(w.manager).Named("gitrepositories").
		For(&sourcev1.GitRepository{}).
		WatchesRawSource(source.Channel(events, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 4,
			// Kustomizations wait for what it reports.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](200*time.Millisecond, 10*time.Second),
		}).
		Complete(git)
	if err != nil {
		return err
	}
	err = builder.ControllerManagedBy(w.manager).Named("settings").For(&corev1.ConfigMap{}, builder.WithPredicates(predicate.NewPredicateFuncs(isSetting))).Complete(config)
	if err != nil {
		return err
	}
	return builder.ControllerManagedBy(w.manager).Named("credentials").
		For(&corev1.Secret{}).
		Complete(credentials)
}

// owners names the applications that an object's marks point to.
func (w *wiring) owners(m livestate.Metadata) []string {
	var list []string
	if id, ok := w.settings.Owner(m.Key, m.Labels.All(), m.Annotations.All()); ok {
		list = append(list, owner(id))
	}
	if id, ok := flux.Owner(m.Labels.All()); ok {
		list = append(list, owner(id))
	}
	return list
}

func (w *wiring) renderers() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("render workers: %w", err)
	}
	w.pool = renderworker.New(renderworker.Options{Command: []string{self, workerCommand}})
	w.memo = render.NewMemo(render.MemoOptions{Codec: rendercache.New()})
	return nil
}

// toolchain renders plain directories here and the rest in workers.
func (w *wiring) toolchain() render.Tools {
	tools := render.Tools{render.Directory: render.DirectoryRenderer{Elsewhere: w.pool}, render.Kustomize: w.pool, render.Helm: w.pool}
	if w.plugins != nil {
		tools[render.Plugin] = w.plugins
	}
	return tools
}

// quiet keeps the library's chatter out of the log below warnings.
func quiet(log *slog.Logger) *slog.Logger {
	return slog.New(levelled{log.Handler(), slog.LevelWarn})
}

// levelled is a handler with a level of its own.
type levelled struct {
	slog.Handler
	least slog.Level
}

// Enabled implements slog.Handler.
func (l levelled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= l.least && l.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (l levelled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelled{l.Handler.WithAttrs(attrs), l.least}
}

// WithGroup implements slog.Handler.
func (l levelled) WithGroup(name string) slog.Handler {
	return levelled{l.Handler.WithGroup(name), l.least}
}
