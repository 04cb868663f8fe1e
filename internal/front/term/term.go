// Package term writes for people and for pipes.
//
// In go values and where they are written to; out come aligned tables, colour
// where a terminal shows it, and lines no wider than the terminal. The package
// decides nothing about content and never writes a control sequence to
// anything but a terminal.
package term

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Colour says when to write colour.
type Colour string

// The choices.
const (
	Auto  Colour = "" // on a terminal, unless NO_COLOR is set or TERM is "dumb"
	Never Colour = "never"
)

// Style is how a piece of text looks.
type Style string

// The styles, as SGR parameters.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Blue   Style = "34"
)

// Printer writes to one destination.
type Printer struct {
	io.Writer
	coloured bool
	width    int
}

// New returns a printer for w. getenv looks up environment variables.
func New(w io.Writer, colour Colour, getenv func(string) string) *Printer {
	p := &Printer{Writer: w}
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		p.width = width
	}
	p.coloured = colour == Auto && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	return p
}

// Width returns the columns of the terminal; 0 means that there is no limit.
func (p *Printer) Width() int { return p.width }

// Paint returns text in a style where the destination shows one. Control
// characters in text are replaced in any case.
func (p *Printer) Paint(style Style, text string) string {
	text = Safe(text)
	if !p.coloured || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Safe returns text on one line without control characters, so that what comes
// from a repository or a cluster cannot steer a terminal.
func Safe(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
}
