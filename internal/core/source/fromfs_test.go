package source_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestFromFSIsAFileSystem(t *testing.T) {
	files := fstest.MapFS{"a/b.txt": file("1"), "a/c/d.txt": file("2"), "run": {Data: []byte("#!"), Mode: 0o755}}
	if err := fstest.TestFS(tree(files), "a/b.txt", "a/c/d.txt", "run"); err != nil {
		t.Error(err)
	}
}

// The ids are Git's; these were printed by git hash-object and git write-tree.
func TestFromFSIds(t *testing.T) {
	at := tree(fstest.MapFS{"hello.txt": file("hello\n"), ".git/config": file("x"), "foo/a": file("1\n"), "foo-bar": file("2\n"), "foo.d/x": {Data: []byte("3\n"), Mode: 0o755}, "l": link("foo/a")})
	for name, want := range map[string]string{"hello.txt": "ce013625030ba8dba906f756967f9e9ca394464a", "l": "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d", ".": "b8a3657b53fe52f4633008ba275a6b18610d9a46"} {
		got, err := at.ID(name)
		if err != nil || got != want {
			t.Errorf("ID(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestTreeRefuses(t *testing.T) {
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("ab", 32) + "\nsize 12345\n"
	at := tree(fstest.MapFS{
		"d/f": file("x"), "out": link("../x"), "abs": link("/etc/passwd"), "climb": link("d/../../x"), "prefix": link("/d/../../x"),
		"loop": link("loop2"), "loop2": link("loop"), "dangling": link("nothing"), "below": link("d/f/g"), "d/up": link("../d/f"), "via": link("climb/x"),
		"big": {Data: make([]byte, source.DefaultFileLimit+1)}, "lfs": file(pointer), ".git/config": file("x"), "d/.git": file("gitdir: x"), "self": link("."),
	})
	tests := map[string]struct {
		path string
		want string // of the error, "" for success
		is   error
	}{
		"file":            {"d/f", "", nil},
		"inner link":      {"d/up", "", nil},
		"through root":    {"self/self/d/up", "", nil},
		"link out":        {"out", `path "out" is a symbolic link to "../x", which leaves the repository`, nil},
		"absolute":        {"abs", `path "abs" is a symbolic link to "/etc/passwd", which leaves the repository`, nil},
		"absolute prefix": {"prefix", `path "prefix" is a symbolic link to "/d/../../x", which leaves the repository`, nil},
		"climbs":          {"climb", `path "climb" is a symbolic link to "d/../../x", which leaves the repository`, nil},
		"indirectly":      {"via", `path "via" is a symbolic link to "d/../../x", which leaves the repository`, nil},
		"path out":        {"../x", `path "../x" leaves the repository`, nil},
		"path out later":  {"d/../../x", `path "d/../../x" leaves the repository`, nil},
		"absolute path":   {"/etc/passwd", `path "/etc/passwd" leaves the repository`, nil},
		"not clean":       {"d/../d/f", "read d/../d/f: invalid argument", fs.ErrInvalid},
		"loop":            {"loop", "read loop: too many symbolic links", source.ErrLinkLoop},
		"dangling":        {"dangling", "read dangling: file does not exist", fs.ErrNotExist},
		"below a file":    {"d/f/g", "read d/f/g: file does not exist", fs.ErrNotExist},
		"link below file": {"below", "read below: file does not exist", fs.ErrNotExist},
		"absent":          {"d/nothing", "read d/nothing: file does not exist", fs.ErrNotExist},
		"directory":       {"d", "read d: is a directory", source.ErrIsDirectory},
		"big":             {"big", `file "big" has 16777217 bytes, more than the limit of 16777216`, nil},
		"lfs":             {"lfs", `file "lfs" is a Git LFS pointer to 12345 bytes: LFS content is not fetched; store the file in Git itself`, nil},
		"git":             {".git/config", "read .git/config: file does not exist", fs.ErrNotExist},
		"nested git":      {"d/.git", "read d/.git: file does not exist", fs.ErrNotExist},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := at.ReadFile(tt.path)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want || (tt.is != nil && !errors.Is(err, tt.is)) {
				t.Errorf("ReadFile(%q): %v, want %q", tt.path, err, tt.want)
			}
		})
	}
	if _, err := at.ReadDir("d/f"); !errors.Is(err, source.ErrNotDirectory) {
		t.Error(err)
	}
}

// A directory on disk, with a pipe nobody writes to and a link to the outside.
func TestFromFSOnDisk(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600)
	os.Symlink("f", filepath.Join(dir, "l"))
	os.Symlink(os.DevNull, filepath.Join(dir, "null"))
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	at := source.FromFS(os.DirFS(dir), source.Revision{})
	if data, err := at.ReadFile("l"); string(data) != "x" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := at.ReadFile("pipe"); !errors.Is(err, source.ErrSpecialFile) {
		t.Error(err)
	}
	if _, err := at.ID("."); err != nil {
		t.Error(err)
	}
	var escape *source.EscapeError
	if _, err := at.Stat("null"); !errors.As(err, &escape) {
		t.Error(err)
	}
}
