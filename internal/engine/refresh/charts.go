package refresh

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// resolved is the version that a range of a dependency stood for.
type resolved struct {
	version string
	at      time.Time
}

// Chart reads a chart that another one depends on. What a range stands for is looked
// up again after the interval between polls. Without trust its repository is shown no
// credentials.
func (p *Poller) Chart(ctx context.Context, d chart.Dependency, trusted bool) (source.Tree, error) {
	if !strings.Contains(d.Repository, "://") {
		return nil, condition.Newf(condition.SourceFailed, "its repository %q is no URL: names of repositories are not known here, give the URL in Chart.yaml", d.Repository)
	}
	remote := Remote{URL: d.Repository, Packages: true, Chart: d.Name}
	if trusted {
		var err error
		if remote.Credentials, err = p.keys.Credentials(ctx, d.Repository, nil); err != nil {
			return nil, condition.Because(condition.SourceFailed, err)
		}
	}
	version := d.Version
	if !d.Exact() {
		var err error
		if version, err = p.resolve(ctx, remote, d); err != nil {
			return nil, condition.Because(condition.SourceFailed, err)
		}
	}
	tree, err := p.repos.Tree(ctx, remote, source.Revision{ID: version})
	return tree, condition.Because(condition.SourceFailed, err)
}

func (p *Poller) resolve(ctx context.Context, remote Remote, d chart.Dependency) (string, error) {
	key := fmt.Sprintf("%s %t", d.Mount(), remote.Credentials.Username != "")
	p.mu.Lock()
	known, ok := p.charts[key]
	p.mu.Unlock()
	if ok && time.Since(known.at) < p.opts.Interval {
		return known.version, nil
	}
	ref := source.Ref{Chart: d.Name, Any: d.Version}
	refs, err := p.repos.Fetch(ctx, remote, ref.Needs())
	if err != nil {
		if ok { // what was known stands
			return known.version, nil
		}
		return "", err
	}
	rev, err := ref.Resolve(refs)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.charts == nil || len(p.charts) > maxCharts {
		p.charts = map[string]resolved{}
	}
	p.charts[key] = resolved{version: rev.ID, at: time.Now()}
	return rev.ID, nil
}

// maxCharts bounds how many ranges are remembered.
const maxCharts = 10_000
