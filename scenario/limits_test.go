package scenario

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// limits are what the plumbd of a world has to do with.
type limits struct {
	files   string // open at most; empty: as many as the tests
	room    string // of its data, as mount takes it; empty: that of the machine
	mounted string // where that is mounted
}

// readLimits takes -files and -disk off the front of flags.
func readLimits(flags []string) (limits, []string) {
	var l limits
	for len(flags) > 1 {
		switch flags[0] {
		case "-files":
			l.files = flags[1]
		case "-disk":
			l.room = flags[1]
		default:
			return l, flags
		}
		flags = flags[2:]
	}
	return l, flags
}

// confine returns the command line under the limits, whose disk is at a directory.
func (l *limits) confine(args []string, dir string) ([]string, error) {
	if l.room != "" && l.mounted == "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+l.room, "tmpfs", dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("mount: %w: %s", err, out)
		}
		l.mounted = dir
	}
	if l.files == "" {
		return args, nil
	}
	return slices.Concat([]string{"/bin/sh", "-c", `ulimit -n "$0" && exec "$@"`, l.files}, args), nil
}

func (l *limits) unmount() {
	if l.mounted != "" {
		_ = exec.Command("umount", l.mounted).Run()
	}
}

// disk SIZE gives the data of a world that began with -disk another size.
func (s *story) disk(c *call) error {
	if err := c.want(1, 1, "disk SIZE"); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	if w.mounted == "" {
		return fmt.Errorf("the story has to begin with private -disk SIZE")
	}
	if out, err := exec.Command("mount", "-o", "remount,size="+c.args[0], w.mounted).CombinedOutput(); err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	return nil
}

// mayMount reports whether a disk of another size can be had here.
func mayMount() bool {
	dir, err := os.MkdirTemp("", "mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).Run() != nil {
		return false
	}
	return exec.Command("umount", dir).Run() == nil
}
