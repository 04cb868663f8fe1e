//go:build !linux

package plugin

import "os/exec"

func confine(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func giveAway(string) error { return nil }
