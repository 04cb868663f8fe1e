package gate_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestRequested(t *testing.T) {
	one, two, other := strings.Repeat("1", 40), strings.Repeat("2", 40), strings.Repeat("3", 40)
	sources := []app.Source{{Ref: source.Ref{Any: "main"}}, {Ref: source.Ref{Any: "1.x"}}}
	newest := []source.Revision{{Name: "main", ID: one}, {Name: "v1.2", ID: two}}
	for name, test := range map[string]struct {
		asked, want, refused string
	}{
		"nothing":          {"", "main,v1.2@" + one + "," + two, ""},
		"the present ones": {one + "," + two, "main,v1.2@" + one + "," + two, ""},
		"by name":          {"main,v1.2", "main,v1.2@" + one + "," + two, ""},
		"by reference":     {"main,1.x", "main,v1.2@" + one + "," + two, ""},
		"one of them":      {"," + other, "main,@" + one + "," + other, ""},
		"another commit":   {other + "," + two, ",v1.2@" + other + "," + two, ""},
		"too few":          {other, "", "not one for each of the 2 sources"},
		"too many":         {"a,b,c", "", "not one for each of the 2 sources"},
		"another branch":   {"main,dev", "", `"dev" is neither the target revision nor a full commit id`},
		"abbreviated":      {"main,3333333", "", "nor a full commit id"},
		"hostile":          {"main,../../x\n", "", "nor a full commit id"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := gate.Requested(&app.Operation{Revision: test.asked}, sources, newest)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("%v, want %q", err, test.refused)
				}
				return
			}
			if text := got.Name + "@" + got.ID; err != nil || text != test.want {
				t.Errorf("%s, %v, want %s", text, err, test.want)
			}
		})
	}
	chart := []app.Source{{Ref: source.Ref{Chart: "web", Any: "1.x"}}}
	if got, err := gate.Requested(&app.Operation{Revision: "1.0.2+b"}, chart, []source.Revision{{ID: "1.9.0"}}); err != nil || got.ID != "1.0.2+b" {
		t.Errorf("an older version of a chart: %v, %v", got, err)
	}
	if _, err := gate.Requested(&app.Operation{Revision: "../x"}, chart, []source.Revision{{ID: "1.9.0"}}); err == nil {
		t.Error("no version of a chart is taken")
	}
	if got, err := gate.Requested(nil, sources[:1], newest[:1]); err != nil || got != newest[0] {
		t.Errorf("%v, %v", got, err)
	}
}
