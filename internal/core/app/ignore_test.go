package app_test

import (
	"slices"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func TestIgnores(t *testing.T) {
	web := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	all := app.Ignore{Group: "*", Kind: "*", Fields: []string{"/a"}, Managers: []string{"m"}}
	with := func(edit func(*app.Ignore)) app.Ignore {
		rule := all
		edit(&rule)
		return rule
	}
	for name, test := range map[string]struct {
		rule app.Ignore
		want bool
	}{
		"everything":        {all, true},
		"its group":         {with(func(r *app.Ignore) { r.Group = "apps" }), true},
		"a glob":            {with(func(r *app.Ignore) { r.Kind = "{Deployment,Stateful*}" }), true},
		"the core group":    {with(func(r *app.Ignore) { r.Group = "" }), false},
		"another kind":      {with(func(r *app.Ignore) { r.Kind = "Job" }), false},
		"its name":          {with(func(r *app.Ignore) { r.Name = "web" }), true},
		"another name":      {with(func(r *app.Ignore) { r.Name = "we*" }), false},
		"its namespace":     {with(func(r *app.Ignore) { r.Namespace = "shop" }), true},
		"another namespace": {with(func(r *app.Ignore) { r.Namespace = "bank" }), false},
		"no glob":           {with(func(r *app.Ignore) { r.Group = "[" }), false},
	} {
		if fields, managers := (app.Ignores{test.rule}).Of(web); (len(fields) == 1) != test.want || (len(managers) == 1) != test.want {
			t.Errorf("%s: %q %q", name, fields, managers)
		}
	}
	fields, _ := app.Ignores{all, {Group: "*", Kind: "*", Fields: []string{"/b"}}}.Of(web)
	if !slices.Equal(fields, []string{"/a", "/b"}) {
		t.Errorf("rules add up: %q", fields)
	}
}
