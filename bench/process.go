package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// sandbox is a running control plane.
type sandbox struct {
	Server     string `json:"server"`
	Kubeconfig string `json:"kubeconfig"`
	Git        struct {
		HTTP string `json:"http"`
	} `json:"git"`

	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func startSandbox(ctx context.Context, o options, dir string, extra ...string) (*sandbox, error) {
	if err := os.MkdirAll(filepath.Join(dir, "git"), 0o755); err != nil {
		return nil, err
	}
	args := append([]string{
		"--data", filepath.Join(dir, "sandbox"), "--kubeconfig", filepath.Join(dir, "kubeconfig"),
		"--git-root", filepath.Join(dir, "git"), "--controllers=none", "--nodes", "0", "--exit-with-stdin",
	}, extra...)
	s := &sandbox{cmd: exec.CommandContext(ctx, o.sandbox, args...)}
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w (make build makes it)", o.sandbox, err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not become ready: %w", o.sandbox, errors.Join(err, s.cmd.Wait()))
	}
	return s, json.Unmarshal(line, s)
}

func (s *sandbox) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
}

func (s *sandbox) config() (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err == nil {
		cfg.QPS, cfg.Burst = -1, 0
	}
	return cfg, err
}

// cpu returns the CPU seconds of a process and those that ended below it.
func cpu(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+2:]))
	total := 0.0
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		ticks, _ := strconv.ParseFloat(fields[i], 64)
		total += ticks / 100
	}
	return total
}

// memory returns a line of /proc/PID/status in MiB: VmRSS or VmHWM.
func memory(pid int, field string) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// plumbd is a running server.
type plumbd struct {
	cmd  *exec.Cmd
	addr string
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func startPlumbd(ctx context.Context, o options, s *sandbox, dir, addr string, flags ...string) (*plumbd, error) {
	log, err := os.OpenFile(filepath.Join(dir, "plumbd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"-kubeconfig", s.Kubeconfig, "-data", filepath.Join(dir, "plumbd"), "-listen", addr,
		"-log-level", "warn", "-profile", "-poll", "10m",
	}, flags...)
	p := &plumbd{addr: addr, cmd: exec.CommandContext(ctx, o.plumbd, args...)}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, wait(ctx, often, func() (bool, error) {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false, nil
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	})
}

func (p *plumbd) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// counters are metric values by name and labels.
type counters map[string]float64

// metrics reads the server's counters.
func (p *plumbd) metrics(names ...string) (counters, error) {
	resp, err := http.Get("http://" + p.addr + "/metrics?" + url.Values{"name[]": names}.Encode())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, err
	}
	out := counters{}
	for name, family := range families {
		for _, m := range family.Metric {
			labels := ""
			for _, l := range m.Label {
				labels += " " + l.GetName() + "=" + l.GetValue()
			}
			out[name+labels] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out, nil
}

// sum adds up all counters whose name and labels contain every text.
func (c counters) sum(texts ...string) float64 {
	total := 0.0
	for name, value := range c {
		matches := true
		for _, text := range texts {
			matches = matches && strings.Contains(name, text)
		}
		if matches {
			total += value
		}
	}
	return total
}

// Pauses between two looks. Looking costs both sides something, so it is done
// seldom while much is under way.
const (
	often  = 20 * time.Millisecond
	seldom = 50 * time.Millisecond
)

func wait(ctx context.Context, pause time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
