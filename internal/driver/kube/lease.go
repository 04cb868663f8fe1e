package kube

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/shard"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
)

// Names on the Leases of replicas.
const (
	memberLabel       = "plumbline.dev/shares"
	memberValue       = "applications"
	termAnnotation    = "plumbline.dev/term"
	countsAnnotation  = "plumbline.dev/counts"
	goneAnnotation    = "plumbline.dev/gone"
	addressAnnotation = "plumbline.dev/address"
)

// Leases stores what replicas say about themselves as Lease objects of one
// namespace.
type Leases struct {
	client   coordination.LeaseInterface
	duration time.Duration
}

// NewLeases returns the Leases in a namespace of the cluster that config names.
func NewLeases(config *rest.Config, namespace string, duration time.Duration, options Options) (*Leases, error) {
	options = options.withDefaults()
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, 0
	config.UserAgent = options.UserAgent
	config.WarningHandlerWithContext = rest.NoWarnings{}
	if options.Observe != nil {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return &observer{next: next, observe: options.Observe}
		})
	}
	client, err := coordination.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	return &Leases{client: client.Leases(namespace), duration: duration}, nil
}

var members = metav1.ListOptions{LabelSelector: memberLabel + "=" + memberValue}

// List returns the Leases of all replicas, from the storage and not from a cache.
func (l *Leases) List(ctx context.Context) ([]shard.Lease, error) {
	list, err := l.client.List(ctx, members)
	if err != nil {
		return nil, err
	}
	leases := make([]shard.Lease, len(list.Items))
	for i := range list.Items {
		leases[i] = decodeLease(&list.Items[i])
	}
	return leases, nil
}

// Put creates a Lease without a version, or replaces exactly the version that it
// carries, and returns it as stored.
func (l *Leases) Put(ctx context.Context, lease shard.Lease) (shard.Lease, error) {
	obj := l.encode(lease)
	var err error
	if lease.Version == "" {
		obj, err = l.client.Create(ctx, obj, metav1.CreateOptions{FieldManager: "plumbd"})
	} else {
		obj, err = l.client.Update(ctx, obj, metav1.UpdateOptions{FieldManager: "plumbd"})
	}
	if err != nil {
		return shard.Lease{}, err
	}
	return decodeLease(obj), nil
}

// Delete removes a Lease in exactly its version; one that is gone is as good.
func (l *Leases) Delete(ctx context.Context, lease shard.Lease) error {
	err := l.client.Delete(ctx, lease.Member, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &lease.Version}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// rewatch is the pause before a watch that ended is opened again.
const rewatch = time.Second

// Watch calls changed when a Lease came, went, or says something else than when
// it is renewed only. It returns when ctx ends.
func (l *Leases) Watch(ctx context.Context, changed func()) {
	known := map[string]string{}
	for ctx.Err() == nil {
		if w, err := l.client.Watch(ctx, members); err == nil {
			l.follow(w, known, changed)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rewatch):
		}
	}
}

// follow reads one watch to its end.
func (l *Leases) follow(w watch.Interface, known map[string]string, changed func()) {
	defer w.Stop()
	for e := range w.ResultChan() {
		obj, ok := e.Object.(*coordinationv1.Lease)
		if !ok {
			continue
		}
		says := ""
		if e.Type != watch.Deleted {
			lease := decodeLease(obj)
			says = fmt.Sprint(lease.Seat(), lease.Released, lease.Counts, lease.Gone)
		}
		if known[obj.Name] != says {
			known[obj.Name] = says
			changed()
		}
	}
}

func (l *Leases) encode(lease shard.Lease) *coordinationv1.Lease {
	obj := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: lease.Member, ResourceVersion: lease.Version,
			Labels: map[string]string{memberLabel: memberValue},
			Annotations: map[string]string{
				termAnnotation: lease.Term, countsAnnotation: strings.Join(lease.Counts, " "),
				goneAnnotation: strings.Join(lease.Gone, " "), addressAnnotation: lease.Address,
			},
		},
		Spec: coordinationv1.LeaseSpec{
			LeaseDurationSeconds: new(max(1, int32(l.duration/time.Second))),
			RenewTime:            &metav1.MicroTime{Time: time.Now()},
		},
	}
	if !lease.Released {
		obj.Spec.HolderIdentity = new(lease.Member)
	}
	return obj
}

func decodeLease(obj *coordinationv1.Lease) shard.Lease {
	lease := shard.Lease{
		Member: obj.Name, Version: obj.ResourceVersion, Term: obj.Annotations[termAnnotation], Address: obj.Annotations[addressAnnotation],
		Counts:   strings.Fields(obj.Annotations[countsAnnotation]),
		Gone:     strings.Fields(obj.Annotations[goneAnnotation]),
		Released: obj.Spec.HolderIdentity == nil || *obj.Spec.HolderIdentity == "",
	}
	slices.Sort(lease.Counts)
	return lease
}
