package impure_test

import (
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/render/impure"
)

var functions = template.FuncMap{
	"now":     func() string { return "later" },
	"shuffle": func(s string) string { return s },
	"date":    func(_ string, at any) string { return "a date" },
	"randInt": func(_ int, more ...int) int { return len(more) },
	"upper":   strings.ToUpper,
	"at":      func() time.Time { return time.Unix(0, 0) },
}

func TestWatch(t *testing.T) {
	for text, tt := range map[string]struct{ want, reason string }{
		`{{ upper "a" }}`:                  {"A", ""},
		`{{ now }} {{ shuffle "b" }}`:      {"later b", "the chart uses now, shuffle"},
		`{{ date "2006" at }}`:             {"a date", ""},
		`{{ date "2006" 7 }}`:              {"a date", ""},
		`{{ date "2006" "x" }}`:            {"a date", "the chart uses date"},
		`{{ date "2006" .none }}`:          {"a date", "the chart uses date"},
		`{{ randInt 1 2 3 }}`:              {"2", "the chart uses randInt"},
		`{{ if false }}{{ now }}{{ end }}`: {"", ""},
		`{{ keys .map .map }}`:             {"[a b c a b c]", ""},
		`{{ values .map }}`:                {"[1 2 3]", ""},
	} {
		w := impure.New()
		var b strings.Builder
		parsed, err := template.New("").Funcs(functions).Funcs(w.Functions(functions)).Parse(text)
		if err == nil {
			err = parsed.Execute(&b, map[string]any{"map": map[string]any{"c": 3, "a": 1, "b": 2}, "none": nil})
		}
		if err != nil || b.String() != tt.want || w.Reason() != tt.reason {
			t.Errorf("%s: %q, %q, %v, want %q, %q", text, b.String(), w.Reason(), err, tt.want, tt.reason)
		}
	}
}
