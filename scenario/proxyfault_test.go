package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mode is a way to misbehave: the code of a status, or a key of modes.
type mode string

// fault says what goes wrong with which calls of plumbd.
type fault struct {
	mode mode

	verb, resource, namespace, name string                // empty is any; the verb "write" is every one that changes something
	story                           string                // only calls that belong to it
	further                         bool                  // only the pages of a list after its first
	group                           string                // of the API, for what is wrong with discovery
	skip, times                     int                   // matching calls that pass first, and that fail then; 0: all
	every                           int                   // fails one call of so many; 0 or 1: each
	hold                            func(context.Context) // called with the call's context, and the call waits for it

	seen int // matching calls so far; guarded by proxy.mu
}

// about reports whether a fault concerns a call.
func (f *fault) about(c apiCall) bool {
	verb := f.verb == "" || f.verb == c.verb || f.verb == "write" && c.writes()
	resource := f.resource == "" || f.resource == c.resource || f.resource == c.resource+"."+c.group
	story := f.story == "" || belongs(c.namespace, c.name, f.story)
	page := !f.further || c.params.Get("continue") != ""
	return verb && resource && story && page && (f.namespace == "" || f.namespace == c.namespace) && (f.name == "" || f.name == c.name) &&
		f.mode.concerns(c)
}

// concerns reports whether a mode makes sense for a call.
func (m mode) concerns(c apiCall) bool {
	switch m {
	case "gone":
		return c.verb == "watch" && c.params.Get("resourceVersion") != ""
	case "freeze":
		return c.verb == "watch"
	case "unstreamed":
		return c.params.Get("sendInitialEvents") != ""
	case "missing", "unavailable":
		return c.resource == "/apis"
	}
	return true
}

// meet returns the fault that a call runs into.
func (p *proxy) meet(c apiCall) *fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	var met *fault
	for _, f := range p.faults {
		if !f.about(c) {
			continue
		}
		f.seen++
		if met == nil && f.due() {
			met = f
		}
	}
	return met
}

// due reports whether the call that was seen last is one that fails.
func (f *fault) due() bool {
	n := f.seen - f.skip - 1
	return n >= 0 && (f.times == 0 || n < f.times) && n%max(1, f.every) == 0
}

// begin makes a fault happen from now on. Open watches that it is about end, so
// that it meets the next ones.
func (p *proxy) begin(f *fault) {
	p.mu.Lock()
	p.faults = append(p.faults, f)
	p.mu.Unlock()
	if f.story == "" && (f.verb == "" || f.verb == "watch") {
		p.closeWatches(f)
	}
}

// end lets everything pass again. What was frozen stays frozen.
func (p *proxy) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// exchange is a call that runs into a fault.
type exchange struct {
	proxy *proxy
	fault *fault
	call  *apiCall
	w     http.ResponseWriter
	r     *http.Request
	body  []byte
}

// modes are the ways to misbehave beside answering with a status.
var modes = map[mode]func(*exchange){
	"reset":       func(*exchange) { panic(http.ErrAbortHandler) },
	"lost":        func(x *exchange) { x.ask(); panic(http.ErrAbortHandler) },
	"late":        func(x *exchange) { x.ask(); <-x.r.Context().Done() },
	"hang":        func(x *exchange) { <-x.r.Context().Done() },
	"truncate":    truncate,
	"duplicate":   duplicate,
	"gone":        answerGone,
	"freeze":      freeze,
	"unstreamed":  refuseStream,
	"missing":     editGroups,
	"unavailable": editGroups,
	"closed":      func(x *exchange) { x.proxy.closeWatches(&fault{}); x.pass() },
	"expired":     func(x *exchange) { x.proxy.begin(&fault{mode: "gone", verb: "watch", times: 20}); x.pass() },
	"hold":        func(x *exchange) { x.fault.hold(x.r.Context()); panic(http.ErrAbortHandler) },
	"holdlost":    func(x *exchange) { x.ask(); x.fault.hold(x.r.Context()); panic(http.ErrAbortHandler) },
}

