// Package livetest serves the list and watch protocol of Kubernetes from
// memory, for tests.
//
// In go objects and faults; out come lists, watches with streamed initial
// states, bookmarks, expired versions and whatever else a test asks to go
// wrong. It checks nothing about objects and never runs in production.
package livetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Server is an API server that only lists and watches.
type Server struct {
	http *httptest.Server

	mu        sync.Mutex
	version   int
	floor     int // versions before it are expired
	kinds     map[schema.GroupVersionResource]schema.GroupVersionKind
	objects   map[schema.GroupVersionResource]map[string]*unstructured.Unstructured
	history   []event
	changed   chan struct{}
	cut       chan struct{}
	requests  []Request
	watching  map[string]int
	interfere func(Request) Fault
}

type event struct {
	kind     string
	resource schema.GroupVersionResource
	version  int
	object   *unstructured.Unstructured // nil for a bookmark to all
}

// Request is what the server was asked.
type Request struct {
	Verb     string // "list" or "watch"
	Resource string
	Initial  bool   // a watch that asks for the initial state
	Version  string // resourceVersion
	Continue string
	Metadata bool // only metadata was asked for
	Call     int  // how many requests for this resource came before
}

// Fault is what goes wrong with one request. The zero value is nothing.
type Fault struct {
	Status       int // answer with this HTTP status and reason
	Reason       metav1.StatusReason
	RetryAfter   int    // seconds
	Body         string // answer 200 with this text instead
	Hang         bool   // answer nothing until the client gives up
	CutAfter     int    // break the connection after so many bytes
	EndAfter     int    // end the watch cleanly after so many events
	NoInitialEnd bool   // leave out the bookmark that ends the initial state
	Event        string // send this text as an event at once
}

// New returns a running server. Close it.
func New() *Server {
	s := &Server{
		version:   1000,
		kinds:     map[schema.GroupVersionResource]schema.GroupVersionKind{},
		objects:   map[schema.GroupVersionResource]map[string]*unstructured.Unstructured{},
		changed:   make(chan struct{}),
		cut:       make(chan struct{}),
		watching:  map[string]int{},
		interfere: func(Request) Fault { return Fault{} },
	}
	s.http = httptest.NewServer(s)
	return s
}

// Close ends all requests.
func (s *Server) Close() {
	s.Disconnect()
	s.http.CloseClientConnections()
	s.http.Close()
}

// Client returns a client of the server.
func (s *Server) Client() rest.Interface {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	client, err := rest.UnversionedRESTClientForConfigAndClient(&rest.Config{
		Host:          s.http.URL,
		QPS:           -1,
		ContentConfig: rest.ContentConfig{NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion()},
	}, s.http.Client())
	if err != nil {
		panic(err)
	}
	return client
}

// Serve makes a kind known; requests for others are answered with 404.
func (s *Server) Serve(gvr schema.GroupVersionResource, gvk schema.GroupVersionKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds[gvr] = gvk
	if s.objects[gvr] == nil {
		s.objects[gvr] = map[string]*unstructured.Unstructured{}
	}
}

// Withdraw makes a kind unknown and ends its watches. Its objects stay.
func (s *Server) Withdraw(gvr schema.GroupVersionResource) {
	s.mu.Lock()
	delete(s.kinds, gvr)
	s.mu.Unlock()
	s.Disconnect()
}

// Interfere asks fault what goes wrong with each request from now on.
func (s *Server) Interfere(fault func(Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interfere = fault
}

// Put stores a copy of obj with a new resource version, tells the watches and
// returns it. It keeps the UID of an object that exists.
func (s *Server) Put(gvr schema.GroupVersionResource, obj *unstructured.Unstructured) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(gvr, obj, true)
}

// PutSilently is Put without telling the watches, as when an event is lost.
func (s *Server) PutSilently(gvr schema.GroupVersionResource, obj *unstructured.Unstructured) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(gvr, obj, false)
}

func (s *Server) put(gvr schema.GroupVersionResource, obj *unstructured.Unstructured, tell bool) *unstructured.Unstructured {
	obj = obj.DeepCopy()
	s.version++
	key, kind := obj.GetNamespace()+"/"+obj.GetName(), "ADDED"
	if old, ok := s.objects[gvr][key]; ok {
		kind = "MODIFIED"
		obj.SetUID(old.GetUID())
	} else {
		obj.SetUID(uidOf(s.version))
	}
	obj.SetGroupVersionKind(s.kinds[gvr])
	obj.SetResourceVersion(strconv.Itoa(s.version))
	s.objects[gvr][key] = obj
	if tell {
		s.tell(event{kind: kind, resource: gvr, version: s.version, object: obj})
	}
	return obj.DeepCopy()
}

