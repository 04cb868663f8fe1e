//go:build !race

package scenario

// buildFlags build plumbd the way this test was built.
var buildFlags = []string{"-tags", "kustomize_disable_go_plugin_support"}
