package apiserver

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/plumbline-dev/plumbline/sandbox/internal/statedir"
)

// auditPolicy records who did what to which object, without bodies: a body may
// hold a secret.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]
- level: Metadata
`

// User is someone who may log in with a token. What it may do is decided by
// RBAC alone.
type User struct {
	Name   string
	Groups []string
	Token  string
}

// WriteTokens writes the static token file for users to path.
func WriteTokens(path string, users []User) error {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	for _, u := range users {
		if err := w.Write([]string{u.Token, u.Name, u.Name, strings.Join(u.Groups, ",")}); err != nil {
			return fmt.Errorf("token file: user %q: %w", u.Name, err)
		}
	}
	w.Flush()
	if err := statedir.WriteFile(path, buf.Bytes()); err != nil {
		return fmt.Errorf("token file: %w", err)
	}
	return nil
}

// WriteAuditPolicy writes the policy that belongs to Audit to path.
func WriteAuditPolicy(path string) error {
	if err := statedir.WriteFile(path, []byte(auditPolicy)); err != nil {
		return fmt.Errorf("audit policy: %w", err)
	}
	return nil
}