// Delete removes an object and tells the watches.
func (s *Server) Delete(gvr schema.GroupVersionResource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone := s.remove(gvr, namespace, name); gone != nil {
		s.tell(event{kind: "DELETED", resource: gvr, version: s.version, object: gone})
	}
}

// DeleteSilently is Delete without telling the watches.
func (s *Server) DeleteSilently(gvr schema.GroupVersionResource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(gvr, namespace, name)
}

func (s *Server) remove(gvr schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	key := namespace + "/" + name
	obj, ok := s.objects[gvr][key]
	if !ok {
		return nil
	}
	delete(s.objects[gvr], key)
	s.version++
	obj = obj.DeepCopy()
	obj.SetResourceVersion(strconv.Itoa(s.version))
	return obj
}

// Bookmark tells all watches how far they are.
func (s *Server) Bookmark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(event{kind: "BOOKMARK", version: s.version})
}

// Compact expires all versions before the present one.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.floor = s.version
}

// Rewind sets the resource version back, as a restored backup does. No object
// keeps a newer one.
func (s *Server) Rewind(version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.floor, s.history = version, 0, nil
	for _, objects := range s.objects {
		for key, obj := range objects {
			obj = obj.DeepCopy()
			obj.SetResourceVersion(strconv.Itoa(version))
			objects[key] = obj
		}
	}
}

// Disconnect breaks all open watches.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.cut)
	s.cut = make(chan struct{})
}

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Watching returns the number of open watches of a resource.
func (s *Server) Watching(resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watching[resource]
}

// tell appends to the history; s.mu is held.
func (s *Server) tell(e event) {
	s.history = append(s.history, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) sorted(gvr schema.GroupVersionResource) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, key := range slices.Sorted(maps.Keys(s.objects[gvr])) {
		out = append(out, s.objects[gvr][key])
	}
	return out
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	gvr, ok := resourceOf(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	query := r.URL.Query()
	req := Request{
		Verb:     "list",
		Resource: gvr.Resource,
		Version:  query.Get("resourceVersion"),
		Continue: query.Get("continue"),
		Metadata: strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"),
	}
	if query.Get("watch") == "true" {
		req.Verb, req.Initial = "watch", query.Get("sendInitialEvents") == "true"
	}
	s.mu.Lock()
	for _, earlier := range s.requests {
		if earlier.Resource == req.Resource {
			req.Call++
		}
	}
	s.requests = append(s.requests, req)
	fault := s.interfere(req)
	_, known := s.kinds[gvr]
	s.mu.Unlock()

	switch {
	case fault.Hang:
		<-r.Context().Done()
	case fault.Status != 0:
		if fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(fault.RetryAfter))
		}
		writeStatus(w, fault.Status, fault.Reason)
	case fault.Body != "":
		fmt.Fprint(w, fault.Body)
	case !known:
		http.NotFound(w, r)
	case req.Verb == "list":
		s.list(&cutter{ResponseWriter: w, left: fault.CutAfter}, r, gvr, req)
	default:
		s.watch(&cutter{ResponseWriter: w, left: fault.CutAfter}, r, gvr, req, fault)
	}
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, gvr schema.GroupVersionResource, req Request) {
	s.mu.Lock()
	all := s.sorted(gvr)
	version, gvk := s.version, s.kinds[gvr]
	s.mu.Unlock()
	from, at := 0, version
	if req.Continue != "" {
		if _, err := fmt.Sscanf(req.Continue, "%d-%d", &from, &at); err != nil {
			writeStatus(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
			return
		}
	}
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit == 0 {
		limit = len(all)
	}
	to := min(len(all), from+limit)
	metadata := map[string]any{"resourceVersion": strconv.Itoa(at)}
	if to < len(all) {
		metadata["continue"] = fmt.Sprintf("%d-%d", to, at)
	}
	items := []any{}
	for _, obj := range all[min(from, to):to] {
		item := shape(obj, req.Metadata)
		if !req.Metadata {
			delete(item, "apiVersion") // as lists of built-in kinds are
			delete(item, "kind")
		}
		items = append(items, item)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind + "List", "metadata": metadata, "items": items,
	})
}

func uidOf(n int) types.UID {
	return types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
}