// ask asks the API server.
func (x *exchange) ask() (*http.Response, []byte) {
	res, answer, err := x.proxy.send(x.r, x.body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x.call.answered(res, answer)
	return res, answer
}

// pass does what the proxy does without a fault.
func (x *exchange) pass() {
	res, answer := x.ask()
	reply(x.w, res, answer)
}

func truncate(x *exchange) {
	res, answer := x.ask()
	for name, values := range res.Header {
		x.w.Header()[name] = values
	}
	x.w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	x.w.WriteHeader(res.StatusCode)
	_, _ = x.w.Write(answer[:len(answer)/2])
	panic(http.ErrAbortHandler)
}

// duplicate sends a call twice, as a broken load balancer does.
func duplicate(x *exchange) {
	x.ask()
	first := x.call.code
	res, answer := x.ask()
	if x.call.code == http.StatusOK {
		x.call.code = first // what the call as a whole did
	}
	reply(x.w, res, answer)
}

// reasons are what the API server says beside a code.
var reasons = map[int]metav1.StatusReason{
	401: metav1.StatusReasonUnauthorized, 403: metav1.StatusReasonForbidden, 409: metav1.StatusReasonConflict, 410: metav1.StatusReasonExpired,
	422: metav1.StatusReasonInvalid, 429: metav1.StatusReasonTooManyRequests, 500: metav1.StatusReasonInternalError, 503: metav1.StatusReasonServiceUnavailable,
}

func status(code int) []byte {
	text, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reasons[code], Message: fmt.Sprintf("injected: %s", http.StatusText(code)),
	})
	return text
}

func answerStatus(x *exchange) {
	code, err := strconv.Atoi(string(x.fault.mode))
	if err != nil {
		panic(fmt.Sprintf("no such fault: %q", x.fault.mode))
	}
	x.w.Header().Set("Content-Type", "application/json")
	if code == http.StatusTooManyRequests {
		x.w.Header().Set("Retry-After", "1")
	}
	x.w.WriteHeader(code)
	_, _ = x.w.Write(status(code))
}

func refuseStream(x *exchange) {
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(http.StatusUnprocessableEntity)
	_, _ = x.w.Write(status(http.StatusUnprocessableEntity))
}

// answerGone tells a watch that what it wants to continue from is compacted.
func answerGone(x *exchange) {
	x.w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(x.w, `{"type":"ERROR","object":%s}`+"\n", status(http.StatusGone))
}

// freeze answers a watch and then never says anything.
func freeze(x *exchange) {
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(http.StatusOK)
	x.w.(http.Flusher).Flush()
	<-x.proxy.opened(x.r.Context(), *x.call).Done()
}

