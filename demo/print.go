//go:build unix

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// verb says what kind of thing happened.
type verb struct {
	word  string
	style term.Style
}

var (
	committed = verb{"push", term.Blue}
	created   = verb{"created", term.Green}
	changed   = verb{"changed", term.Green}
	removed   = verb{"removed", term.Yellow}
	drifted   = verb{"drift", term.Yellow}
	repaired  = verb{"put back", term.Green}
	healthy   = verb{"ready", term.Green}
	status    = verb{"status", term.Bold}
	problem   = verb{"problem", term.Red}
)

// printer writes the demo's lines: plain ones, with colour on a terminal.
type printer struct{ *term.Printer }

// line tells that something happened just now.
func (p *printer) line(v verb, text string) {
	fmt.Fprintf(p, "%s  %s  %s\n", p.Paint(term.Faint, time.Now().Format("15:04:05.000")), p.Paint(v.style, fmt.Sprintf("%-8s", v.word)), term.Safe(text))
}

// note tells something about the demo itself.
func (p *printer) note(text string) { fmt.Fprintf(p, "\n%s\n", term.Safe(text)) }

// welcome says what runs where.
func (p *printer) welcome(cfg config, repo *repository, server string, resumed bool) {
	title := "Plumbline runs."
	if resumed {
		title = "Plumbline runs again, where the last demo ended."
	}
	fmt.Fprintf(p, `
%s

  cluster     a real Kubernetes API server with simulated nodes; kubeconfig in %s
  Plumbline   plumbd at %s, log in %s
  Git         %s, cloned to %s

`, p.Paint(term.Bold, title), cfg.path("kubeconfig"), server, cfg.path("plumbd.log"), repo.url, repo.clone)
}

// hints says what to try next.
func (p *printer) hints(cfg config, repo *repository, namespace string) {
	file := filepath.Join("apps", "web-app", "overlays", "production", "kustomization.yaml")
	kubectl := "kubectl --kubeconfig " + cfg.path("kubeconfig") + " "
	var text strings.Builder
	fmt.Fprintf(&text, `
%s, in a second terminal

  Change the number of replicas ("count:") in %s
  See what that would do, then let it happen:
    %s --kubeconfig %s diff web-app-production --repo %s
    git -C %[5]s commit -am "Scale web-app"
    git -C %[5]s push

  Change something by hand and see it put back:
    %[6]s-n %[7]s scale deployment web-app --replicas 1
    %[6]s-n %[7]s delete service web-app
`, p.Paint(term.Bold, "Try next"), filepath.Join(repo.clone, file), filepath.Join(cfg.bin, "plumb"), cfg.path("kubeconfig"), repo.clone, kubectl, namespace)
	if _, err := exec.LookPath("kubectl"); err != nil {
		fmt.Fprint(&text, "  (kubectl is not installed here: https://kubernetes.io/docs/tasks/tools)\n")
	}
	fmt.Fprint(&text, "\n  Ctrl-C stops, \"make up\" goes on, \"make down\" clears.\n\n")
	fmt.Fprint(p, text.String())
}
