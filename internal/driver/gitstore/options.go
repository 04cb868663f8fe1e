package gitstore

import (
	"io"
	"log/slog"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/gittree"
	"github.com/plumbline-dev/plumbline/internal/core/packfile"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Options tune a Store. The zero value is ready to use.
type Options struct {
	Git string // the git program; "" means the one in PATH
	SSH string // the ssh program; "" means the one in PATH

	FetchTimeout time.Duration // longest silence of a server; 0 means 60s
	FetchLimit   time.Duration // longest fetch in all; 0 means 15m

	MaxFileBytes   int64 // largest file that is read; 0 means source.DefaultFileLimit, 16 MiB
	MaxObjectBytes int64 // largest object that is inflated at all; 0 means 256 MiB
	MaxRepoBytes   int64 // largest repository that is fetched; 0 means 4 GiB
	MaxTreeEntries int   // most entries in one directory; 0 means 100,000
	MaxDeltaDepth  int   // most deltas on top of each other; 0 means 4,096, as many as git writes
	CacheBytes     int64 // memory for trees and delta bases, of all repositories; 0 means 32 MiB

	AllowFile gitremote.AllowFile
	Logger    *slog.Logger // nil means silence
}

func (o Options) withDefaults() Options {
	fill := func(n *int64, standard int64) {
		if *n <= 0 {
			*n = standard
		}
	}
	fill((*int64)(&o.FetchTimeout), int64(time.Minute))
	fill((*int64)(&o.FetchLimit), int64(15*time.Minute))
	fill(&o.MaxFileBytes, source.DefaultFileLimit)
	fill(&o.MaxObjectBytes, 256<<20)
	fill(&o.MaxRepoBytes, 4<<30)
	fill(&o.CacheBytes, 32<<20)
	if o.MaxTreeEntries <= 0 {
		o.MaxTreeEntries = 100_000
	}
	if o.MaxDeltaDepth <= 0 {
		o.MaxDeltaDepth = 4096
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	}
	return o
}

func (o Options) packLimits() packfile.Limits {
	return packfile.Limits{Object: max(o.MaxObjectBytes, o.MaxFileBytes), Depth: o.MaxDeltaDepth}
}

func (o Options) treeLimits() gittree.Limits {
	return gittree.Limits{File: o.MaxFileBytes, Entries: o.MaxTreeEntries}
}
