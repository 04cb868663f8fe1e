package chart

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Limits of an archive.
const (
	MaxArchive = 64 << 20  // bytes as it is sent
	maxFiles   = 20_000    // in it
	maxContent = 256 << 20 // bytes of all files
	maxFile    = 32 << 20  // bytes of one
)

// Unpack reads a tar archive, compressed with gzip or not, into files by their names.
// With strip the first directory of each name goes, as charts are packed; it has to be
// the same for all. Everything that a chart does not need is refused: links, devices,
// names that lead out or come twice, and more than there may be.
func Unpack(archive []byte, strip bool) (map[string][]byte, error) {
	var r io.Reader = bytes.NewReader(archive)
	if bytes.HasPrefix(archive, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
		defer unzipped.Close()
		r = unzipped
	}
	u := unpacking{files: map[string][]byte{}, strip: strip}
	in := tar.NewReader(io.LimitReader(bufio.NewReader(r), maxContent+maxFiles*1024))
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
		if err := u.take(header, in); err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
	}
	if len(u.files) == 0 {
		return nil, errors.New("archive: there is no file in it")
	}
	return u.files, nil
}

type unpacking struct {
	files   map[string][]byte
	strip   bool
	top     string
	seen    int
	content int64
}

func (u *unpacking) take(header *tar.Header, in io.Reader) error {
	if u.seen++; u.seen > maxFiles {
		return fmt.Errorf("it has more than %d entries", maxFiles)
	}
	switch header.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeSymlink, tar.TypeLink:
		return fmt.Errorf("%q is a link; links are not followed", header.Name)
	default:
		return fmt.Errorf("%q is neither a file nor a directory", header.Name)
	}
	name, err := u.name(header.Name)
	if err != nil || name == "" {
		return err
	}
	if _, twice := u.files[name]; twice {
		return fmt.Errorf("%q comes twice", header.Name)
	}
	if header.Size > maxFile {
		return fmt.Errorf("%q has %d bytes, more than %d", header.Name, header.Size, maxFile)
	}
	if u.content += header.Size; u.content > maxContent {
		return fmt.Errorf("its files have more than %d bytes", maxContent)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("%q: %w", header.Name, err)
	}
	u.files[name] = text
	return nil
}

// name returns under which name an entry is kept; "" for one that is left out.
func (u *unpacking) name(raw string) (string, error) {
	clean := path.Clean(raw)
	if strings.ContainsAny(raw, "\\\x00") || path.IsAbs(raw) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%q is no name below the archive", raw)
	}
	if !u.strip {
		return clean, nil
	}
	top, rest, below := strings.Cut(clean, "/")
	switch {
	case !below:
		return "", nil // a file beside the chart
	case u.top == "":
		u.top = top
	case u.top != top:
		return "", fmt.Errorf("it has two directories at the top, %q and %q", u.top, top)
	}
	return rest, nil
}
