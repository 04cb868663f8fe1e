// Package etcd runs one etcd member inside the process. A data folder goes in;
// the endpoint of a single-member store comes out. It listens on a unix socket
// in a private folder only and never opens a TCP port.
package etcd

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

const (
	maxSocketPath = 100     // Linux allows 107 bytes for a unix socket's path
	quota         = 4 << 30 // bytes of live data before etcd refuses writes

	// advertised is written into the member's record and never dialled: the
	// store has one member and its clients use the socket.
	advertised = "http://127.0.0.1:2380"
)

// Server is a running store.
type Server struct {
	Endpoint string // for --etcd-servers

	etcd      *embed.Etcd
	socketDir string // removed on Stop; "" when the socket lives in the data folder
}

// Start opens or creates the store in dir and waits until it serves. Durability
// is that of the operating system's page cache: data survives the end of the
// process, but not a crash of the machine, because fsync is off.
func Start(ctx context.Context, dir string, log *zap.Logger) (*Server, error) {
	s := &Server{}
	socket := filepath.Join(dir, "client.sock")
	if len(socket) > maxSocketPath {
		tmp, err := os.MkdirTemp("", "plumbline-sandbox-")
		if err != nil {
			return nil, fmt.Errorf("etcd: socket folder: %w", err)
		}
		s.socketDir, socket = tmp, filepath.Join(tmp, "client.sock")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	cfg, err := config(dir, socket, log)
	if err != nil {
		return nil, err
	}
	if s.etcd, err = embed.StartEtcd(cfg); err != nil {
		s.removeSocketDir()
		return nil, fmt.Errorf("etcd: %w", err)
	}
	s.Endpoint = "unix://" + socket
	select {
	case <-s.etcd.Server.ReadyNotify():
		return s, nil
	case err := <-s.etcd.Err():
		s.Stop()
		return nil, fmt.Errorf("etcd: %w", err)
	case <-ctx.Done():
		s.Stop()
		return nil, fmt.Errorf("etcd: %w", context.Cause(ctx))
	}
}

func config(dir, socket string, log *zap.Logger) (*embed.Config, error) {
	peer, err := url.Parse(advertised)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	cfg := embed.NewConfig()
	cfg.Name = "sandbox"
	cfg.Dir = filepath.Join(dir, "data")
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: socket}}
	cfg.AdvertiseClientUrls = []url.URL{*peer}
	cfg.InitialCluster = cfg.Name + "=" + advertised
	cfg.UnsafeNoFsync = true
	cfg.QuotaBackendBytes = quota
	cfg.SnapshotCount = 5000
	cfg.TickMs, cfg.ElectionMs = 20, 100 // one member: an election only delays the start
	return cfg, nil
}

// Err reports the error that ended a running store.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Stop closes the store and returns when its files are closed.
func (s *Server) Stop() {
	s.etcd.Close()
	s.removeSocketDir()
}

func (s *Server) removeSocketDir() {
	if s.socketDir != "" {
		_ = os.RemoveAll(s.socketDir)
	}
}
