// Package impure tells whether a template's result may be another one next time.
//
// In go the functions that templates may call; out come the same functions, which
// now note when one of them reads the clock or random numbers, and the reason to
// give for not keeping the result. Functions whose results come in random order are
// replaced by ones that sort. The package never calls a function by itself.
package impure

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"
)

// Watch notes which functions one render called whose results differ from one call
// to the next. It is safe for concurrent use.
type Watch struct {
	mu   sync.Mutex
	used map[string]bool
}

// New returns a Watch that has noted nothing.
func New() *Watch { return &Watch{used: map[string]bool{}} }

// Reason returns why the render may come out differently next time, "" if it will not.
func (w *Watch) Reason() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.used) == 0 {
		return ""
	}
	return "the chart uses " + strings.Join(slices.Sorted(maps.Keys(w.used)), ", ")
}

func (w *Watch) note(name string) {
	w.mu.Lock()
	w.used[name] = true
	w.mu.Unlock()
}

// always are the functions that read the clock or random numbers.
var always = []string{
	"now", "ago",
	"randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt", "shuffle", "uuidv4",
	"genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
	"htpasswd", "bcrypt", "encryptAES",
}

// dates are the functions that read the clock when the argument at the given
// place is not a date.
var dates = map[string]int{
	"date": 1, "dateInZone": 1, "date_in_zone": 1, "htmlDate": 0, "htmlDateInZone": 0,
}

// Functions wraps the impure ones of all and returns them. It also replaces those
// whose results come in random order by ones that sort, which changes nothing that
// could be relied on.
func (w *Watch) Functions(all template.FuncMap) template.FuncMap {
	out := template.FuncMap{"keys": sortedKeys, "values": sortedValues}
	for _, name := range always {
		if f, has := all[name]; has {
			out[name] = wrap(f, func([]reflect.Value) { w.note(name) })
		}
	}
	for name, place := range dates {
		f, has := all[name]
		if !has {
			continue
		}
		out[name] = wrap(f, func(args []reflect.Value) {
			if place < len(args) && !isDate(args[place]) {
				w.note(name)
			}
		})
	}
	return out
}

// wrap returns a function of the same type that calls before first.
func wrap(f any, before func([]reflect.Value)) any {
	v := reflect.ValueOf(f)
	return reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
		before(args)
		if v.Type().IsVariadic() {
			return v.CallSlice(args)
		}
		return v.Call(args)
	}).Interface()
}

func isDate(v reflect.Value) bool {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		return false
	}
	switch v.Interface().(type) {
	case time.Time, *time.Time, int64, int, int32:
		return true
	}
	return false
}

func sortedKeys(dicts ...map[string]any) []string {
	out := []string{}
	for _, d := range dicts {
		out = append(out, slices.Sorted(maps.Keys(d))...)
	}
	return out
}

func sortedValues(dict map[string]any) []any {
	out := []any{}
	for _, k := range slices.Sorted(maps.Keys(dict)) {
		out = append(out, dict[k])
	}
	return out
}
