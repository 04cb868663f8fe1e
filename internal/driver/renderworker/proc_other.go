//go:build !linux

package renderworker

import "os/exec"

// apart does nothing here; a worker still ends when its input does.
func apart(*exec.Cmd) {}

func killGroup(int) {}

// memory is not known here; GOMEMLIMIT and the timeout remain.
func (w *worker) memory() int64 { return 0 }

func limitMemory(int64) {}
