package flux

import (
	"fmt"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
)

// Credentials reads the Secret that a GitRepository names.
func Credentials(ref app.SecretRef, data map[string][]byte) (app.Credentials, error) {
	text := func(key string) string { return string(data[key]) }
	c := app.Credentials{
		Username: text("username"), Password: text("password"), BearerToken: text("bearerToken"),
		SSHPrivateKey: data["identity"], KnownHosts: data["known_hosts"],
		ClientCert: data["tls.crt"], ClientKey: data["tls.key"], CABundle: data["ca.crt"],
	}
	if len(c.CABundle) == 0 {
		c.CABundle = data["caFile"]
	}
	refuse := func(what string) (app.Credentials, error) {
		return app.Credentials{}, condition.Because(condition.SourceFailed, fmt.Errorf("secret '%s/%s': %s", ref.Namespace, ref.Name, what))
	}
	switch {
	case len(data["githubAppID"]) > 0:
		return refuse("GitHub App credentials are not supported by this version; use a token as password")
	case c.BearerToken != "" && (c.Username != "" || c.Password != ""):
		return refuse("it holds both a bearerToken and a username and password; keep one")
	case (len(c.SSHPrivateKey) > 0) != (len(c.KnownHosts) > 0):
		return refuse("SSH needs both 'identity' and 'known_hosts'")
	}
	if len(c.SSHPrivateKey) > 0 {
		c.SSHPassphrase, c.Password = c.Password, ""
	}
	return c, nil
}
