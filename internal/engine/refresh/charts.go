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
// up again after the interval between polls. A repository that trusts denies is shown no
// credentials.
func (p *Poller) Chart(ctx context.Context, d chart.Dependency, trusts func(url string) bool) (source.Tree, error) {
	url := d.Repository
	if name, named := chart.RepositoryName(url); named {
		var err error
		if url, err = p.keys.Named(ctx, name); err != nil {
			return nil, condition.Because(condition.SourceFailed, err)
		}
	}
	if !strings.Contains(url, "://") {
		return nil, condition.Newf(condition.SourceFailed, "its repository %q is neither a URL nor a name, which begins with @", d.Repository)
	}
	remote := Remote{URL: url, Packages: true, Chart: d.Name}
	if trusts(url) {
		var err error
		if remote.Credentials, err = p.keys.Credentials(ctx, url, nil); err != nil {
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
	key := fmt.Sprintf("%s %s %t", remote.URL, d.Mount(), remote.Credentials.Username != "")
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
