package app_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

func TestResolve(t *testing.T) {
	const home = "https://kubernetes.default.svc"
	list := app.Clusters{
		{Name: "west", Server: "https://west"}, {Name: "twin", Server: "https://a"}, {Name: "twin", Server: "https://b"},
		{Name: "broken", Server: "https://broken", From: `Secret "x"`, Problem: "config is not the JSON"},
	}
	for name, test := range map[string]struct {
		to     app.Destination
		server string
		err    string
	}{
		"home":           {app.Destination{Server: home}, home, ""},
		"by address":     {app.Destination{Server: "https://west"}, "https://west", ""},
		"by name":        {app.Destination{Cluster: "west"}, "https://west", ""},
		"unknown":        {app.Destination{Server: "https://east"}, "", `cluster "https://east" is not known; registered are west (https://west), `},
		"unknown name":   {app.Destination{Cluster: "east"}, "", "there are no clusters with this name: east; registered are"},
		"ambiguous":      {app.Destination{Cluster: "twin"}, "", "there are 2 clusters with the same name: https://a, https://b; give spec.destination.server"},
		"broken":         {app.Destination{Cluster: "broken"}, "", `cluster "https://broken": Secret "x": config is not the JSON`},
		"broken address": {app.Destination{Server: "https://broken"}, "", "config is not the JSON"},
	} {
		got, _, err := list.Resolve(test.to, home)
		switch {
		case test.err == "" && (err != nil || got.Server != test.server || got.Cluster != test.to.Cluster):
			t.Errorf("%s: %+v, %v", name, got, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: %v, want %q", name, err, test.err)
		}
	}
	if _, _, err := (app.Clusters)(nil).Resolve(app.Destination{Cluster: "east"}, home); err == nil || !strings.Contains(err.Error(), "none is registered") {
		t.Errorf("none: %v", err)
	}
}
