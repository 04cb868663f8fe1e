// Package notice decides what happened to an application that is worth telling
// its user once.
//
// In go what a reconcile did and how it left its application; out come notices of
// what happened: synced, failed, put back, held, broken, well again. States
// are no notices, so an application that stays as it is brings none. It reads no
// clock and sends nothing.
package notice

import (
	"fmt"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Reason says in one word what happened.
type Reason string

// What can happen.
const (
	Synced        Reason = "Synced"
	SyncFailed    Reason = "SyncFailed"
	DriftRepaired Reason = "DriftRepaired"
	PruneHeld     Reason = "PruneHeld"
	Degraded      Reason = "HealthDegraded"
	Recovered     Reason = "HealthRecovered"
)

// Notice is one thing that happened.
type Notice struct {
	Reason  Reason
	Message string // one line, at most longest bytes
}

// Warning reports whether somebody should look.
func (n Notice) Warning() bool {
	return n.Reason == SyncFailed || n.Reason == PruneHeld || n.Reason == Degraded
}

// longest is what the API server accepts of a message.
const longest = 1024

// Did is what a reconcile did.
type Did struct {
	Ended   app.Phase // of the attempt that came to its end; empty: none did
	Message string    // of that
	Resumed bool      // the attempt began in an earlier reconcile
	Applied string    // id of the revision that was applied in full before; empty: none
	Written []object.Key
}

// Bounds of what one application may bring.
const (
	again  = time.Hour        // the same is not told before that
	window = 10 * time.Minute // in which
	most   = 6                // notices are told at most
)

// Memory is what was told about one application. The zero value is empty.
type Memory struct {
	health health.Code // last that counts; empty: not known
	told   map[Reason]told
	times  []time.Time // of the latest notices
}

type told struct {
	message string
	at      time.Time
}

// After returns what happened in a reconcile that is worth telling.
func (m *Memory) After(did Did, out app.Outcome, now time.Time) []Notice {
	var list []Notice
	for _, n := range append(ends(did, out.Run), append(holds(out), m.turn(out)...)...) {
		if m.may(n, now) {
			n.Message = cut(n.Message)
			list = append(list, n)
		}
	}
	return list
}

// ends tells how an attempt ended. One that changed nothing is no news.
func ends(did Did, run *app.Run) []Notice {
	switch {
	case did.Ended == "" || run == nil || run.Operation.DryRun:
		return nil
	case did.Ended != app.Succeeded:
		return []Notice{{SyncFailed, fmt.Sprintf("Sync to %s failed: %s", run.Revision, did.Message)}}
	case len(did.Written) == 0 && !did.Resumed:
		return nil
	case run.Operation.Automatic && len(did.Written) > 0 && (len(run.Operation.Only) > 0 || did.Applied == run.Revision.ID):
		return []Notice{{DriftRepaired, "Put back what was changed: " + objects(did.Written)}}
	}
	return []Notice{{Synced, fmt.Sprintf("Synced to %s", run.Revision)}}
}

// objects names up to three of what was written.
func objects(keys []object.Key) string {
	var names []string
	for _, key := range keys[:min(len(keys), 3)] {
		name := key.Name
		if key.Namespace != "" {
			name = key.Namespace + "/" + name
		}
		names = append(names, key.Kind+" "+name)
	}
	text := strings.Join(names, ", ")
	if more := len(keys) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// holds tells of deletions that wait for a person.
func holds(out app.Outcome) []Notice {
	var list []Notice
	for _, p := range out.Problems {
		if p.Reason.Holds() {
			list = append(list, Notice{PruneHeld, p.Message})
		}
	}
	return list
}

// turn tells when an application breaks, and when it is well again. What lies
// between is on its way.
func (m *Memory) turn(out app.Outcome) []Notice {
	was := m.health
	if out.Compared && (out.Health.Code == health.Healthy || out.Health.Code == health.Degraded) {
		m.health = out.Health.Code
	}
	switch {
	case was == m.health:
	case m.health == health.Degraded && was != "":
		return []Notice{{Degraded, "Health turned from Healthy to Degraded: " + out.Health.Message}}
	case m.health == health.Healthy && was == health.Degraded:
		return []Notice{{Recovered, "Health turned from Degraded to Healthy"}}
	}
	return nil
}

// may bounds repetition and number. What is held is told once as long as it stays
// so, because it is looked at again and again.
func (m *Memory) may(n Notice, now time.Time) bool {
	last, ok := m.told[n.Reason]
	if ok && last.message == n.Message && (now.Sub(last.at) < again || n.Reason == PruneHeld) {
		return false
	}
	kept := m.times[:0]
	for _, at := range m.times {
		if now.Sub(at) < window {
			kept = append(kept, at)
		}
	}
	m.times = kept
	if len(m.times) >= most {
		return false
	}
	if m.told == nil {
		m.told = map[Reason]told{}
	}
	m.told[n.Reason] = told{n.Message, now}
	m.times = append(m.times, now)
	return true
}

// cut shortens a message at a whole character.
func cut(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest-len("…")], "") + "…"
}
