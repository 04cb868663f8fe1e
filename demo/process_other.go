//go:build unix && !linux

package main

import "syscall"

// attributes keep a child out of the terminal's Ctrl-C, so that the demo ends
// its parts in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
