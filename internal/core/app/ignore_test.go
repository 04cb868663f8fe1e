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
		if got := (app.Ignores{test.rule}).Of(web); (len(got.Fields) == 1) != test.want || (len(got.Managers) == 1) != test.want || got.Empty() == test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	sum := app.Ignores{all, {Group: "*", Kind: "*", Fields: []string{"/b"}, Queries: []string{".c"}}}.Of(web)
	if !slices.Equal(sum.Fields, []string{"/a", "/b"}) || !slices.Equal(sum.Queries, []string{".c"}) {
		t.Errorf("rules add up: %+v", sum)
	}
}
