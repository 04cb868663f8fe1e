package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// git runs git with an identity and a date of its own and returns what it printed.
func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=ann", "GIT_COMMITTER_EMAIL=ann@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// repo [NAME] makes an empty repository; $URL, or $URL_NAME, is where it is.
func (s *story) repo(c *call) error {
	if err := c.want(0, 1, "repo [NAME]"); err != nil {
		return err
	}
	name := ""
	if len(c.args) == 1 {
		name = c.args[0]
	}
	return s.makeRepo(c, name)
}

func (s *story) makeRepo(c *call, name string) error {
	w, err := s.in()
	if err != nil {
		return err
	}
	bare := s.bare(name)
	if _, err := os.Stat(w.path("repos/" + bare)); err == nil {
		return nil
	}
	if _, err := git(w.path("repos"), "init", "--bare", "--initial-branch=main", bare); err != nil {
		return err
	}
	if _, err := git(w.path("repos/"+bare), "config", "http.receivepack", "true"); err != nil {
		return err
	}
	variable := ""
	if name != "" {
		variable = "_" + name
	}
	s.set(c, "URL"+variable, w.git+"/"+bare)
	s.set(c, "AUTHURL"+variable, w.git+"/auth/"+bare)
	return nil
}

func (s *story) bare(name string) string {
	if name == "" {
		return s.ns + ".git"
	}
	return s.ns + "-" + name + ".git"
}

// push [-f] [-quiet] [-repo NAME] BRANCH DIR [MESSAGE] commits the content of DIR
// as the whole content of BRANCH; $HEAD is the new commit. With -f it has no
// parent, and with -quiet no webhook announces it.
func (s *story) push(c *call) error {
	fresh, quiet := c.flag("-f"), c.flag("-quiet")
	name, by := c.option("-repo", ""), c.option("-sign", "")
	if err := c.want(2, 3, "push [-f] [-quiet] [-repo NAME] [-sign PERSON] BRANCH DIR [MESSAGE]"); err != nil {
		return err
	}
	if err := s.makeRepo(c, name); err != nil {
		return err
	}
	branch, message := c.args[0], "change"
	if len(c.args) == 3 {
		message = c.args[2]
	}
	tree, err := os.MkdirTemp("", "push-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	if err := s.copyTree(c.MkAbs(c.args[1]), tree); err != nil {
		return err
	}
	commit, err := commit(tree, s.remote(name, quiet), branch, message, fresh, s.signers[by])
	if err != nil {
		return err
	}
	s.set(c, "HEAD", commit)
	return nil
}

// copyTree copies files and symbolic links and fills in ${NAME} in files.
func (s *story) copyTree(from, to string) error {
	return filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(dest, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return os.Symlink(link, dest)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > 1<<20 {
			return os.Link(file, dest)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(dest, []byte(s.expand(string(text))), 0o644)
	})
}

// remote is where to push to: the server, or its directory behind its back.
func (s *story) remote(name string, quiet bool) string {
	if quiet {
		return s.world.path("repos/" + s.bare(name))
	}
	return s.world.git + "/" + s.bare(name)
}

// commit makes a commit of tree on top of branch, or of nothing, and pushes it, signed
// unless by is nil. The content becomes exactly tree.
func commit(tree, url, branch, message string, fresh bool, by *openpgp.Entity) (string, error) {
	steps := [][]string{{"init", "-q", "--initial-branch=" + branch}}
	if !fresh {
		if heads, err := git(tree, "ls-remote", url, "refs/heads/"+branch); err != nil {
			return "", err
		} else if heads != "" {
			steps = append(steps, []string{"fetch", "-q", "--depth=1", url, branch}, []string{"reset", "-q", "--soft", "FETCH_HEAD"})
		}
	}
	target := "HEAD:refs/heads/" + branch
	if fresh {
		target = "+" + target
	}
	steps = append(steps,
		[]string{"add", "-A", "--force", "."},
		[]string{"commit", "-q", "--allow-empty", "-m", message})
	for _, args := range steps {
		if _, err := git(tree, args...); err != nil {
			return "", err
		}
	}
	if by != nil {
		if err := signHead(tree, by); err != nil {
			return "", err
		}
	}
	if _, err := git(tree, "push", "-q", url, target); err != nil {
		return "", err
	}
	return git(tree, "rev-parse", "HEAD")
}

