// Package packagestore fetches charts from HTTP repositories, and charts and other
// artifacts from OCI registries, and keeps the archives on disk.
//
// What is in an index or an archive is decided by package chart. Credentials go to the
// host that they are for, and to no other.
package packagestore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Remote is a repository of charts or artifacts.
type Remote struct {
	URL         string // http://, https:// or oci://
	Credentials app.Credentials
}

// Want is a chart, or with an empty name the artifact that the URL is of, in a version,
// a range of versions, a tag or a digest.
type Want struct {
	Chart, Version string
}

// Options tune a Store. The zero value works.
type Options struct {
	Disk   int64 // bytes of archives that are kept; 0 means 1 GiB
	Memory int64 // bytes of unpacked files that are kept; 0 means 64 MiB
	Logger *slog.Logger
}

// Store fetches packages. Its methods may be called concurrently.
type Store struct {
	dir  string
	opts Options

	mu      sync.Mutex
	indexes map[string]*index // by repository and user
	trees   []kept            // the last used first

	ways ways
}

// kept is a package whose files are in memory.
type kept struct {
	key   string
	files map[string][]byte
	size  int64
}

// Open returns a Store that keeps archives in a directory, which it makes.
func Open(dir string, opts Options) (*Store, error) {
	opts.Disk, opts.Memory = cmp.Or(opts.Disk, 1<<30), cmp.Or(opts.Memory, 64<<20)
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("package store: %w", err)
	}
	return &Store{dir: dir, opts: opts, indexes: map[string]*index{}, ways: ways{known: map[wayKey]*http.Transport{}}}, nil
}

// patience bounds one look at a repository, and one download.
const patience = 2 * time.Minute

// Find says what is wanted stands for: an ID, or why there is none. It fails when the
// repository cannot be asked.
func (s *Store) Find(ctx context.Context, remote Remote, wants []Want) (map[Want]source.RefTarget, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s did not answer within %s", source.Redact(remote.URL), patience))
	defer cancel()
	find := s.findByIndex
	if isOCI(remote.URL) {
		find = s.findInRegistry
	}
	found, err := find(ctx, remote, wants)
	if err != nil {
		return nil, reason(ctx, remote, err)
	}
	return found, nil
}

// Tree returns the files of a package by the ID that Find gave.
func (s *Store) Tree(ctx context.Context, remote Remote, name string, rev source.Revision) (source.Tree, error) {
	key := keyOf(source.NormalizeURL(remote.URL), remote.Credentials.Username, name, rev.ID)
	if files := s.inMemory(key); files != nil {
		return source.FromFiles(files, rev), nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s did not send %s within %s", source.Redact(remote.URL), rev.ID, patience))
	defer cancel()
	archive, err := s.archive(ctx, remote, key, name, rev.ID)
	if err != nil {
		return nil, reason(ctx, remote, err)
	}
	files, err := chart.Unpack(archive.data, archive.packed)
	if err != nil {
		_ = os.Remove(s.file(key, archive.packed))
		return nil, fmt.Errorf("%s: %s %s: %w", source.Redact(remote.URL), cmp.Or(name, "artifact"), rev.ID, err)
	}
	s.remember(key, files)
	return source.FromFiles(files, rev), nil
}

// blob is an archive, and whether its files are in a directory of their own, as those
// of charts are.
type blob struct {
	data   []byte
	packed bool
}

// archive reads one from the disk, or fetches it.
func (s *Store) archive(ctx context.Context, remote Remote, key, name, id string) (blob, error) {
	for _, packed := range []bool{true, false} {
		file := s.file(key, packed)
		data, err := os.ReadFile(file)
		if err == nil {
			now := time.Now()
			_ = os.Chtimes(file, now, now) // the last that is removed
			return blob{data, packed}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return blob{}, err
		}
	}
	fetch := s.fetchByIndex
	if isOCI(remote.URL) {
		fetch = s.fetchFromRegistry
	}
	got, err := fetch(ctx, remote, name, id)
	if err != nil {
		return blob{}, err
	}
	if err := s.write(s.file(key, got.packed), got.data); err != nil {
		s.opts.Logger.Warn("archive not kept", "repository", source.Redact(remote.URL), "err", err)
	}
	return got, nil
}

func (s *Store) file(key string, packed bool) string {
	if packed {
		return filepath.Join(s.dir, key+".chart")
	}
	return filepath.Join(s.dir, key+".artifact")
}

// write puts a file in its place as a whole, and makes room.
func (s *Store) write(file string, data []byte) error {
	part, err := os.CreateTemp(s.dir, "part-")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	_, err = part.Write(data)
	if err := errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), file); err != nil {
		return err
	}
	return s.makeRoom()
}

// makeRoom removes the archives that were not used for longest.
func (s *Store) makeRoom() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	total := int64(0)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			files, total = append(files, info), total+info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range files {
		if total <= s.opts.Disk {
			break
		}
		if err := os.Remove(filepath.Join(s.dir, info.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= info.Size()
	}
	return nil
}

// inMemory returns the files of a package that was unpacked before.
func (s *Store) inMemory(key string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.trees, func(k kept) bool { return k.key == key })
	if i < 0 {
		return nil
	}
	found := s.trees[i]
	s.trees = slices.Insert(slices.Delete(s.trees, i, i+1), 0, found)
	return found.files
}

func (s *Store) remember(key string, files map[string][]byte) {
	now := kept{key: key, files: files}
	for name, text := range files {
		now.size += int64(len(name) + len(text))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trees = slices.Insert(slices.DeleteFunc(s.trees, func(k kept) bool { return k.key == key }), 0, now)
	total := int64(0)
	for i, k := range s.trees {
		if total += k.size; total > s.opts.Memory && i > 0 {
			clear(s.trees[i:])
			s.trees = s.trees[:i]
			return
		}
	}
}

func keyOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func isOCI(url string) bool { return strings.HasPrefix(url, "oci://") }

// reason says what kept a repository from being read; of a wait that ended, how long
// that was.
func reason(ctx context.Context, remote Remote, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", source.Redact(remote.URL), err)
}
