// Package scenario tells whole stories about Plumbline and checks that they
// come true.
//
// In go scripts, one .txtar file each, whose first line says what must hold; the
// tests run them against the plumbd binary, a real API server and a real Git
// server. The package holds no code but tests and never looks inside plumbd:
// what counts is what people see in the cluster, the conditions and the log.
package scenario
