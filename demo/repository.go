//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// exampleURL is what the sample's Application names as its repository.
const exampleURL = "https://github.com/myorg/infrastructure"

const branch = "main"

// repository is the sample repository: served from bare, edited in clone.
type repository struct {
	url   string // where the sandbox serves it
	bare  string
	clone string
}

// prepare makes the sample repository, or finds it from last time; then it
// reports true. What exists is never written to, except for where it points.
func prepare(ctx context.Context, cfg config, server string) (*repository, bool, error) {
	r := &repository{url: server + "/infrastructure.git", bare: cfg.path("git", "infrastructure.git"), clone: cfg.path("infrastructure")}
	resumed := exists(r.bare)
	if !resumed {
		if err := r.create(ctx, cfg.example); err != nil {
			return nil, false, fmt.Errorf("sample repository: %w", err)
		}
	}
	if !exists(r.clone) {
		if err := r.checkout(ctx); err != nil {
			return nil, false, fmt.Errorf("clone of the sample repository: %w", err)
		}
	}
	if _, err := git(ctx, r.clone, "remote", "set-url", "origin", r.url); err != nil {
		return nil, false, fmt.Errorf("clone of the sample repository: %w (remove %s to get a new one)", err, r.clone)
	}
	return r, resumed, nil
}

// create makes the bare repository with one commit. It appears complete or not
// at all.
func (r *repository) create(ctx context.Context, example string) error {
	temp, err := os.MkdirTemp(filepath.Dir(r.bare), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	work, bare := filepath.Join(temp, "work"), filepath.Join(temp, "bare")
	if err := os.CopyFS(work, os.DirFS(example)); err != nil {
		return err
	}
	if err := replaceURL(filepath.Join(work, "argocd", "applications"), r.url); err != nil {
		return err
	}
	for _, step := range [][]string{
		{work, "init", "--quiet"},
		{work, "symbolic-ref", "HEAD", "refs/heads/" + branch},
		{work, "add", "--all"},
		{work, "-c", "user.name=Demo", "-c", "user.email=demo@localhost", "commit", "--quiet", "--message", "Deliver web-app to production"},
		{temp, "init", "--quiet", "--bare", "bare"},
		{bare, "symbolic-ref", "HEAD", "refs/heads/" + branch},
		{work, "push", "--quiet", "../bare", branch},
	} {
		if _, err := git(ctx, step[0], step[1:]...); err != nil {
			return err
		}
	}
	return os.Rename(bare, r.bare)
}

// replaceURL points the Applications in dir at the repository that holds them.
func replaceURL(dir, url string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte(exampleURL), []byte(url)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkout makes the clone in which a newcomer commits. Its own settings make
// commit and push work whatever the machine's are.
func (r *repository) checkout(ctx context.Context) error {
	temp := r.clone + ".new"
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if _, err := git(ctx, ".", "clone", "--quiet", r.url, temp); err != nil {
		return err
	}
	for _, setting := range [][2]string{
		{"user.name", "Demo"}, {"user.email", "demo@localhost"}, {"commit.gpgSign", "false"},
		{"core.hooksPath", ".git/hooks"}, {"push.default", "simple"}, {"http.proxy", ""},
	} {
		if _, err := git(ctx, temp, "config", setting[0], setting[1]); err != nil {
			return err
		}
	}
	return os.Rename(temp, r.clone)
}

// head is the commit that the served branch is at; "" when that cannot be read.
func (r *repository) head(ctx context.Context) string {
	id, err := git(ctx, r.bare, "rev-parse", "--verify", "--quiet", "refs/heads/"+branch)
	if err != nil {
		return ""
	}
	return id
}

// heads is the directory in which a push writes the branches.
func (r *repository) heads() string { return filepath.Join(r.bare, "refs", "heads") }

// subject is the first line of a commit's message; "" for an unknown one.
func (r *repository) subject(ctx context.Context, id string) string {
	text, err := git(ctx, r.bare, "log", "--max-count=1", "--format=%s", id, "--")
	if err != nil {
		return ""
	}
	return text
}

// git runs git in a directory, away from the machine's settings.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "GIT_") { // as in a hook, which would be about another repository
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
