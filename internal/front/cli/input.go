package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// stdinName stands for the standard input in flags and messages.
const stdinName = "-"

// readObjects decodes the objects of a file, or of the standard input for "-".
func (c *command) readObjects(name string) ([]*unstructured.Unstructured, error) {
	data, shown, err := c.readInput(name)
	if err != nil {
		return nil, err
	}
	return decodeObjects(shown, data)
}

func decodeObjects(name string, data []byte) ([]*unstructured.Unstructured, error) {
	manifests, err := object.Decode(name, data)
	if err != nil {
		return nil, err
	}
	objects := make([]*unstructured.Unstructured, len(manifests))
	for i, m := range manifests {
		objects[i] = m.Object
	}
	return objects, nil
}

func (c *command) readInput(name string) (data []byte, shown string, err error) {
	if name == stdinName {
		data, err = readLimited(c.In)
		if err == nil && len(bytes.TrimSpace(data)) == 0 {
			err = errors.New("is empty")
		}
		return data, "standard input", wrapInput("standard input", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, name, wrapInput(name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, name, fmt.Errorf("%s: is a directory, want a file", name)
	}
	data, err = readLimited(f)
	return data, name, wrapInput(name, err)
}

// readLimited reads no more than a file may hold, so that an endless input ends.
func readLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, object.DefaultFileLimit+1))
	if err == nil && len(data) > object.DefaultFileLimit {
		err = fmt.Errorf("has more than %d MiB", object.DefaultFileLimit>>20)
	}
	return data, err
}

// wrapInput says which file an error of the system is about, once.
func wrapInput(name string, err error) error {
	if err == nil {
		return nil
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: does not exist", name)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// readFolder decodes the manifests of a folder and of those below it.
func readFolder(dir string) ([]*unstructured.Unstructured, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, wrapInput(dir, err)
	}
	defer root.Close()
	var objects []*unstructured.Unstructured
	var decoder object.Decoder
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return wrapInput(filepath.Join(dir, name), err)
		}
		if entry.IsDir() || !isManifest(name) {
			return nil
		}
		data, err := fs.ReadFile(root.FS(), name)
		if err != nil {
			return wrapInput(filepath.Join(dir, name), err)
		}
		manifests, err := decoder.Decode(filepath.Join(dir, name), data)
		for _, m := range manifests {
			objects = append(objects, m.Object)
		}
		return err
	})
	return objects, err
}

func isManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}