// fault MODE [NAME] makes a repository misbehave: hang, 500, html, truncate,
// empty, gone, or off; fault api makes the API server.
func (s *story) fault(c *call) error {
	if c.flag("api") {
		return s.faultAPI(c)
	}
	if err := c.want(1, 2, "fault MODE [NAME]"); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	name := ""
	if len(c.args) == 2 {
		name = c.args[1]
	}
	bare := w.path("repos/" + s.bare(name))
	switch c.args[0] {
	case "gone":
		return os.Rename(bare, bare+".away")
	case "empty":
		return loseBranches(bare)
	case "off":
		if err := findBranches(bare); err != nil {
			return err
		}
	}
	if _, err := os.Stat(bare + ".away"); err == nil && c.args[0] == "off" {
		return os.Rename(bare+".away", bare)
	}
	res, err := http.Post(fmt.Sprintf("%s/_fault?repo=%s&mode=%s", w.git, strings.TrimSuffix(s.bare(name), ".git"), c.args[0]), "", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("fault %s: %s", c.args[0], res.Status)
	}
	return nil
}

// loseBranches takes all references out of a repository; findBranches puts them back.
func loseBranches(bare string) error {
	if err := os.Rename(bare+"/refs", bare+"/refs.away"); err != nil {
		return err
	}
	if err := os.Rename(bare+"/packed-refs", bare+"/packed-refs.away"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.MkdirAll(bare+"/refs/heads", 0o755)
}

func findBranches(bare string) error {
	if _, err := os.Stat(bare + "/refs.away"); err != nil {
		return nil //nolint:nilerr // none were lost
	}
	if err := os.Rename(bare+"/packed-refs.away", bare+"/packed-refs"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.RemoveAll(bare+"/refs"), os.Rename(bare+"/refs.away", bare+"/refs"))
}

// replace FILE OLD NEW changes every OLD in a file of the script.
func (s *story) replace(c *call) error {
	if err := c.want(3, 3, "replace FILE OLD NEW"); err != nil {
		return err
	}
	text := c.ReadFile(c.args[0])
	if !strings.Contains(text, c.args[1]) {
		return fmt.Errorf("%s does not contain %q", c.args[0], c.args[1])
	}
	return os.WriteFile(c.MkAbs(c.args[0]), []byte(strings.ReplaceAll(text, c.args[1], c.args[2])), 0o644)
}

// fill [-noise] FILE MEGABYTES appends that many mebibytes of comment to FILE, in
// long lines, or in short ones that cannot be compressed much.
func (s *story) fill(c *call) error {
	noise := c.flag("-noise")
	if err := c.want(2, 2, "fill [-noise] FILE MEGABYTES"); err != nil {
		return err
	}
	n, err := strconv.Atoi(c.args[1])
	if err != nil {
		return err
	}
	file := c.MkAbs(c.args[0])
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	random := rand.NewChaCha8(sha256.Sum256([]byte(c.args[0])))
	for range n {
		line := "#" + strings.Repeat("x", 1<<20-2) + "\n"
		if noise {
			raw := make([]byte, 1<<19)
			_, _ = random.Read(raw)
			line = "# " + strings.ReplaceAll(hex.EncodeToString(raw), "00", "\n# ") + "\n"
		}
		if _, err := f.WriteString(line); err != nil {
			return err
		}
	}
	return nil
}

// generate [-prefix NAME] FILE COUNT writes COUNT ConfigMaps, item-000 and so on,
// into FILE.
func (s *story) generate(c *call) error {
	prefix := c.option("-prefix", "item")
	if err := c.want(2, 2, "generate [-prefix NAME] FILE COUNT"); err != nil {
		return err
	}
	n, err := strconv.Atoi(c.args[1])
	if err != nil {
		return err
	}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s-%03d\ndata:\n  number: \"%d\"\n", prefix, i, i)
	}
	file := c.MkAbs(c.args[0])
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
