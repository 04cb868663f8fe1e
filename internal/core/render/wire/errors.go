package wire

import (
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// wireError is an error on its way between processes: its text, and the types
// and sentinels in its chain that callers branch on.
type wireError struct {
	Text     string   `json:"text"`
	Causes   []string `json:"causes,omitempty"` // names in sentinels
	Stopped  *render.StoppedError
	Path     *render.PathError
	Decode   *object.DecodeError
	Escape   *source.EscapeError
	Size     *source.SizeError
	Module   *source.SubmoduleError
	LFS      *source.LFSPointerError
	FileOp   string `json:"fileOp,omitempty"` // of an *fs.PathError that is the whole error
	FilePath string `json:"filePath,omitempty"`
}

var sentinels = []struct {
	name string
	err  error
}{
	{"not exist", fs.ErrNotExist},
	{"invalid", fs.ErrInvalid},
	{"permission", fs.ErrPermission},
	{"directory", source.ErrIsDirectory},
	{"not directory", source.ErrNotDirectory},
	{"special", source.ErrSpecialFile},
	{"loop", source.ErrLinkLoop},
}

// EncodeError writes an error for the other side.
func EncodeError(err error) []byte {
	w := wireError{Text: err.Error()}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			w.Causes = append(w.Causes, s.name)
		}
	}
	if p, ok := err.(*fs.PathError); ok && len(w.Causes) == 1 {
		w.FileOp, w.FilePath = p.Op, p.Path
	}
	w.Stopped, _ = errors.AsType[*render.StoppedError](err)
	w.Path, _ = errors.AsType[*render.PathError](err)
	w.Decode, _ = errors.AsType[*object.DecodeError](err)
	w.Escape, _ = errors.AsType[*source.EscapeError](err)
	w.Size, _ = errors.AsType[*source.SizeError](err)
	w.Module, _ = errors.AsType[*source.SubmoduleError](err)
	w.LFS, _ = errors.AsType[*source.LFSPointerError](err)
	data, err := json.Marshal(w)
	if err != nil {
		return []byte(`{"text":"error that cannot be told"}`)
	}
	return data
}

// DecodeError returns the error that EncodeError wrote: errors.Is and errors.As find in
// it what callers branch on.
func DecodeError(data []byte) error {
	var w wireError
	if err := json.Unmarshal(data, &w); err != nil {
		return errors.New("error that cannot be read")
	}
	var chain []error
	for _, s := range sentinels {
		for _, name := range w.Causes {
			if name == s.name {
				chain = append(chain, s.err)
			}
		}
	}
	if w.FileOp != "" && len(chain) == 1 {
		return &fs.PathError{Op: w.FileOp, Path: w.FilePath, Err: chain[0]}
	}
	chain = appendTyped(chain, w)
	if len(chain) == 1 && chain[0].Error() == w.Text {
		return chain[0]
	}
	return &carriedError{text: w.Text, chain: chain}
}

func appendTyped(chain []error, w wireError) []error {
	if w.Stopped != nil {
		chain = append(chain, w.Stopped)
	}
	if w.Path != nil {
		chain = append(chain, w.Path)
	}
	if w.Decode != nil {
		chain = append(chain, w.Decode)
	}
	if w.Escape != nil {
		chain = append(chain, w.Escape)
	}
	if w.Size != nil {
		chain = append(chain, w.Size)
	}
	if w.Module != nil {
		chain = append(chain, w.Module)
	}
	if w.LFS != nil {
		chain = append(chain, w.LFS)
	}
	return chain
}

// carriedError is an error that came from the other process.
type carriedError struct {
	text  string
	chain []error
}

func (e *carriedError) Error() string   { return e.text }
func (e *carriedError) Unwrap() []error { return e.chain }
