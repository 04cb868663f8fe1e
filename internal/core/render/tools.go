package render

import (
	"context"
	"fmt"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Tools is a Renderer that leaves each request to the renderer of its tool,
// which it detects if the request names none. It must not change while in use.
type Tools map[Tool]Renderer

// Render implements Renderer.
func (t Tools) Render(ctx context.Context, req Request, tree source.Tree) (Result, error) {
	req, err := req.Detect(tree)
	if err != nil {
		return Result{}, err
	}
	r, has := t[req.Tool]
	if !has && req.Tool == Plugin {
		return Result{}, &PluginError{Path: req.Path, Name: req.Plugin.Name}
	}
	if !has {
		return Result{}, fmt.Errorf("path %q: there is no renderer for %s", req.Path, req.Tool)
	}
	return r.Render(ctx, req, tree)
}

// StoppedError reports a render that did not come to an end by itself: it ran
// out of time or memory, or its process died. It says nothing about the files,
// so it is never remembered.
type StoppedError struct {
	Cause string // "stopped after 60s: ..."
}

func (e *StoppedError) Error() string { return "render " + e.Cause }
