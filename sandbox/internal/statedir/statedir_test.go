package statedir_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/sandbox/internal/statedir"
)

func TestRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data")
	d, err := statedir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want := statedir.Ports{API: 1, Git: 2, GitTLS: 3}
	if err := d.RememberPorts(want); err != nil {
		t.Fatal(err)
	}
	token, err := d.Token("alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statedir.Open(path); err == nil || !strings.Contains(err.Error(), "in use by another sandbox") {
		t.Errorf("A second sandbox is told why it may not start: got %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = statedir.Open(path); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if diff := cmp.Diff(want, d.Ports()); diff != "" {
		t.Errorf("Ports outlive a run: -want, +got:\n%s", diff)
	}
	again, err := d.Token("alice")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(token, again); diff != "" {
		t.Errorf("Tokens outlive a run: -want, +got:\n%s", diff)
	}
}

func TestBrokenState(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := statedir.Open(path)
	if err == nil || !strings.Contains(err.Error(), "delete the file") {
		t.Errorf("A broken file is named with the way out: got %v", err)
	}
}
