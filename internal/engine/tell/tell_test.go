package tell_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/notice"
	"github.com/plumbline-dev/plumbline/internal/engine/tell"
)

type writer func(*unstructured.Unstructured) error

func (w writer) Post(_ context.Context, event *unstructured.Unstructured) error { return w(event) }

var (
	about = notice.Subject{ID: app.ID{Kind: "Application", Namespace: "argocd", Name: "shop"}, UID: "1"}
	three = []notice.Notice{{Reason: notice.Synced, Message: "a"}, {Reason: notice.Synced, Message: "b"}, {Reason: notice.Synced, Message: "c"}}
)

// Nobody waits for an API server that does not answer: what does not fit is
// dropped and counted, the rest arrives in order.
func TestTeller(t *testing.T) {
	got := make(chan string, 10)
	teller := tell.New(writer(func(e *unstructured.Unstructured) error {
		got <- e.Object["message"].(string)
		if e.Object["message"] == "b" {
			return errors.New("forbidden")
		}
		return nil
	}), tell.Options{Queue: 2})
	teller.Tell(about, three)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- teller.Start(ctx) }()
	if a, b := <-got, <-got; a != "a" || b != "b" {
		t.Errorf("%s, %s", a, b)
	}
	teller.Tell(about, three[2:])
	if c := <-got; c != "c" {
		t.Error(c)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if sent, dropped, failed := teller.Counts(); dropped != 1 || failed != 1 || sent != 2 {
		t.Errorf("sent %d, dropped %d, failed %d", sent, dropped, failed)
	}
}

// While the work needs the API server, nothing is sent.
func TestGivesWay(t *testing.T) {
	busy, asked := atomic.Bool{}, make(chan struct{}, 1000)
	busy.Store(true)
	got := make(chan bool, 1)
	teller := tell.New(writer(func(*unstructured.Unstructured) error { got <- busy.Load(); return nil }), tell.Options{Pace: func() bool {
		asked <- struct{}{}
		return busy.Load()
	}})
	go func() { _ = teller.Start(t.Context()) }()
	teller.Tell(about, three[:1])
	<-asked
	<-asked
	busy.Store(false)
	select {
	case early := <-got:
		if early {
			t.Error("sent while the work needed the server")
		}
	case <-time.After(time.Minute):
		t.Error("never sent")
	}
}
