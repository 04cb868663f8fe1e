//go:build !linux

package scenario

import "os/exec"

// dieWithParent has no equal elsewhere; a test that is killed may leave plumbd behind.
func dieWithParent(*exec.Cmd) {}
