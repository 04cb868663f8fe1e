package term

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Cell is one field of a table.
type Cell struct {
	Text  string
	Style Style
}

// Text makes plain cells.
func Text(texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, t := range texts {
		cells[i] = Cell{Text: t}
	}
	return cells
}

// Table is rows of cells that are aligned when it is written.
type Table struct {
	Indent string
	rows   [][]Cell
}

// Add appends a row.
func (t *Table) Add(cells ...Cell) { t.rows = append(t.rows, cells) }

// columnGap separates columns.
const columnGap = "  "

// Write prints the table. Columns are as wide as their widest cell; the last
// one is cut where the terminal ends.
func (t *Table) Write(p *Printer) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.Text))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		t.writeRow(&b, p, row, widths)
	}
	_, err := io.WriteString(p, b.String())
	return err
}

func (t *Table) writeRow(b *strings.Builder, p *Printer, row []Cell, widths []int) {
	for len(row) > 0 && row[len(row)-1].Text == "" {
		row = row[:len(row)-1]
	}
	b.WriteString(t.Indent)
	used := utf8.RuneCountInString(t.Indent)
	for i, cell := range row {
		last := i == len(row)-1
		text := cell.Text
		if last {
			text = cut(text, p.width-used, p.width)
		}
		b.WriteString(p.Paint(cell.Style, text))
		if !last {
			pad := widths[i] - utf8.RuneCountInString(cell.Text)
			b.WriteString(strings.Repeat(" ", pad) + columnGap)
			used += widths[i] + len(columnGap)
		}
	}
	b.WriteByte('\n')
}

// leastCut is the room below which cutting makes text worthless.
const leastCut = 16

// cut shortens text to room columns unless width is unlimited or room too small.
func cut(text string, room, width int) string {
	if width == 0 || room < leastCut || utf8.RuneCountInString(text) <= room {
		return text
	}
	runes := []rune(text)
	return string(runes[:room-1]) + "…"
}
