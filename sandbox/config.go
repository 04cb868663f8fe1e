package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/plumbline-dev/plumbline/sandbox/internal/controllers"
)

// config is the command line, checked.
type config struct {
	data, kubeconfig string
	apiPort, gitPort int // 0 means: as last time, or any
	nodes            int
	gitRoot          string // "" means no git server
	gitUser          string
	gitPassword      string
	users            []user
	controllers      controllers.Set
	exitWithStdin    bool
	auditLog         string
	verbose          bool
	pushHook         string
}

// user is one entry of --users.
type user struct {
	name   string
	groups []string
}

const maxNodes = 5000

// safeName is what may become a part of a file name.
var safeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	var users, set, passwordFile string
	fs := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&c.data, "data", "", "folder for everything that survives a restart (required)")
	fs.StringVar(&c.kubeconfig, "kubeconfig", "", "file to write for the cluster admin (required); users get FILE-<user>")
	fs.IntVar(&c.apiPort, "api-port", 0, "port of the API server; 0 takes the last one if it is free, or any")
	fs.IntVar(&c.nodes, "nodes", 3, "simulated nodes that shall exist")
	fs.StringVar(&c.gitRoot, "git-root", "", "serve every NAME.git below this folder over HTTP and HTTPS")
	fs.IntVar(&c.gitPort, "git-port", 0, "port of the plain git server; 0 as for --api-port")
	fs.StringVar(&c.gitUser, "git-user", "", "user that /auth/NAME.git asks for")
	fs.StringVar(&passwordFile, "git-password-file", "", "file with that user's password")
	fs.StringVar(&users, "users", "", "more API users and their groups, as alice=group1+group2,bob=")
	fs.StringVar(&set, "controllers", string(controllers.All), "all, or none for only the API server and what deletes need")
	fs.BoolVar(&c.exitWithStdin, "exit-with-stdin", false, "stop when standard input ends")
	fs.StringVar(&c.auditLog, "audit-log", "", "file that receives one JSON line per API request")
	fs.BoolVar(&c.verbose, "verbose", false, "log to standard error instead of DATA/sandbox.log")
	fs.StringVar(&c.pushHook, "push-hook", "", "URL that receives a push event for every ref pushed")
	if err := fs.Parse(args); err != nil {
		return c, err
	}
	if fs.NArg() > 0 {
		return c, fmt.Errorf("argument %q: only flags are known", fs.Arg(0))
	}
	c.controllers = controllers.Set(set)
	var err error
	if c.users, err = parseUsers(users); err != nil {
		return c, err
	}
	if c.gitPassword, err = readPassword(passwordFile); err != nil {
		return c, err
	}
	return c, c.validate()
}

func (c config) validate() error {
	switch {
	case c.data == "":
		return errors.New("--data: a folder is required")
	case c.kubeconfig == "":
		return errors.New("--kubeconfig: a file is required")
	case c.apiPort < 0 || c.apiPort > 65535:
		return fmt.Errorf("--api-port: %d is not between 0 and 65535", c.apiPort)
	case c.gitPort < 0 || c.gitPort > 65535:
		return fmt.Errorf("--git-port: %d is not between 0 and 65535", c.gitPort)
	case c.nodes < 0 || c.nodes > maxNodes:
		return fmt.Errorf("--nodes: %d is not between 0 and %d", c.nodes, maxNodes)
	case c.controllers != controllers.All && c.controllers != controllers.None:
		return fmt.Errorf("--controllers: %q is neither all nor none", c.controllers)
	case c.gitRoot == "" && (c.gitPort != 0 || c.gitUser != "" || c.pushHook != ""):
		return errors.New("--git-root: required by the other git flags")
	case (c.gitUser == "") != (c.gitPassword == ""):
		return errors.New("--git-user and --git-password-file: only valid together")
	}
	if c.pushHook != "" {
		if u, err := url.Parse(c.pushHook); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("--push-hook: %q is not an http or https URL", c.pushHook)
		}
	}
	return nil
}

func parseUsers(text string) ([]user, error) {
	var out []user
	seen := map[string]bool{}
	if text == "" {
		return nil, nil
	}
	for entry := range strings.SplitSeq(text, ",") {
		name, groups, ok := strings.Cut(entry, "=")
		if !ok || !safeName.MatchString(name) {
			return nil, fmt.Errorf("--users: %q is not of the form NAME=GROUP+GROUP", entry)
		}
		if seen[name] {
			return nil, fmt.Errorf("--users: %q is named twice", name)
		}
		seen[name] = true
		u := user{name: name}
		for g := range strings.SplitSeq(groups, "+") {
			if g != "" {
				u.groups = append(u.groups, g)
			}
		}
		out = append(out, u)
	}
	return out, nil
}

func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--git-password-file: %w", err)
	}
	password := strings.TrimRight(string(raw), "\r\n")
	if password == "" {
		return "", fmt.Errorf("--git-password-file: %s is empty", path)
	}
	return password, nil
}
