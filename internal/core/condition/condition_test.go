package condition_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/condition"
)

func TestOf(t *testing.T) {
	cause := errors.New("no such branch")
	for name, test := range map[string]struct {
		reason string
		err    error
		want   condition.Problem
	}{
		"plain":   {"an error without a reason gets the fallback", cause, condition.Problem{Reason: condition.ApplyFailed, Message: "No such branch"}},
		"tied":    {"a tied error keeps its reason", condition.Because(condition.SourceFailed, cause), condition.Problem{Reason: condition.SourceFailed, Message: "No such branch"}},
		"wrapped": {"also when it is wrapped; a name keeps its case", fmt.Errorf("shop/api: %w", condition.Newf(condition.RenderFailed, "bad %q", "x")), condition.Problem{Reason: condition.RenderFailed, Message: `shop/api: bad "x"`}},
		"twice":   {"the first to tie an error knows best", condition.Because(condition.PlanInvalid, condition.Because(condition.SourceFailed, cause)), condition.Problem{Reason: condition.SourceFailed, Message: "No such branch"}},
		"lines":   {"a message is one line", errors.New("a\nb\r\n\tc"), condition.Problem{Reason: condition.ApplyFailed, Message: "A b c"}},
		"empty":   {"an empty message stays empty", errors.New(""), condition.Problem{Reason: condition.ApplyFailed}},
		"unicode": {"the first letter is capital in any script", errors.New("äpfel"), condition.Problem{Reason: condition.ApplyFailed, Message: "Äpfel"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(test.want, condition.Of(test.err, condition.ApplyFailed)); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
	if condition.Because(condition.ApplyFailed, nil) != nil {
		t.Error("no error stays no error")
	}
	if !errors.Is(condition.Because(condition.ApplyFailed, cause), cause) {
		t.Error("the cause can be found")
	}
}

func TestSummary(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		texts  []string
		want   string
	}{
		"none":  {"nothing to say", nil, ""},
		"few":   {"up to three are listed, sorted", []string{"c", "a", "b"}, "a; b; c"},
		"many":  {"the rest is counted", []string{"d", "c", "a", "b", "e"}, "a; b; c; and 2 more"},
		"equal": {"equal texts are two findings", []string{"a", "a"}, "a; a"},
	} {
		t.Run(name, func(t *testing.T) {
			given := fmt.Sprint(test.texts)
			if d := cmp.Diff(test.want, condition.Summary(test.texts)); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
			if fmt.Sprint(test.texts) != given {
				t.Error("the texts were reordered")
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	if !condition.RenderWarning.Warning() || condition.RenderFailed.Warning() {
		t.Error("only warnings leave an application working")
	}
}

// A message is bounded valid text on one line, whatever the error says.
func FuzzOf(f *testing.F) {
	f.Add("x", 1)
	f.Add("ä", 3000)
	f.Add("\xff\n", 2000)
	f.Fuzz(func(t *testing.T, text string, times int) {
		if times < 0 || times > 5000 || len(text) > 100 {
			t.Skip()
		}
		p := condition.Of(errors.New(strings.Repeat(text, times)), condition.ApplyFailed)
		if len(p.Message) > 2048+8 || strings.ContainsAny(p.Message, "\n\r\t") {
			t.Errorf("%d bytes: %q", len(p.Message), p.Message)
		}
		if utf8.ValidString(text) && !utf8.ValidString(p.Message) {
			t.Errorf("not valid text: %q", p.Message)
		}
	})
}
