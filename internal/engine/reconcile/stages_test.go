package reconcile_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// hanging is a dialect that does not answer until it is let go.
type hanging struct {
	reconcile.Dialect
	release chan struct{}
}

func (h hanging) Load(context.Context, app.ID) (reconcile.Subject, error) {
	<-h.release
	return nil, app.ErrGone
}

// A reconcile that hangs is named as long as it does.
func TestStuck(t *testing.T) {
	w := newWorld(t, nil)
	h := hanging{release: make(chan struct{})}
	r := reconcile.New(map[string]reconcile.Dialect{shop.Kind: h}, reconcile.Only(w.cluster), w.git, newRenders(), reconcile.Options{})
	c := reconcile.NewController(r, 1)
	const limit = 5 * time.Minute
	later := time.Now().Add(2 * limit)
	if why := c.Pulse().Stuck(time.Now(), limit); why != "" {
		t.Errorf("before anything began: %s", why)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = r.Reconcile(t.Context(), shop)
	}()
	for len(c.Pulse().Under) == 0 {
		<-time.After(time.Millisecond)
	}
	if why := c.Pulse().Stuck(time.Now(), limit); why != "" {
		t.Errorf("at once: %s", why)
	}
	if why := c.Pulse().Stuck(later, limit); !strings.Contains(why, `Application argocd/shop is in stage "reconcile"`) {
		t.Errorf("after a while: %q", why)
	}
	close(h.release)
	<-ended
	if p := c.Pulse(); len(p.Under) > 0 {
		t.Errorf("afterwards: %+v", p)
	}
}
