package gate

import (
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// rivalQuiet is how long another engine has to have written nothing before it is taken
// to have stopped: several times the pause between its looks at an application.
const rivalQuiet = 10 * time.Minute

// Contested says why nothing may be done about an application that another engine is
// at work on, and when to look again; "" lets it.
func Contested(r app.Rival, now time.Time) (why string, after time.Duration) {
	until := r.Last.Add(rivalQuiet)
	if r.Last.IsZero() || !now.Before(until) {
		return "", 0
	}
	return fmt.Sprintf("%s wrote to this object at %s, and two engines would fight over what it declares: nothing is done until it has written nothing for %s; stop it, and wait, or %s",
		r.Name, r.Last.UTC().Format("15:04 on 2006-01-02"), rivalQuiet, r.Way), until.Sub(now)
}