// editGroups leaves a group out of what the API server serves, or says that it
// does not answer.
func editGroups(x *exchange) {
	res, answer := x.ask()
	var doc struct {
		Kind       string           `json:"kind"`
		APIVersion string           `json:"apiVersion"`
		Metadata   map[string]any   `json:"metadata"`
		Items      []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(answer, &doc); err != nil || doc.Kind != "APIGroupDiscoveryList" {
		panic(http.ErrAbortHandler)
	}
	named := func(item map[string]any) bool {
		meta, _ := item["metadata"].(map[string]any)
		return meta["name"] == x.fault.group
	}
	if x.fault.mode == "missing" {
		doc.Items = slices.DeleteFunc(doc.Items, named)
	}
	for _, item := range doc.Items {
		versions, _ := item["versions"].([]any)
		for _, v := range versions {
			if version, ok := v.(map[string]any); ok && named(item) {
				version["freshness"], version["resources"] = "Stale", nil
			}
		}
	}
	answer, _ = json.Marshal(doc)
	res.Header.Del("Etag")
	reply(x.w, res, answer)
}

// faultAPI makes the API server misbehave towards plumbd: fault api MODE
// [verb=V] [resource=R] [name=N] [group=G] [pages=further] [skip=N] [times=N].
// "fault api off" ends all of that, and "fault api close" ends watches once.
func (s *story) faultAPI(c *call) error {
	const usage = "fault api MODE [verb=V] [resource=R] [name=N] [group=G] [pages=further] [skip=N] [times=N]"
	if err := c.want(1, 8, usage); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	if w.proxy == nil {
		return fmt.Errorf("nothing stands between plumbd and the API server: begin with private -faults")
	}
	f := &fault{mode: mode(c.args[0])}
	for _, pair := range c.args[1:] {
		key, value, _ := strings.Cut(pair, "=")
		var err error
		switch key {
		case "verb":
			f.verb = value
		case "resource":
			f.resource = value
		case "name":
			f.name = value
		case "group":
			f.group = value
		case "pages":
			f.further = value == "further"
		case "skip":
			f.skip, err = strconv.Atoi(value)
		case "times":
			f.times, err = strconv.Atoi(value)
		default:
			return fmt.Errorf("usage: %s", usage)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", pair, err)
		}
	}
	switch _, known := modes[f.mode]; {
	case f.mode == "off":
		w.proxy.end()
	case f.mode == "close":
		f.mode = ""
		w.proxy.closeWatches(f)
	case known || reasonable(f.mode):
		w.proxy.begin(f)
	default:
		return fmt.Errorf("%q is no fault; usage: %s", f.mode, usage)
	}
	return nil
}

func reasonable(m mode) bool {
	code, err := strconv.Atoi(string(m))
	return err == nil && reasons[code] != ""
}

// met MODE [COUNT] waits until plumbd has run into a fault so often.
func (s *story) met(c *call) error {
	if err := c.want(1, 2, "met MODE [COUNT]"); err != nil {
		return err
	}
	want := 1
	if len(c.args) == 2 {
		var err error
		if want, err = strconv.Atoi(c.args[1]); err != nil {
			return err
		}
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	return within(deadline, func() error {
		w.proxy.mu.Lock()
		defer w.proxy.mu.Unlock()
		n := 0
		for _, call := range w.proxy.calls {
			if call.injected == mode(c.args[0]) {
				n++
			}
		}
		if n < want {
			return fmt.Errorf("plumbd met %q %d times, not %d", c.args[0], n, want)
		}
		return nil
	})
}

// goroutines [back] remembers how many goroutines plumbd has; with back it waits
// until there are about as many again. plumbd has to run with -profile.
func (s *story) goroutines(c *call) error {
	back := c.flag("back")
	if err := c.want(0, 0, "goroutines [back]"); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	return within(deadline, func() error {
		count, text, err := w.goroutines()
		if err != nil {
			return err
		}
		if !back {
			s.set(c, "GOROUTINES", strconv.Itoa(count))
			return nil
		}
		before, err := strconv.Atoi(s.env["GOROUTINES"])
		if err != nil {
			return final{fmt.Errorf("nothing is remembered")}
		}
		if count > before+before/10 {
			return fmt.Errorf("%d goroutines, where there were %d:\n%s", count, before, text)
		}
		return nil
	})
}

// goroutines asks plumbd how many goroutines it has, and what they do.
func (w *world) goroutines() (int, string, error) {
	text, err := w.fetch("/debug/pprof/goroutine?debug=1")
	if err != nil {
		return 0, "", err
	}
	count := 0
	if _, err := fmt.Sscanf(text, "goroutine profile: total %d", &count); err != nil {
		return 0, "", final{fmt.Errorf("%w: %s", err, tail(text, 3))}
	}
	return count, text, nil
}

// fetch reads what plumbd serves at a path.
func (w *world) fetch(path string) (string, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + w.replicas["plumbd"].listen + path)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// meddle KIND NAME path=value COUNT changes an object every second, COUNT times,
// as a controller does that wants it otherwise.
func (s *story) meddle(c *call) error {
	if err := c.want(4, 4, "meddle KIND NAME path=value COUNT"); err != nil {
		return err
	}
	count, err := strconv.Atoi(c.args[3])
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range count {
		<-tick.C
		if err := s.edit(&call{TestScript: c.TestScript, args: slices.Concat([]string{"-as", "meddler"}, c.args[:3])}); err != nil {
			return err
		}
	}
	return nil
}
