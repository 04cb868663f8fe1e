package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/engine/fleet"
)

var (
	widgets = schema.GroupVersion{Group: "example.com", Version: "v1"}
	older   = schema.GroupVersion{Group: "example.com", Version: "v1beta1"}
	gadgets = schema.GroupVersion{Group: "other.example.com", Version: "v1"}
)

// documents serves one kind per group version and counts how often it is asked.
type documents struct {
	mu    sync.Mutex
	asked []string
	bad   map[schema.GroupVersion]string // served in place of a document
	err   error
}

func (d *documents) Document(_ context.Context, gv schema.GroupVersion) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, gv.String())
	if d.err != nil {
		return nil, d.err
	}
	if text, ok := d.bad[gv]; ok {
		return []byte(text), nil
	}
	return fmt.Appendf(nil, `{"components":{"schemas":{"com.example.%s.Thing":{"type":"object",
		"properties":{"apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"},"spec":{"type":"object"}},
		"x-kubernetes-group-version-kind":[{"group":%q,"version":%q,"kind":"Thing"}]}}}}`, gv.Version, gv.Group, gv.Version), nil
}

func (d *documents) want(t *testing.T, reason string, asked ...string) {
	t.Helper()
	if diff := cmp.Diff(asked, d.asked); diff != "" {
		t.Errorf("%s (-want +got):\n%s", reason, diff)
	}
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func known(t *testing.T, set *core.Set, gv schema.GroupVersion) bool {
	t.Helper()
	_, err := set.Converter(gv.WithKind("Thing"))
	if missing := (*core.MissingError)(nil); err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	return err == nil
}

func get(t *testing.T, s *fleet.Schemas, gv schema.GroupVersion) *core.Set {
	t.Helper()
	set, err := s.Get(t.Context(), gv)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestReadOnce(t *testing.T) {
	d := &documents{}
	s := fleet.NewSchemas(d, nil)
	if set := get(t, s, widgets); !known(t, set, widgets) || known(t, set, gadgets) {
		t.Error("the set does not hold what was asked for")
	}
	set := get(t, s, gadgets)
	if !known(t, set, widgets) || !known(t, set, gadgets) {
		t.Error("a later set does not hold what was asked for before")
	}
	if get(t, s, widgets) != set {
		t.Error("asking again gives another set")
	}
	d.want(t, "each document is read once", "example.com/v1", "other.example.com/v1")
}

func TestForget(t *testing.T) {
	d := &documents{}
	s := fleet.NewSchemas(d, nil)
	get(t, s, widgets)
	get(t, s, older)
	before := get(t, s, gadgets)
	s.Forget("example.com")
	set := get(t, s, gadgets)
	if known(t, set, widgets) || known(t, set, older) || !known(t, set, gadgets) {
		t.Error("all versions of the group are forgotten, and nothing else")
	}
	if !known(t, before, widgets) {
		t.Error("a set that is in use changed")
	}
	if !known(t, get(t, s, widgets), widgets) {
		t.Error("what was forgotten is not read again")
	}
	d.want(t, "only what was forgotten is read again", "example.com/v1", "example.com/v1beta1", "other.example.com/v1", "example.com/v1")
}

func TestMissing(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		spoil  func(*documents)
	}{
		"error":   {"a document that cannot be read", func(d *documents) { d.err = errors.New("connection refused") }},
		"garbage": {"a document that is none", func(d *documents) { d.bad = map[schema.GroupVersion]string{widgets: "not found"} }},
	} {
		t.Run(name, func(t *testing.T) {
			d, c := &documents{}, &clock{at: time.Unix(1000, 0)}
			s := fleet.NewSchemas(d, c.now)
			get(t, s, gadgets)
			test.spoil(d)
			if _, err := s.Get(t.Context(), widgets); err == nil || !strings.Contains(err.Error(), "types of example.com/v1: ") {
				t.Errorf("%s is an error that names it: %v", test.reason, err)
			}
			if set := get(t, s, widgets); known(t, set, widgets) || !known(t, set, gadgets) {
				t.Errorf("%s leaves what is known", test.reason)
			}
			d.want(t, test.reason+" is not asked for again at once", "other.example.com/v1", "example.com/v1")
			d.err, d.bad = nil, nil
			c.at = c.at.Add(2 * time.Second)
			if !known(t, get(t, s, widgets), widgets) {
				t.Errorf("%s is asked for again after a while", test.reason)
			}
			s.Forget("example.com")
			d.err = errors.New("away")
			if _, err := s.Get(t.Context(), widgets); err == nil {
				t.Error("what was forgotten is known")
			}
			d.err = nil
			s.Forget("example.com")
			if !known(t, get(t, s, widgets), widgets) {
				t.Error("a changed definition ends the belief that there is none")
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	d := &documents{}
	s := fleet.NewSchemas(d, nil)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for _, gv := range []schema.GroupVersion{widgets, older, gadgets} {
				if _, err := s.Get(context.Background(), gv); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(d.asked) != 3 {
		t.Errorf("documents were read more than once: %q", d.asked)
	}
}
