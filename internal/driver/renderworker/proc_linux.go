package renderworker

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// apart puts the process in a group of its own and ties its life to ours.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(pid int) {
	syscall.Kill(-pid, syscall.SIGKILL) //nolint:errcheck // it may be gone
}

// memory returns the bytes of memory that the process holds.
func (w *worker) memory() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// slack is what the runtime may hold besides what the limit is meant for.
const slack = 256 << 20

// limitMemory makes the kernel refuse memory well above the limit, in case the
// process grows faster than the pool looks.
func limitMemory(limit int64) {
	most := syscall.Rlimit{Cur: uint64(limit + slack), Max: uint64(limit + slack)}
	syscall.Setrlimit(syscall.RLIMIT_DATA, &most)              //nolint:errcheck // the pool watches too
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})  //nolint:errcheck // as above
	syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{}) //nolint:errcheck // as above
}
