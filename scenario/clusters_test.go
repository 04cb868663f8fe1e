package scenario

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// farCluster is another control plane, a story's own.
type farCluster struct {
	*world // of which only what speaks to the API server is there

	process *process
}

// cluster NAME starts another control plane and registers it with plumbd under
// $NS-NAME; $SERVER_NAME is its address.
func (s *story) cluster(c *call) error {
	if err := c.want(1, 1, "cluster NAME"); err != nil {
		return err
	}
	if _, err := s.in(); err != nil {
		return err
	}
	name := c.args[0]
	dir, err := os.MkdirTemp("", "cluster-")
	if err != nil {
		return err
	}
	far := &farCluster{world: &world{dir: dir}}
	if s.far == nil {
		s.far = map[string]*farCluster{}
	}
	s.far[name] = far
	if err := far.start(s.world.log); err != nil {
		return err
	}
	s.set(c, "SERVER_"+name, far.rest.Host)
	config := map[string]any{"bearerToken": far.rest.BearerToken, "tlsClientConfig": map[string]any{
		"caData":   base64.StdEncoding.EncodeToString(far.rest.CAData),
		"certData": base64.StdEncoding.EncodeToString(far.rest.CertData), "keyData": base64.StdEncoding.EncodeToString(far.rest.KeyData),
	}}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	t, err := s.target("secrets", "argocd/"+s.ns+"-"+name)
	if err != nil {
		return err
	}
	return s.put(t, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]any{"name": t.name, "namespace": t.namespace, "labels": map[string]any{"argocd.argoproj.io/secret-type": "cluster"}},
		"stringData": map[string]any{"name": s.ns + "-" + name, "server": far.rest.Host, "config": string(text)},
	}})
}

// start starts the control plane, or the same one again.
func (f *farCluster) start(log *os.File) error {
	var stdout io.Reader
	var err error
	kubeconfig := filepath.Join(f.dir, "kubeconfig")
	f.process, stdout, err = launch(log, binaries.sandbox, "--data", filepath.Join(f.dir, "cluster"), "--kubeconfig", kubeconfig,
		"--audit-log", filepath.Join(f.dir, "audit.log"), "--exit-with-stdin")
	if err != nil {
		return err
	}
	if _, err := bufio.NewReader(stdout).ReadBytes('\n'); err != nil {
		return fmt.Errorf("another sandbox ended before it was ready: %w", err)
	}
	if f.rest, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
		return err
	}
	if err := rest.LoadTLSFiles(f.rest); err != nil {
		return err
	}
	f.rest.QPS = -1
	f.rest.UserAgent = "scenario"
	f.rest.WarningHandlerWithContext = rest.NoWarnings{}
	f.client, err = dynamic.NewForConfig(f.rest)
	return err
}

func (f *farCluster) close() {
	if f.process != nil {
		_ = f.process.stop()
	}
	_ = os.RemoveAll(f.dir)
}

// at NAME COMMAND… runs a command about objects in another cluster.
func (s *story) at(c *call) error {
	if err := c.want(2, 100, "at NAME COMMAND ARGUMENT..."); err != nil {
		return err
	}
	far, ok := s.far[c.args[0]]
	if !ok {
		return fmt.Errorf("no cluster %q: begin with the command cluster", c.args[0])
	}
	do, ok := commands[c.args[1]]
	if !ok {
		return fmt.Errorf("no command %q", c.args[1])
	}
	here := s.world
	s.world = far.world
	defer func() { s.world = here }()
	do(c.TestScript, c.neg, c.args[2:])
	return nil
}

func init() { commands["at"] = with((*story).at) } // it refers to the others

// leave ends the story's clusters, and removes what registers them.
func (s *story) leave() {
	for name, far := range s.far {
		if sv, err := s.world.lookUp("secrets"); err == nil {
			_ = s.world.at(sv, "argocd").Delete(context.Background(), s.ns+"-"+name, metav1.DeleteOptions{})
		}
		far.close()
	}
}
