package term

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestNoColourInPipes(t *testing.T) {
	var b bytes.Buffer
	p := New(&b, Auto, os.Getenv)
	if got := p.Paint(Red, "x"); got != "x" || p.Width() != 0 {
		t.Errorf("a buffer is no terminal: %q, width %d", got, p.Width())
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got := New(w, Auto, os.Getenv).Paint(Red, "x"); got != "x" {
		t.Errorf("nor is a pipe: %q", got)
	}
}

func TestPaint(t *testing.T) {
	p := &Printer{coloured: true}
	if got := p.Paint(Green, "ok"); got != "\x1b[32mok\x1b[0m" {
		t.Errorf("%q", got)
	}
	if got := p.Paint(Green, "a\x1b[2Jb\nc\u009bd"); strings.Count(got, "\x1b") != 2 || strings.ContainsAny(got, "\n\u009b") {
		t.Errorf("text cannot steer the terminal: %q", got)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	p := &Printer{Writer: &b, width: 30}
	table := Table{Indent: " "}
	table.Add(Text("a", "bb", "a message that is longer than the line")...)
	table.Add(Text("äää", "", "short")...)
	table.Add(Text("last", "")...)
	if err := table.Write(p); err != nil {
		t.Fatal(err)
	}
	want := " a     bb  a message that is …\n äää       short\n last\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	p.width = 0
	if err := table.Write(p); err != nil || !strings.Contains(b.String(), "longer than the line\n") {
		t.Errorf("without a terminal nothing is cut: %q, %v", b.String(), err)
	}
}
