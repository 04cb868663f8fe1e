// Package apierror says what went wrong with a request about one object.
//
// In go a verb, an object and the API server's answer; out comes one line, and
// whether the answer means that the server lacks the kind. Of an answer about a
// Secret it repeats what is wrong and where, never a value. The package never sends
// a request and never hides the answer from the functions of apierrors.
package apierror
