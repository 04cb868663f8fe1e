package main

import (
	"context"
	"fmt"
	"time"
)

// stopTimeout is what each part gets to finish. It is above etcd's own limit of
// 5.2 s.
const stopTimeout = 8 * time.Second

// wait returns when ctx ends, or with an error when a part broke by itself.
func (b *box) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-b.api.Done():
		return fmt.Errorf("api server ended: %w", b.api.Err())
	case err := <-b.store.Err():
		return fmt.Errorf("etcd ended: %w", err)
	}
}

// close stops the parts in the order in which they depend on each other. The
// store is closed last and completely, so no accepted write is lost.
func (b *box) close() {
	if b.git != nil {
		b.stopPart("git server", func() {
			ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
			defer cancel()
			b.git.Stop(ctx)
		})
	}
	if b.stopActors != nil {
		b.stopActors()
		b.stopPart("controllers", func() {
			for _, wait := range b.actors {
				wait()
			}
		})
	}
	if b.stopAPI != nil {
		b.stopAPI()
	}
	if b.api != nil {
		b.stopPart("api server", func() { <-b.api.Done() })
	}
	if b.store != nil {
		b.stopPart("etcd", b.store.Stop)
	}
	if b.dir != nil {
		_ = b.dir.Close()
	}
}

// stopPart waits for stop, but not for longer than a part may take.
func (b *box) stopPart(name string, stop func()) {
	start := time.Now()
	within(stopTimeout, stop)
	b.out.slog.Info("stopped part", "part", name, "took", time.Since(start).Round(time.Millisecond))
}

// within returns when f has returned or d has passed.
func within(d time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
