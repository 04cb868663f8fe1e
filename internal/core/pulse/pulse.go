// Package pulse judges whether a server still works.
//
// In go the times at which it last did things; out come reasons why it does not
// work, or nothing. It measures nothing itself.
package pulse

import (
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// Work is a reconcile under way.
type Work struct {
	App   app.ID
	Stage string // that it is in
	Since time.Time
}

// Pulse is what the queue of applications does.
type Pulse struct {
	Waiting int       // applications whose turn has not come
	Moved   time.Time // when one was last done with, or none waited
	Under   []Work
}

// Stuck says why the queue counts as stuck; "" when it does not. Nothing that a
// reconcile does may take as long as limit.
func (p Pulse) Stuck(now time.Time, limit time.Duration) string {
	oldest := p.oldest()
	at := ""
	if oldest != nil {
		at = fmt.Sprintf("%s %s is in stage %q for %s", oldest.App.Kind, oldest.App, oldest.Stage, now.Sub(oldest.Since).Round(time.Second))
	}
	switch {
	case oldest != nil && now.Sub(oldest.Since) > limit:
		return at
	case p.Waiting > 0 && now.Sub(p.Moved) > limit:
		text := fmt.Sprintf("%d applications wait and none was done with for %s", p.Waiting, now.Sub(p.Moved).Round(time.Second))
		if at != "" {
			text += ": " + at
		}
		return text
	}
	return ""
}

// oldest returns the work that is under way longest, nil when there is none.
func (p Pulse) oldest() *Work {
	var oldest *Work
	for i, w := range p.Under {
		if oldest == nil || w.Since.Before(oldest.Since) || w.Since.Equal(oldest.Since) && w.App.String() < oldest.App.String() {
			oldest = &p.Under[i]
		}
	}
	return oldest
}

// Contact is when an API server was heard of. A server that nobody asks is not
// lost: silence counts only after a question without an answer.
type Contact struct {
	Answered time.Time // last
	Failed   time.Time // first question without an answer since then; zero: none
}

// Answer takes in that the server answered.
func (c Contact) Answer(now time.Time) Contact { return Contact{Answered: now} }

// Fail takes in that a question got no answer.
func (c Contact) Fail(now time.Time) Contact {
	if c.Failed.IsZero() {
		c.Failed = now
	}
	return c
}

// Lost says why the server counts as lost; "" when it does not.
func (c Contact) Lost(now time.Time, limit time.Duration) string {
	if c.Failed.IsZero() || now.Sub(c.Failed) < limit {
		return ""
	}
	return fmt.Sprintf("the API server has not answered for %s", now.Sub(c.Failed).Round(time.Second))
}
