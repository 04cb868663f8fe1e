package app_test

import (
	"math"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func TestDelay(t *testing.T) {
	argo := app.Retry{Wait: 5 * time.Second, Factor: 2, Max: 3 * time.Minute}
	for name, test := range map[string]struct {
		reason  string
		retry   app.Retry
		retries int64
		want    time.Duration
	}{
		"first":         {"the first retry waits once", argo, 0, 5 * time.Second},
		"third":         {"the wait grows by the factor", argo, 2, 20 * time.Second},
		"capped":        {"no wait is longer than the longest", argo, 10, 3 * time.Minute},
		"many":          {"many retries cost no time to count", argo, math.MaxInt64, 3 * time.Minute},
		"first capped":  {"the first wait is capped too", app.Retry{Wait: time.Hour, Max: time.Minute}, 0, time.Minute},
		"constant":      {"without a factor the wait stays", app.Retry{Wait: time.Minute}, 7, time.Minute},
		"factor one":    {"a factor of one changes nothing", app.Retry{Wait: time.Minute, Factor: 1}, math.MaxInt64, time.Minute},
		"negative":      {"a negative factor changes nothing", app.Retry{Wait: time.Minute, Factor: -2}, 3, time.Minute},
		"no wait":       {"no wait stays no wait, at once", app.Retry{Factor: 2}, math.MaxInt64, 0},
		"no bound":      {"without a bound the wait goes on growing", app.Retry{Wait: time.Second, Factor: 10}, 5, 100_000 * time.Second},
		"overflow":      {"without a bound the wait never wraps around to none", app.Retry{Wait: time.Second, Factor: 10}, 1000, math.MaxInt64},
		"overflow max":  {"with a bound a wait that overflows is the bound", app.Retry{Wait: time.Hour, Factor: math.MaxInt64, Max: 2 * time.Hour}, 1, 2 * time.Hour},
		"negative max":  {"a negative bound is none", app.Retry{Wait: time.Second, Factor: 2, Max: -1}, 1, 2 * time.Second},
		"negative wait": {"a count below zero is the first attempt", argo, -3, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.retry.Delay(test.retries); got != test.want {
				t.Errorf("%s: got %s, want %s", test.reason, got, test.want)
			}
		})
	}
}

func TestSelector(t *testing.T) {
	key := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}
	for name, test := range map[string]struct {
		reason string
		s      app.Selector
		want   bool
	}{
		"exact":         {"all fields match", app.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}, true},
		"any namespace": {"an empty namespace matches any", app.Selector{Group: "apps", Kind: "Deployment", Name: "api"}, true},
		"no group":      {"an empty group is the core group, not any", app.Selector{Kind: "Deployment", Name: "api"}, false},
		"other name":    {"names match exactly", app.Selector{Group: "apps", Kind: "Deployment", Name: "ap"}, false},
		"no name":       {"an empty name matches nothing", app.Selector{Group: "apps", Kind: "Deployment"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.s.Matches(key); got != test.want {
				t.Errorf("%s: got %t", test.reason, got)
			}
		})
	}
}
