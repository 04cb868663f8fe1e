package gitstore

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
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

func (s *sshServer) remote(path string) Remote {
	return Remote{
		URL:  "ssh://" + s.login + "@" + s.address + path,
		Auth: Auth{SSHPrivateKey: s.key, SSHPassphrase: s.passphrase, KnownHosts: s.known},
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
	changes := map[string]struct {
		change func(*Remote)
		want   FailureKind
	}{
		"unknown host": {func(r *Remote) {
			r.Auth.KnownHosts = []byte("example.com " + string(ssh.MarshalAuthorizedKey(otherPublic)))
		}, FailedHostKey},
		"changed host key": {func(r *Remote) {
			host, _, _ := strings.Cut(string(srv.known), " ")
			r.Auth.KnownHosts = []byte(host + " " + string(ssh.MarshalAuthorizedKey(otherPublic)))
		}, FailedHostKey},
		"wrong key":        {func(r *Remote) { r.Auth.SSHPrivateKey, r.Auth.SSHPassphrase = otherKey, "" }, FailedAuth},
		"no repository":    {func(r *Remote) { r.URL += "/nowhere" }, FailedNotFound},
		"no passphrase":    {func(r *Remote) { r.Auth.SSHPassphrase = "" }, FailedSetup},
		"wrong passphrase": {func(r *Remote) { r.Auth.SSHPassphrase = "guess" }, FailedSetup},
		"no key":           {func(r *Remote) { r.Auth.SSHPrivateKey = []byte("nonsense") }, FailedSetup},
		"nobody listens":   {func(r *Remote) { r.URL = "ssh://git@127.0.0.1:1/x" }, FailedNetwork},
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

func TestURLsThatAreRefused(t *testing.T) {
	s := newStore(t, Options{})
	s.opts.AllowFile = FileRefused
	key, public := newKey(t, "")
	good := Auth{SSHPrivateKey: key, KnownHosts: ssh.MarshalAuthorizedKey(public)}
	tests := map[string]struct {
		url  string
		auth Auth
		want string
	}{
		"empty":           {"", good, `git repository "": the URL is empty`},
		"option":          {"--upload-pack=touch /tmp/x", good, `git repository "--upload-pack=touch%20/tmp/x": the URL starts with a dash`},
		"helper":          {"ext::sh -c touch% /tmp/x", good, ""},
		"helper 2":        {"fd::17/foo", good, ""},
		"file":            {"file:///etc", good, `git repository "file:///etc": local repositories are not fetched from`},
		"path":            {"/etc", good, `git repository "/etc": is neither a URL nor git@host:path`},
		"relative":        {"../x", good, ""},
		"git":             {"git://h/x", good, `git repository "git://h/x": scheme "git" is not supported: use https, ssh or http`},
		"ftp":             {"ftp://h/x", good, ""},
		"newline":         {"https://h/x\nhost=evil", good, `git repository "https://h/xhost=evil": the URL has control characters`},
		"encoded newline": {"https://h/x%0ahost=evil", good, ""},
		"host option":     {"ssh://-oProxyCommand=touch/x", good, ""},
		"user option":     {"ssh://-oProxyCommand=x@h/x", good, ""},
		"path option":     {"ssh://h/-x", good, ""},
		"shell":           {"ssh://git@h/a'; id #", good, ""},
		"shell host":      {"ssh://git@h;id/a", good, ""},
		"scp option":      {"-oProxyCommand=x:a", good, ""},
		"scp host option": {"git@-oProxyCommand=x:a", good, ""},
		"no host":         {"https:///x", good, ""},
		"no path":         {"ssh://git@h/", good, ""},
		"bad port":        {"https://h:99999/x", good, ""},
		"fragment":        {"https://h/x#main", good, ""},
		"long":            {"https://h/" + strings.Repeat("x", 3000), good, ""},
		"known hosts":     {"ssh://git@h/x", Auth{SSHPrivateKey: key}, `git repository "ssh://git@h/x": the credentials have no known_hosts: add the server's key, as "ssh-keyscan h" prints it`},
		"scp known hosts": {"git@h:x/y", Auth{SSHPrivateKey: key}, `git repository "git@h:x/y": the credentials have no known_hosts: add the server's key, as "ssh-keyscan h" prints it`},
		"no key":          {"ssh://git@h/x", Auth{KnownHosts: []byte("x")}, `git repository "ssh://git@h/x": the credentials have no SSH private key`},
		"two secrets":     {"https://h/x", Auth{Password: "p4ssw0rd", BearerToken: "t0k3n"}, `git repository "https://h/x": has both a password and a bearer token: give one of them`},
		"line break":      {"https://h/x", Auth{Password: "p4ssw0rd\n"}, `git repository "https://h/x": the credentials have control characters: look for a line break at the end of the secret`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := s.Fetch(t.Context(), Remote{URL: tt.url, Auth: tt.auth})
			var refused *URLError
			if !errors.As(err, &refused) || tt.want != "" && err.Error() != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestAddressesThatAreAccepted(t *testing.T) {
	good := Auth{SSHPrivateKey: []byte("k"), KnownHosts: []byte("h")}
	for in, want := range map[string]string{
		"git@github.com:org/repo.git":      "ssh://git@github.com/org/repo.git",
		"github.com:org/repo":              "ssh://git@github.com/org/repo",
		"ssh://github.com/org/repo":        "ssh://git@github.com/org/repo",
		"ssh://me:pw@github.com:2222/a/b":  "ssh://me@github.com:2222/a/b",
		"me@[2001:db8::1]:a/b":             "ssh://me@[2001:db8::1]/a/b",
		"https://me:pw@h/a.git":            "https://h/a.git",
		"HTTP://h:8080/a%20b":              "http://h:8080/a%20b",
		"https://h/_git/project?version=1": "https://h/_git/project?version=1",
	} {
		got, err := checkRemote(Remote{URL: in, Auth: good}, FileRefused)
		if err != nil || got.text != want {
			t.Errorf("%s: %q, %v, want %q", in, got.text, err, want)
		}
	}
}

func TestReferenceNamesThatAreRefused(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	s := newStore(t, Options{})
	for _, name := range []string{"main", "--x", "refs/heads/../../config", "refs/a b", "refs/x\ny", "refs/x:y", "refs/x*", "refs/", "refs/x.lock", "refs//x", "refs/.x"} {
		if _, err := s.Fetch(t.Context(), w.remote(), name); kindOf(err) != FailedNotFound {
			t.Errorf("%q: %v", name, err)
		}
	}
}
