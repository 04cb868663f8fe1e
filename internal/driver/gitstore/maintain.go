package gitstore

import (
	"context"
	"path/filepath"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

const (
	standardPacks = 50 // more are merged
	maxLooseRefs  = 64
	tidyLimit     = 10 * time.Minute
)

// maintain keeps a repository fast to read after many small fetches: references
// go into one file, packs are merged. Geometric merging copies every object, also
// those that no reference leads to any more: nothing is ever dropped, so a commit
// that a forced push replaced can still be read. Readers of the old packs keep
// them mapped. The caller has the turn; failures only cost speed.
func (p *repo) maintain(ctx context.Context) {
	if p.loose > maxLooseRefs {
		p.tidy(ctx, "references", "pack-refs", "--all", "--prune")
		p.loose = 0
	}
	if len(*p.objects.packs.Load()) > p.store.maxPacks {
		p.tidy(ctx, "packs", "repack", "-d", "-q", "--geometric=2")
		if _, err := p.objects.reload(); err != nil {
			p.store.opts.Logger.Warn("git store reload failed", "dir", p.dir, "err", err)
		}
	}
}

func (p *repo) tidy(ctx context.Context, what string, args ...string) {
	log := p.store.opts.Logger
	s, err := newSession(filepath.Join(p.store.dir, "tmp"), gitremote.Address{}, p.store.opts)
	if err != nil {
		log.Warn("git store not tidied", "what", what, "dir", p.dir, "err", err)
		return
	}
	defer s.close()
	ctx, cancel := context.WithTimeout(ctx, tidyLimit)
	defer cancel()
	start := time.Now()
	output, err := command{git: p.store.opts.Git, dir: p.dir, session: s, args: args}.run(ctx)
	if err != nil {
		p.sweep()
		log.Warn("git store not tidied", "what", what, "dir", p.dir, "err", err, "output", gitremote.Clean(output))
		return
	}
	log.Debug("tidied git store", "what", what, "dir", p.dir, "took", time.Since(start))
}
