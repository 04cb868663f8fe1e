package share

import (
	"context"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/shard"
)

// Others returns the replicas that renew their Leases. It looks at once and, when
// there are Leases that nobody gave back, for a whole duration more.
func Others(ctx context.Context, leases Leases, duration time.Duration) ([]string, error) {
	first, err := leases.List(ctx)
	if err != nil || len(shard.Held(first)) == 0 {
		return nil, err
	}
	end := time.NewTimer(duration)
	defer end.Stop()
	tick := time.NewTicker(duration / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-end.C:
			return nil, nil
		case <-tick.C:
		}
		now, err := leases.List(ctx)
		if err != nil {
			return nil, err
		}
		if alive := shard.Renewed(first, now); len(alive) > 0 {
			return alive, nil
		}
	}
}
