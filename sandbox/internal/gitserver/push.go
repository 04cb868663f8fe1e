package gitserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const (
	hookTimeout = 5 * time.Second
	noCommit    = "0000000000000000000000000000000000000000"
)

// event is the part of GitHub's push event that receivers look at.
type event struct {
	Ref        string     `json:"ref"`
	Before     string     `json:"before"`
	After      string     `json:"after"`
	Created    bool       `json:"created"`
	Deleted    bool       `json:"deleted"`
	Repository repository `json:"repository"`
}

type repository struct {
	Name          string `json:"name"`
	FullName      string `json:"full_name"`
	HTMLURL       string `json:"html_url"`
	CloneURL      string `json:"clone_url"`
	DefaultBranch string `json:"default_branch"`
}

// receive lets git take a push and reports the refs it moved.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, name string) {
	if s.opts.Hook == "" {
		s.git(name, "/git-receive-pack").ServeHTTP(w, r)
		return
	}
	before, err := s.refs(r.Context(), name)
	if err != nil {
		s.opts.Log.Error("push event lost", "repository", name, "err", err)
	}
	s.git(name, "/git-receive-pack").ServeHTTP(w, r)
	if err != nil {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	after, err := s.refs(ctx, name)
	if err != nil {
		s.opts.Log.Error("push event lost", "repository", name, "err", err)
		return
	}
	events := s.events(ctx, name, before, after)
	s.hooks.Go(func() {
		for _, e := range events {
			if err := s.post(ctx, e); err != nil {
				s.opts.Log.Error("push event lost", "repository", name, "ref", e.Ref, "err", err)
			}
		}
	})
}

// events describes every ref that differs, sorted by name.
func (s *Server) events(ctx context.Context, name string, before, after map[string]string) []event {
	all := maps.Clone(before)
	maps.Copy(all, after)
	repo := repository{
		Name:          name[strings.LastIndex(name, "/")+1:],
		FullName:      name,
		HTMLURL:       s.base + "/" + name,
		CloneURL:      s.base + "/" + name + ".git",
		DefaultBranch: s.defaultBranch(ctx, name),
	}
	var out []event
	for _, ref := range slices.Sorted(maps.Keys(all)) {
		e := event{Ref: ref, Before: before[ref], After: after[ref], Repository: repo}
		if e.Before == e.After {
			continue
		}
		if e.Created = e.Before == ""; e.Created {
			e.Before = noCommit
		}
		if e.Deleted = e.After == ""; e.Deleted {
			e.After = noCommit
		}
		out = append(out, e)
	}
	return out
}

func (s *Server) refs(ctx context.Context, name string) (map[string]string, error) {
	out, err := s.run(ctx, name, "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		if id, ref, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			refs[ref] = id
		}
	}
	return refs, nil
}

func (s *Server) defaultBranch(ctx context.Context, name string) string {
	head, err := s.run(ctx, name, "symbolic-ref", "--short", "HEAD")
	if err != nil {
		return "main"
	}
	return strings.TrimSpace(head)
}

func (s *Server) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.backend, append([]string{"--git-dir", s.dir(name)}, args...)...)
	cmd.Env = append([]string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}, configEnv(settings)...)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}

func (s *Server) post(ctx context.Context, e event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opts.Hook, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if res.StatusCode >= 300 {
		return fmt.Errorf("receiver answered %s", res.Status)
	}
	return nil
}
