package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// maxLog is the size above which a start moves sandbox.log aside, in bytes.
const maxLog = 32 << 20

// output is where words go. The libraries inside write to file descriptors 1
// and 2 when they please, so both lead to the log and the originals are kept.
type output struct {
	stdout, stderr io.Writer
	log            *os.File
	slog           *slog.Logger
	zap            *zap.Logger
}

// redirect sends everything but our own words to DATA/sandbox.log, or to
// standard error with --verbose.
func redirect(cfg config) (*output, error) {
	stdout, err := duplicate(os.Stdout)
	if err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	stderr, err := duplicate(os.Stderr)
	if err != nil {
		return nil, fmt.Errorf("standard error: %w", err)
	}
	log := stderr
	if !cfg.verbose {
		if log, err = openLog(cfg.data); err != nil {
			return nil, err
		}
	}
	for _, fd := range []int{1, 2} {
		if err := unix.Dup2(int(log.Fd()), fd); err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
	}
	if err := debug.SetCrashOutput(stderr, debug.CrashOptions{}); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	o := &output{stdout: stdout, stderr: stderr, log: log}
	o.slog = slog.New(slog.NewTextHandler(log, nil))
	slog.SetDefault(o.slog)
	o.zap = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), log, zap.WarnLevel))
	return o, quietKlog(log)
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func openLog(data string) (*os.File, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %q: %w", data, err)
	}
	path := filepath.Join(data, "sandbox.log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".old")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return f, nil
}

func quietKlog(w io.Writer) error {
	fs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(fs)
	if err := fs.Parse([]string{"-logtostderr=false", "-alsologtostderr=false", "-stderrthreshold=FATAL", "-one_output=true"}); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	klog.SetOutput(w)
	return nil
}
