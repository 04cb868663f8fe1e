package assess_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func TestBlind(t *testing.T) {
	key := func(kind, name string) object.Key { return object.Key{Kind: kind, Namespace: "shop", Name: name} }
	got := assess.Blind(map[object.Key]error{
		key("Secret", "b"):  errors.New("forbidden"),
		key("Secret", "a"):  errors.New("forbidden"),
		key("Secret", "c"):  errors.New("forbidden"),
		key("Service", "s"): errors.New("the list ended half-way"),
	})
	slices.Sort(got)
	want := []string{"Secret shop/a and 2 more: forbidden", "Service shop/s: the list ended half-way"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := assess.Blind(nil); len(got) != 0 {
		t.Errorf("of nothing %q", got)
	}
}
