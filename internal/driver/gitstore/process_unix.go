//go:build unix && !linux

package gitstore

import (
	"os/exec"
	"syscall"
)

// isolate puts the process into a group of its own, to be killed as a whole.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
