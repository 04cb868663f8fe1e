package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	coreplugin "github.com/plumbline-dev/plumbline/internal/core/plugin"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/driver/plugin"
)

// plugins reads the definitions in a directory, in the order of their files.
func plugins(dir string) (*plugin.Renderer, []render.PluginRule, error) {
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, nil, err
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("-plugins: %w", err)
	}
	var list []coreplugin.Definition
	var rules []render.PluginRule
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("-plugins: %w", err)
		}
		d, err := argo.DecodePlugin(data)
		if err != nil {
			return nil, nil, fmt.Errorf("-plugins: %s: %w", file, err)
		}
		list = append(list, d)
		if d.Rule.File != "" || d.Rule.Glob != "" {
			rules = append(rules, d.Rule)
		}
	}
	r, err := plugin.New(plugin.Options{Plugins: list})
	if err != nil {
		return nil, nil, fmt.Errorf("-plugins: %w", err)
	}
	return r, rules, nil
}
