package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// sighting is an object as it was at one time.
type sighting struct {
	target
	uid     string
	content string // everything that a person or plumbd writes
}

func (s *story) see(t target) (sighting, error) {
	obj, err := s.get(t)
	if err != nil {
		return sighting{}, err
	}
	return sighting{target: t, uid: string(obj.GetUID()), content: content(obj)}, nil
}

// content is an object without what controllers of the cluster report about it.
// Times in managedFields stay: a write that changes nothing else shows there.
func content(obj *unstructured.Unstructured) string {
	obj = obj.DeepCopy()
	delete(obj.Object, "status")
	obj.SetResourceVersion("")
	notes := obj.GetAnnotations()
	delete(notes, "deployment.kubernetes.io/revision") // of the Deployment controller, some time later
	obj.SetAnnotations(notes)
	obj.SetManagedFields(slices.DeleteFunc(obj.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		return e.Subresource != "" || e.Manager == "kube-controller-manager"
	}))
	text, _ := json.Marshal(obj.Object)
	return string(text)
}

// remember KIND NAME keeps how an object stands, for unchanged and kept.
func (s *story) remember(c *call) error {
	if err := c.want(2, 2, "remember KIND NAME"); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	seen, err := s.see(t)
	if err != nil {
		return err
	}
	s.seen[t.String()] = seen
	return nil
}

// remembered calls check with every remembered object then and now, or with the
// one that the arguments name.
func (s *story) remembered(c *call, usage string, check func(then, now sighting) error) error {
	if err := c.want(0, 2, usage); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(s.seen))
	if len(c.args) == 2 {
		t, err := s.target(c.args[0], c.args[1])
		if err != nil {
			return err
		}
		names = []string{t.String()}
	}
	if len(names) == 0 {
		return fmt.Errorf("nothing is remembered")
	}
	for _, name := range names {
		then, ok := s.seen[name]
		if !ok {
			return fmt.Errorf("%s is not remembered", name)
		}
		now, err := s.see(then.target)
		if err != nil {
			return err
		}
		if err := check(then, now); err != nil {
			return err
		}
	}
	return nil
}

// unchanged [KIND NAME] checks that nobody wrote to what is remembered.
func (s *story) unchanged(c *call) error {
	return s.remembered(c, "unchanged [KIND NAME]", func(then, now sighting) error {
		if now.uid != then.uid || now.content != then.content {
			return fmt.Errorf("%s was written to:\nthen %s\nnow  %s", then.target, then.content, now.content)
		}
		return nil
	})
}

// kept [KIND NAME] checks that what is remembered is still the same object;
// "! kept KIND NAME" that it was replaced.
func (s *story) kept(c *call) error {
	return s.remembered(c, "[!] kept [KIND NAME]", func(then, now sighting) error {
		if same := now.uid == then.uid; same == c.neg {
			return fmt.Errorf("%s: uid %s then, %s now", then.target, then.uid, now.uid)
		}
		return nil
	})
}

// request is one line of the API server's audit log.
type request struct {
	Verb      string
	UserAgent string
	ObjectRef struct {
		Resource, Subresource, Namespace, Name string
	}
	RequestURI     string
	ResponseStatus struct{ Code int }
	Stage          string

	RequestReceivedTimestamp, StageTimestamp time.Time
}

func (r request) String() string {
	resource := r.ObjectRef.Resource
	if r.ObjectRef.Subresource != "" {
		resource += "/" + r.ObjectRef.Subresource
	}
	if resource == "" {
		resource = r.RequestURI
	}
	return fmt.Sprintf("%s %s %s/%s %d", r.Verb, resource, r.ObjectRef.Namespace, r.ObjectRef.Name, r.ResponseStatus.Code)
}

// audited returns plumbd's completed requests since the last mark that concern
// the story; in a private world that is all of them. Watches are left out.
func (s *story) audited() ([]request, error) { return s.auditedSince(s.auditFrom) }

// auditedSince is audited from an offset of the log.
func (s *story) auditedSince(offset int64) ([]request, error) {
	w, err := s.in()
	if err != nil {
		return nil, err
	}
	text, err := from(w.path("audit.log"), offset)
	if err != nil {
		return nil, err
	}
	var list []request
	for line := range bytes.Lines(text) {
		var r request
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // still being written
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("audit log: %w: %s", err, line)
		}
		if r.Stage != "ResponseComplete" || !strings.HasPrefix(r.UserAgent, "plumbd/") || r.Verb == "watch" {
			continue
		}
		if s.own || belongs(r.ObjectRef.Namespace, r.ObjectRef.Name, s.ns) {
			list = append(list, r)
		}
	}
	return list, nil
}

// mark sets the beginning for requests and for counted writes.
func (s *story) mark(c *call) error {
	w, err := s.in()
	if err != nil {
		return err
	}
	s.auditFrom = size(w.path("audit.log"))
	return c.want(0, 0, "mark")
}

// requests [VERB...] prints plumbd's requests since the last mark, one per line:
// "patch configmaps ns/name 200".
func (s *story) requests(c *call) error {
	list, err := s.audited()
	if err != nil {
		return err
	}
	for _, r := range list {
		if len(c.args) == 0 || slices.Contains(c.args, r.Verb) {
			fmt.Fprintln(c.Stdout(), r)
		}
	}
	return nil
}

// awaitWrites waits until plumbd, or the one of that name if several share the
// work, has written count objects since the last mark.
func (s *story) awaitWrites(name, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	end := time.Now().Add(deadline)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := s.audited()
		if err != nil {
			return err
		}
		written := 0
		for _, r := range list {
			if (r.Verb == "patch" || r.Verb == "delete") && r.ObjectRef.Subresource == "" && r.ObjectRef.Resource != "applications" &&
				(s.world.lease == 0 || r.by() == name) {
				written++
			}
		}
		if written >= n {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("plumbd wrote %d objects within %s, not %d", written, deadline, n)
		}
		<-tick.C
	}
}

// idle [-soon] DURATION watches that long and checks that plumbd asks the API server
// for nothing, replicas for nothing but their Leases; with -soon there has to be such
// a time before the deadline. It is the one command that waits for time.
func (s *story) idle(c *call) error {
	soon := len(c.args) > 0 && c.args[0] == "-soon"
	if soon {
		c.args = c.args[1:]
	}
	if err := c.want(1, 1, "idle [-soon] DURATION"); err != nil {
		return err
	}
	d, err := time.ParseDuration(c.args[0])
	if err != nil {
		return err
	}
	if soon {
		return within(deadline, func() error { return s.requestsIn(d) })
	}
	return s.requestsIn(d)
}

// requestsIn fails if there are requests within the duration.
func (s *story) requestsIn(d time.Duration) error {
	w, err := s.in()
	if err != nil {
		return err
	}
	s.auditFrom = size(w.path("audit.log"))
	<-time.After(d)
	list, err := s.audited()
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(r request) bool { return r.ObjectRef.Resource == "leases" && w.lease > 0 })
	if len(list) > 0 {
		lines := make([]string, len(list))
		for i, r := range list {
			lines[i] = r.String()
		}
		return fmt.Errorf("%d requests within %s:\n%s", len(list), d, tail(strings.Join(lines, "\n"), 20))
	}
	return nil
}
