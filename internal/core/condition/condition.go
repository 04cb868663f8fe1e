// Package condition ties errors to what a user will read about them.
//
// In go errors; out come Problems: a reason from a closed list and a message
// that is stable between reconciles. The package decides nothing about when a
// problem occurs and knows no status field of any dialect.
package condition

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reason says which stage of the pipeline a problem belongs to. Dialects
// translate it into the condition types and reasons of their users' tools.
type Reason string

// The reasons, in the order of the pipeline.
const (
	InvalidSpec      Reason = "InvalidSpec"      // the user's object contradicts itself or names what does not exist
	NotPermitted     Reason = "NotPermitted"     // a project or an access rule forbids it
	NotSupported     Reason = "NotSupported"     // valid, but this version of the engine does not do it
	SourceFailed     Reason = "SourceFailed"     // the revision could not be resolved or fetched
	RenderFailed     Reason = "RenderFailed"     // the files do not render
	DependencyWait   Reason = "DependencyWait"   // another application has to become ready first
	CompareFailed    Reason = "CompareFailed"    // the live state could not be read or compared
	PlanInvalid      Reason = "PlanInvalid"      // the rendered objects cannot be applied as a set
	SyncHeld         Reason = "SyncHeld"         // a guard keeps the engine from acting; a person decides
	ApplyFailed      Reason = "ApplyFailed"      // the API server refused a write
	PruneFailed      Reason = "PruneFailed"      // an object that left the source could not be deleted
	HealthFailed     Reason = "HealthFailed"     // applied, but did not become healthy
	DeleteFailed     Reason = "DeleteFailed"     // the application is going, something it owns is not
	PruneHeld        Reason = "PruneHeld"        // warning: more would be deleted than the limit allows, until a person confirms
	CollateralHeld   Reason = "CollateralHeld"   // warning: a deletion would take objects along that nobody removed
	MoveHeld         Reason = "MoveHeld"         // warning: an object may have moved to an application that does not render
	OtherEngine      Reason = "OtherEngine"      // warning: another engine is at work on the same application
	WindowClosed     Reason = "WindowClosed"     // warning: this is no time to sync
	SharedObject     Reason = "SharedObject"     // warning: two applications claim one object
	ExcludedObject   Reason = "ExcludedObject"   // warning: the installation leaves objects of this kind alone
	OrphanedObjects  Reason = "OrphanedObjects"  // warning: nobody owns objects of the destination namespace
	RepeatedObject   Reason = "RepeatedObject"   // warning: one object is rendered more than once
	RenderWarning    Reason = "RenderWarning"    // warning: the template tool skipped something
	ReportIncomplete Reason = "ReportIncomplete" // warning: the status had to be shortened
)

// Warning reports whether problems of this reason leave the application working.
func (r Reason) Warning() bool {
	return r.Holds() || slices.Contains([]Reason{OtherEngine, WindowClosed, SharedObject, ExcludedObject, OrphanedObjects, RepeatedObject, RenderWarning, ReportIncomplete}, r)
}

// Holds reports whether problems of this reason keep objects from being pruned
// until a person confirms.
func (r Reason) Holds() bool {
	return slices.Contains([]Reason{PruneHeld, CollateralHeld, MoveHeld}, r)
}

// A Problem is one thing to tell the user: stable text without timestamps.
type Problem struct {
	Reason  Reason
	Message string // one line, starts with a capital or with a name
}

// Error is an error that carries the reason it will be reported under.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error that was tied to the reason.
func (e *Error) Unwrap() error { return e.Err }

// Because ties err to reason. A nil err stays nil; an error that already carries
// a reason keeps it, because the first to know is the one who knows best.
func Because(reason Reason, err error) error {
	if err == nil {
		return nil
	}
	if tied := (*Error)(nil); errors.As(err, &tied) {
		return err
	}
	return &Error{Reason: reason, Err: err}
}

// Newf is Because(reason, fmt.Errorf(format, args...)).
func Newf(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Of returns the problem that err stands for; errors without a reason get fallback.
func Of(err error, fallback Reason) Problem {
	reason := fallback
	if tied := (*Error)(nil); errors.As(err, &tied) {
		reason = tied.Reason
	}
	return Problem{Reason: reason, Message: sentence(err.Error())}
}

// maxMessage bounds a message, in bytes: conditions travel in every status.
const maxMessage = 2048

// sentence makes one line out of an error's text, with a capital first letter
// unless that would misspell a name.
func sentence(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD") // as the status could not hold it otherwise
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " ")
	if len(text) > maxMessage {
		cut := maxMessage
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	if text == "" {
		return ""
	}
	if word, _, _ := strings.Cut(text, " "); strings.ContainsFunc(strings.TrimRight(word, ":,;"), notLetter) {
		return text // it begins with a name: of a file, a branch, an object
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) && r != '-' && r != '\'' }

// Summary joins up to three texts and counts the rest: "a; b; c; and 17 more".
// It sorts a copy, so that equal sets give equal text.
func Summary(texts []string) string {
	const shown = 3
	sorted := slices.Sorted(slices.Values(texts))
	if len(sorted) <= shown {
		return strings.Join(sorted, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(sorted[:shown], "; "), len(sorted)-shown)
}
