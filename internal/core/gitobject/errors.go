package gitobject

import "fmt"

// CorruptError reports data that cannot be what Git wrote.
type CorruptError struct {
	Object string // id, if known
	File   string // name of the damaged file, if known
	Err    error
}

func (e *CorruptError) Error() string {
	subject := "git object " + e.Object
	if e.Object == "" {
		subject = fmt.Sprintf("git file %q", e.File)
	}
	return fmt.Sprintf("%s: damaged: %v", subject, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// MissingError reports an object that is not where it was looked for.
type MissingError struct {
	Object string // id
}

func (e *MissingError) Error() string { return fmt.Sprintf("git object %s: is not there", e.Object) }

// TooLargeError reports an object above a limit, before it is inflated.
type TooLargeError struct {
	Size, Limit int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("object has %d bytes, more than the limit of %d", e.Size, e.Limit)
}
