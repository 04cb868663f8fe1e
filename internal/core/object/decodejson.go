package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	kjson "sigs.k8s.io/json"
)

func looksLikeJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] == '{'
}

// parseJSON parses one JSON value or several in a row.
func parseJSON(data []byte) ([]document, error) {
	var docs []document
	stream := json.NewDecoder(bytes.NewReader(data))
	for {
		start := int(stream.InputOffset())
		var raw json.RawMessage
		err := stream.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		start += len(data[start:]) - len(bytes.TrimLeft(data[start:], " \t\r\n"))
		fail := func(at int, problem Problem, detail string) error {
			return &DecodeError{Document: len(docs), Line: lineAt(data, at), Problem: problem, Detail: detail}
		}
		if err != nil {
			at := len(data)
			if e, ok := errors.AsType[*json.SyntaxError](err); ok {
				at = int(e.Offset)
			}
			return nil, fail(at, ProblemSyntax, "is not valid JSON: "+err.Error())
		}
		var v any
		strict, err := kjson.UnmarshalStrict(raw, &v)
		if err != nil {
			return nil, fail(start, ProblemSyntax, "is not valid JSON: "+err.Error())
		}
		if len(strict) > 0 {
			detail := strings.TrimPrefix(strict[0].Error(), "duplicate field ")
			return nil, fail(start, ProblemDuplicateKey, fmt.Sprintf("key %s is there twice", detail))
		}
		docs = append(docs, document{value: v, line: lineAt(data, start)})
	}
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}
