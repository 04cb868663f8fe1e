package object

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	yaml2 "go.yaml.in/yaml/v2"
	yaml3 "go.yaml.in/yaml/v3"
)

// segment is the text between two document markers.
type segment struct {
	text []byte
	line int // of its first byte in the file, from 1
}

// parseYAML parses every document of a file and hands it to yield until that
// fails.
func parseYAML(data []byte, keys Keys, yield func(document) error) error {
	index := 0
	for _, s := range split(data) {
		line, ok := s.firstContent()
		if !ok {
			continue
		}
		values, err := s.parse(keys)
		if err != nil {
			return yamlError(err, index, s.line)
		}
		for _, v := range values {
			if err := yield(document{value: v, line: line}); err != nil {
				return err
			}
			if v != nil {
				index++
			}
		}
	}
	return nil
}

// split cuts a file at its document markers: lines that begin with "---" or
// "...". The former belong to the text that follows because content may stand
// on the same line.
func split(data []byte) []segment {
	var out []segment
	start, startLine, line := 0, 1, 1
	for pos := 0; pos < len(data); line++ {
		end := len(data)
		if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		switch {
		case isMarker(data[pos:end], "---"):
			if pos > start {
				out = append(out, segment{data[start:pos], startLine})
			}
			start, startLine = pos, line
		case isMarker(data[pos:end], "..."):
			out = append(out, segment{data[start:pos], startLine})
			start, startLine = end, line+1
		}
		pos = end
	}
	if start < len(data) {
		out = append(out, segment{data[start:], startLine})
	}
	return out
}

func isMarker(line []byte, marker string) bool {
	if len(line) < 3 || string(line[:3]) != marker {
		return false
	}
	return len(line) == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r' || line[3] == '\n'
}

// firstContent returns the first line that is neither blank, nor a comment, nor
// a bare marker. It reports false when there is none.
func (s segment) firstContent() (int, bool) {
	line := s.line
	for text := s.text; len(text) > 0; line++ {
		var row []byte
		row, text, _ = bytes.Cut(text, []byte("\n"))
		if isMarker(row, "---") {
			row = row[3:]
		}
		row = bytes.TrimSpace(row)
		if len(row) > 0 && row[0] != '#' {
			return line, true
		}
	}
	return 0, false
}

// parse decodes the segment, usually into one value. It is more than one only
// where the parser sees line breaks that split does not (a lone carriage return).
func (s segment) parse(keys Keys) (values []any, err error) {
	defer func() {
		if r := recover(); r != nil {
			values, err = nil, fmt.Errorf("parser gave up: %v", r)
		}
	}()
	values, err = decodeAll(yaml2.NewDecoder(bytes.NewReader(s.text)), keys)
	if !isDuplicate(err) || !bytes.Contains(s.text, []byte("<<")) {
		return values, err
	}
	// A key that overrides a merged one counts as a duplicate to the strict
	// decoder; look again without the merges.
	if err := findDuplicate(s.text); err != nil {
		return nil, err
	}
	return decodeAll(yaml2.NewDecoder(bytes.NewReader(s.text)), LastKeyWins)
}

func decodeAll(d *yaml2.Decoder, keys Keys) ([]any, error) {
	d.SetStrict(keys == UniqueKeys)
	var out []any
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func isDuplicate(err error) bool {
	return err != nil && strings.Contains(err.Error(), "already set in map")
}

// findDuplicate reports the first key that a mapping of the text itself repeats.
func findDuplicate(text []byte) error {
	d := yaml3.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml3.Node
		if err := d.Decode(&n); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := duplicateIn(&n); err != nil {
			return err
		}
	}
}

func duplicateIn(n *yaml3.Node) error {
	if n.Kind == yaml3.MappingNode {
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml3.ScalarNode || key.Tag == "!!merge" {
				continue
			}
			if seen[key.Value] {
				return fmt.Errorf("line %d: key %q already set in map", key.Line, key.Value)
			}
			seen[key.Value] = true
		}
	}
	for _, c := range n.Content {
		if err := duplicateIn(c); err != nil {
			return err
		}
	}
	return nil
}

var (
	lineOf      = regexp.MustCompile(`line (\d+): `)
	duplicateOf = regexp.MustCompile(`key (.+) already set in map`)
)

// yamlError turns the parser's message, which counts lines from the segment,
// into an error of the file.
func yamlError(err error, index, firstLine int) error {
	out := &DecodeError{Document: index, Line: firstLine, Problem: ProblemSyntax}
	text := err.Error()
	if list, ok := errors.AsType[*yaml2.TypeError](err); ok && len(list.Errors) > 0 {
		text = list.Errors[0]
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, "yaml: "))
	if m := lineOf.FindStringSubmatchIndex(text); m != nil {
		if n, convErr := strconv.Atoi(text[m[2]:m[3]]); convErr == nil {
			out.Line = firstLine + n - 1
		}
		text = text[:m[0]] + text[m[1]:]
	}
	switch m := duplicateOf.FindStringSubmatch(text); {
	case m != nil:
		out.Problem = ProblemDuplicateKey
		text = fmt.Sprintf("key %s is there twice", m[1])
	case strings.Contains(text, "excessive aliasing"), strings.Contains(text, "exceeded max depth"):
		out.Problem = ProblemLimit
	}
	out.Detail = "is not valid YAML: " + strings.Join(strings.Fields(text), " ")
	if out.Problem == ProblemDuplicateKey {
		out.Detail = text
	}
	return out
}
