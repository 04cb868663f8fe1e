package main

import "syscall"

// attributes keep a child out of the terminal's Ctrl-C, so that the demo ends
// its parts in order, and end it when the demo is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
