package gitstore

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

// sshServer is a real sshd on the loopback interface.
type sshServer struct {
	address    string
	known      []byte // its line for known_hosts
	key        []byte // a private key that it lets in
	login      string
	passphrase string
}

func newKey(t *testing.T, passphrase string) (private []byte, public ssh.PublicKey) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "test")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err = ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), public
}

func startSSH(t *testing.T, passphrase string) *sshServer {
	t.Helper()
	program := "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("sshd is not installed: ssh is tested only where it is (Debian: openssh-server)")
	}
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	if me.Uid == "0" { // sshd then wants the directory it gives up its rights in
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	hostKey, hostPublic := newKey(t, "")
	clientKey, clientPublic := newKey(t, passphrase)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, port, _ := net.SplitHostPort(address)
	files := map[string]string{
		"host_key":        string(hostKey),
		"authorized_keys": string(ssh.MarshalAuthorizedKey(clientPublic)),
		"config": fmt.Sprintf("ListenAddress %s\nHostKey %s/host_key\nAuthorizedKeysFile %s/authorized_keys\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"+
			"PermitRootLogin prohibit-password\nStrictModes no\nUsePAM no\nPidFile none\nAcceptEnv GIT_PROTOCOL\n", address, dir, dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "config"))
	var log tail
	log.limit = 4096
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not answer: %s", log.String())
		}
	}
	known := fmt.Appendf(nil, "[127.0.0.1]:%s %s", port, ssh.MarshalAuthorizedKey(hostPublic))
	return &sshServer{address: address, known: known, key: clientKey, login: me.Username, passphrase: passphrase}
}

func (s *sshServer) remote(path string) gitremote.Remote {
	return gitremote.Remote{
		URL:  "ssh://" + s.login + "@" + s.address + path,
		Auth: gitremote.Auth{SSHPrivateKey: s.key, SSHPassphrase: s.passphrase, KnownHosts: s.known},
	}
}

func TestFetchOverSSH(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", "1")
	id := w.commit("one")
	srv := startSSH(t, "open sesame")
	s := newStore(t, Options{})
	r := srv.remote(w.dir)
	if refs := mustFetch(t, s, r); refs["HEAD"].ID != id {
		t.Errorf("%v", refs)
	}
	if data, err := mustTree(t, s, r, id).ReadFile("a.txt"); string(data) != "1" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	leftovers(t, s)

	otherKey, otherPublic := newKey(t, "")
	anyone := r
	anyone.Auth.KnownHosts, anyone.Auth.HostKeys = []byte("127.0.0.1 "+string(ssh.MarshalAuthorizedKey(otherPublic))), gitremote.HostKeysAny
	if refs := mustFetch(t, s, anyone); refs["HEAD"].ID != id {
		t.Errorf("from a host whose key is not looked at: %v", refs)
	}
	changes := map[string]struct {
		change func(*gitremote.Remote)
		want   gitremote.FailureKind
	}{
		"unknown host": {func(r *gitremote.Remote) {
			r.Auth.KnownHosts = []byte("example.com " + string(ssh.MarshalAuthorizedKey(otherPublic)))
		}, gitremote.FailedHostKey},
		"changed host key": {func(r *gitremote.Remote) {
			host, _, _ := strings.Cut(string(srv.known), " ")
			r.Auth.KnownHosts = []byte(host + " " + string(ssh.MarshalAuthorizedKey(otherPublic)))
		}, gitremote.FailedHostKey},
		"wrong key":        {func(r *gitremote.Remote) { r.Auth.SSHPrivateKey, r.Auth.SSHPassphrase = otherKey, "" }, gitremote.FailedAuth},
		"no repository":    {func(r *gitremote.Remote) { r.URL += "/nowhere" }, gitremote.FailedNotFound},
		"no passphrase":    {func(r *gitremote.Remote) { r.Auth.SSHPassphrase = "" }, gitremote.FailedSetup},
		"wrong passphrase": {func(r *gitremote.Remote) { r.Auth.SSHPassphrase = "guess" }, gitremote.FailedSetup},
		"no key":           {func(r *gitremote.Remote) { r.Auth.SSHPrivateKey = []byte("nonsense") }, gitremote.FailedSetup},
		"nobody listens":   {func(r *gitremote.Remote) { r.URL = "ssh://git@127.0.0.1:1/x" }, gitremote.FailedNetwork},
	}
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			r := srv.remote(w.dir)
			tt.change(&r)
			_, err := s.Fetch(t.Context(), r)
			if kindOf(err) != tt.want {
				t.Errorf("%v, want kind %s", err, tt.want)
			}
			oneLine(t, err, "sesame", "guess")
			leftovers(t, s)
		})
	}
}

func TestReferenceNamesThatAreRefused(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	s := newStore(t, Options{})
	for _, name := range []string{"main", "--x", "refs/heads/../../config", "refs/a b", "refs/x\ny", "refs/x:y", "refs/x*", "refs/", "refs/x.lock", "refs//x", "refs/.x"} {
		if _, err := s.Fetch(t.Context(), w.remote(), name); kindOf(err) != gitremote.FailedNotFound {
			t.Errorf("%q: %v", name, err)
		}
	}
}
