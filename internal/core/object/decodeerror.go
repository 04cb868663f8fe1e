package object

import (
	"errors"
	"fmt"
	"strings"
)

// Problem says what kind of thing is wrong with a file.
type Problem string

// The problems. NotObject means that the text is fine but is not a Kubernetes
// object: values of a chart, a workflow of a forge, a plain list.
const (
	ProblemSyntax       Problem = "Syntax"
	ProblemDuplicateKey Problem = "DuplicateKey"
	ProblemNotObject    Problem = "NotObject"
	ProblemLimit        Problem = "Limit"
)

// DecodeError reports a file that cannot be decoded into objects.
type DecodeError struct {
	File     string
	Document int // index among the documents that are not empty, from 0
	Line     int // in the file, from 1; 0 when unknown
	Problem  Problem
	Detail   string // "has no kind"
}

// Error returns "deploy.yaml: document 2, line 14: has no kind".
func (e *DecodeError) Error() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s: ", e.File)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "document %d, line %d: ", e.Document+1, e.Line)
	}
	b.WriteString(e.Detail)
	return b.String()
}

// problemError is an error on its way to becoming a DecodeError.
type problemError struct {
	problem Problem
	text    string
}

func (e *problemError) Error() string { return e.text }

func limitError(format string, args ...any) error {
	return &problemError{problem: ProblemLimit, text: fmt.Sprintf(format, args...)}
}

// inFile completes an error of a parser with the name of the file.
func inFile(file string, err error) error {
	if e, ok := errors.AsType[*DecodeError](err); ok {
		e.File = file
		return e
	}
	return &DecodeError{File: file, Problem: ProblemSyntax, Detail: err.Error()}
}
