package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
	"github.com/plumbline-dev/plumbline/internal/engine/share"
)

// counters are the server's metrics.
type counters struct {
	registry *prometheus.Registry
	process  *prometheus.Registry // what the runtime and the system count
	requests *prometheus.CounterVec
	stages   *prometheus.HistogramVec
	steps    *prometheus.CounterVec
	found    prometheus.Counter
	repaired prometheus.Counter
	broken   *prometheus.CounterVec
}

func newCounters() *counters {
	c := &counters{
		registry: prometheus.NewRegistry(),
		process:  prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumb_api_requests_total", Help: "Requests to API servers by verb, resource and status code.",
		}, []string{"verb", "resource", "code"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plumb_reconcile_duration_seconds", Help: "Time of each stage of a reconcile.",
			Buckets: []float64{.0005, .001, .005, .02, .1, .5, 2, 10, 60},
		}, []string{"phase", "outcome"}),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumb_sync_steps_total", Help: "Steps of plans that were run.",
		}, []string{"action", "outcome"}),
		found: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plumb_drift_found_total", Help: "Objects in sync that others changed.",
		}),
		repaired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plumb_drift_repaired_total", Help: "Objects changed by others and put back.",
		}),
		broken: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumb_watch_interruptions_total", Help: "Watches of target objects that failed or ended before their time, by kind.",
		}, []string{"kind"}),
	}
	c.registry.MustRegister(c.requests, c.stages, c.steps, c.found, c.repaired, c.broken)
	runtime := []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
	c.process.MustRegister(runtime...)
	for _, twice := range runtime { // the controllers' library counts the same
		metrics.Registry.Unregister(twice)
	}
	return c
}

// observe adds what is read when metrics are asked for.
func (c *counters) observe(w *wiring, memo *render.Memo, poller *refresh.Poller) {
	gauge := func(name, help string, value func() float64) {
		c.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("plumb_live_objects", "Live objects kept in memory.", func() float64 { return w.remotes.sum(w.live, memory.Count) })
	gauge("plumb_live_bytes", "Memory of live objects.", func() float64 {
		return w.remotes.sum(w.live, func(s memory) int { return int(s.Stats().Bytes) })
	})
	gauge("plumb_render_cache_bytes", "Memory of remembered renders.", func() float64 { return float64(memo.Stats().Bytes) })
	renders := func(outcome string, value func() float64) {
		c.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "plumb_render_cache_requests_total", Help: "Renders answered from memory (hit) and made (miss).",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}, value))
	}
	renders("hit", func() float64 { return float64(memo.Stats().Hits) })
	renders("miss", func() float64 { return float64(memo.Stats().Misses) })
	gauge("plumb_source_age_seconds", "Time since the last successful poll of the repository that waits longest.", func() float64 {
		longest := time.Duration(0)
		for _, age := range poller.Ages(time.Now()) {
			longest = max(longest, age)
		}
		return longest.Seconds()
	})
}

// held adds how many prunes wait for a person.
func (c *counters) held(r *reconcile.Reconciler) {
	c.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "plumb_prunes_held", Help: "Objects that left their source and stay until a person confirms their deletion.",
	}, func() float64 { return float64(r.Held()) }))
}

func (c *counters) request(verb, resource string, code int, _ time.Duration) {
	c.requests.WithLabelValues(verb, resource, strconv.Itoa(code)).Inc()
}

// own counts the requests about the users' objects that declare applications.
func (c *counters) own(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		code := 0
		if resp != nil {
			code = resp.StatusCode
		}
		verb := strings.ToLower(r.Method)
		if r.URL.Query().Get("watch") != "" {
			verb = "watch"
		}
		c.requests.WithLabelValues(verb, "(declarations)", strconv.Itoa(code)).Inc()
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Begin implements reconcile.Recorder.
func (c *counters) Begin(ctx context.Context, _ app.ID, stage string) (context.Context, func(error)) {
	started := time.Now()
	return ctx, func(err error) {
		c.stages.WithLabelValues(stage, outcome(err)).Observe(time.Since(started).Seconds())
	}
}

// Drift implements reconcile.Recorder.
func (c *counters) Drift(found, repaired int) {
	c.found.Add(float64(found))
	c.repaired.Add(float64(repaired))
}

// interrupted counts a watch that ended before its time.
func (c *counters) interrupted(gk schema.GroupKind) { c.broken.WithLabelValues(gk.String()).Inc() }

// shared adds how this replica stands among all, and the applications that it
// owns.
func (c *counters) shared(part *share.Share, owned func() float64) {
	gauge := func(name, help string, value func() float64) {
		c.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("plumb_applications_owned", "Applications and Kustomizations that are this replica's to keep.", owned)
	if part == nil {
		return
	}
	gauge("plumb_share_members", "Replicas that divide the work, as this one sees them.", func() float64 { return float64(part.Standing().Members) })
	gauge("plumb_share_lease_valid", "1 while this replica may write.", func() float64 {
		if part.Standing().Writes {
			return 1
		}
		return 0
	})
}

// handler answers with our metrics, those of the queues, which the controllers'
// library counts, and those of the process, or with the families that the
// parameters name[] name: to ask for a few costs little.
func (c *counters) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opts := promhttp.HandlerOpts{DisableCompression: true} // a compressor holds more than a megabyte
		promhttp.HandlerFor(c.gatherer(r.URL.Query()["name[]"]), opts).ServeHTTP(w, r)
	})
}

func (c *counters) gatherer(names []string) prometheus.Gatherer {
	wanted := func(prefixes ...string) bool {
		return len(names) == 0 || slices.ContainsFunc(names, func(name string) bool {
			return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		})
	}
	list := prometheus.Gatherers{c.registry}
	if wanted("workqueue_") {
		list = append(list, queues)
	}
	if wanted("go_", "process_") {
		list = append(list, c.process)
	}
	return list
}

var queues = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
	all, err := metrics.Registry.Gather()
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return !strings.HasPrefix(f.GetName(), "workqueue_") }), err
})

// Step implements reconcile.Recorder.
func (c *counters) Step(action plan.Action, err error) {
	c.steps.WithLabelValues(string(action), outcome(err)).Inc()
}

func outcome(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}
