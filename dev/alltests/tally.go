package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// event is a line of go test -json.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

// tally counts tests. A test with subtests counts as these, unless it failed
// by itself.
type tally struct {
	out      io.Writer
	packages map[string]*pkg
	skipped  []string
	passes   int
	failures []string
	done     int // packages
}

// pkg is a package whose tests run.
type pkg struct {
	outcomes map[string]string   // by test
	output   map[string][]string // by test; "" is the package itself
}

func newTally(out io.Writer) *tally { return &tally{out: out, packages: map[string]*pkg{}} }

func (t *tally) failed() int { return len(t.failures) }

// read counts a stream of events. When nothing ended for longer than silence it
// says so.
func (t *tally) read(stream io.Reader, silence time.Duration) error {
	lines, failed := make(chan []byte), make(chan error, 1)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(stream)
		for {
			line, err := reader.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				if err != io.EOF {
					failed <- err
				}
				return
			}
		}
	}()
	quiet := time.NewTicker(silence)
	defer quiet.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				select {
				case err := <-failed:
					return err
				default:
					return nil
				}
			}
			if t.line(line) {
				quiet.Reset(silence)
			}
		case <-quiet.C:
			fmt.Fprintf(t.out, "...   %d packages done, compiling or testing the next\n", t.done)
		}
	}
}

// line counts one line, and reports whether it printed something.
func (t *tally) line(text []byte) bool {
	var e event
	if json.Unmarshal(text, &e) != nil {
		fmt.Fprintf(t.out, "%s", text)
		return true
	}
	if e.Action == "build-output" {
		fmt.Fprint(t.out, e.Output)
		return true
	}
	if e.Package == "" {
		return false
	}
	p := t.packages[e.Package]
	if p == nil {
		p = &pkg{outcomes: map[string]string{}, output: map[string][]string{}}
		t.packages[e.Package] = p
	}
	switch e.Action {
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			delete(t.packages, e.Package)
			return t.ended(e, p)
		}
		p.outcomes[e.Test] = e.Action
		if e.Action == "pass" {
			delete(p.output, e.Test)
		}
	}
	return false
}

// ended counts the tests of a package that is through.
func (t *tally) ended(e event, p *pkg) bool {
	if e.Action == "skip" { // it has no tests
		return false
	}
	t.done++
	var passed int
	var failed []string
	for name, outcome := range p.outcomes {
		switch {
		case outcome == "fail" && !p.below(name, "fail"):
			failed = append(failed, name)
		case outcome != "fail" && p.below(name, ""):
		case outcome == "pass":
			passed++
		case outcome == "skip":
			t.skipped = append(t.skipped, fmt.Sprintf("%s %s: %s", e.Package, name, reason(p.output[name])))
		}
	}
	if e.Action == "fail" && len(failed) == 0 {
		failed = []string{""} // it did not compile, or ended in the middle
	}
	slices.Sort(failed)
	for _, name := range failed {
		t.failures = append(t.failures, strings.TrimSpace(e.Package+" "+name))
		fmt.Fprint(t.out, strings.Join(p.output[name], ""))
	}
	if len(failed) > 0 && failed[0] != "" {
		fmt.Fprint(t.out, strings.Join(p.output[""], ""))
	}
	t.passes += passed
	word := map[bool]string{true: "ok  ", false: "FAIL"}[len(failed) == 0]
	fmt.Fprintf(t.out, "%s  %-70s %4d passed %6.1fs\n", word, e.Package, passed, e.Elapsed)
	return true
}

// below reports whether a test has subtests, with an outcome if one is given.
func (p *pkg) below(name, outcome string) bool {
	for other, o := range p.outcomes {
		if strings.HasPrefix(other, name+"/") && (outcome == "" || o == outcome) {
			return true
		}
	}
	return false
}

// reason is the last thing that a skipped test said.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			return line
		}
	}
	return "no reason given"
}

// summary prints what was skipped and what failed, and last of all the counts.
func (t *tally) summary(took time.Duration) {
	for name := range t.packages { // go test itself was ended
		t.failures = append(t.failures, name+" (not finished)")
	}
	slices.Sort(t.failures)
	fmt.Fprintln(t.out)
	for _, s := range t.skipped {
		fmt.Fprintln(t.out, "skipped:", s)
	}
	for _, f := range t.failures {
		fmt.Fprintln(t.out, "failed: ", f)
	}
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped in %s\n", t.passes, len(t.failures), len(t.skipped), took)
}
