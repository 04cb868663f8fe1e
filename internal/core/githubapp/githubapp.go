// Package githubapp decides how a GitHub App gets a token for its repositories.
//
// In go the app as it is registered, the time and GitHub's answers; out come what to
// ask GitHub for, with the assertion that proves who asks, and the token. The package
// asks nobody. What GitHub expects is in its documentation, "Authenticating as a
// GitHub App" and "Authenticating as a GitHub App installation".
package githubapp

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// DefaultAPI is where GitHub's own API is.
const DefaultAPI = "https://api.github.com"

// User is the name that goes with a token.
const User = "x-access-token"

// App is a GitHub App as it is registered.
type App struct {
	ID           int64
	Installation int64  // 0: found out by the repository
	Key          []byte // PEM
	API          string // URL without a slash at the end; empty: DefaultAPI
}

// Token opens repositories until it expires.
type Token struct {
	Text    string
	Expires time.Time
}

// Fresh reports whether a token is good for as long as a fetch may take.
func (t Token) Fresh(now time.Time) bool { return t.Text != "" && t.Expires.Sub(now) > 10*time.Minute }

// Identity tells apps apart, and says nothing of the key.
func (a App) Identity() string {
	sum := sha256.Sum256(a.Key)
	return fmt.Sprintf("github app %d of %s, installation %d, key %s", a.ID, a.api(), a.Installation, hex.EncodeToString(sum[:8]))
}

func (a App) api() string {
	if a.API == "" {
		return DefaultAPI
	}
	return strings.TrimRight(a.API, "/")
}

// InstallationURL is asked, with GET, for the installation that has a repository.
func (a App) InstallationURL(repository string) (string, error) {
	u, err := url.Parse(source.NormalizeURL(repository))
	if err != nil {
		return "", errors.New("its address is no URL")
	}
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	if len(parts) != 2 || parts[0] == "" {
		return "", fmt.Errorf("its path %q is not OWNER/REPOSITORY, by which the installation is found: give githubAppInstallationID", u.Path)
	}
	return a.api() + "/repos/" + parts[0] + "/" + parts[1] + "/installation", nil
}

// TokenURL is asked, with POST, for a token of an installation.
func (a App) TokenURL(installation int64) string {
	return fmt.Sprintf("%s/app/installations/%d/access_tokens", a.api(), installation)
}

// lifetime of an assertion; GitHub takes no more than ten minutes, by its own clock.
const lifetime = 8 * time.Minute

// Assertion returns the JSON Web Token by which the app proves itself at a time.
func (a App) Assertion(now time.Time) (string, error) {
	key, err := a.privateKey()
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(lifetime).Unix(), "iss": fmt.Sprint(a.ID)})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("the private key cannot sign")
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// Check says what is wrong with an app.
func (a App) Check() error {
	if a.ID <= 0 {
		return errors.New("githubAppID is no number of an app")
	}
	if u, err := url.Parse(a.api()); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("githubAppEnterpriseBaseUrl is no URL such as https://github.example.com/api/v3")
	}
	_, err := a.privateKey()
	return err
}

func (a App) privateKey() (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(strings.TrimSpace(string(a.Key))))
	if block == nil {
		return nil, errors.New("githubAppPrivateKey is not in PEM form")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := any.(*rsa.PrivateKey); ok && err == nil {
		return key, nil
	}
	return nil, errors.New("githubAppPrivateKey is no RSA key, as GitHub makes them")
}

// ReadInstallation reads the answer of InstallationURL.
func ReadInstallation(answer []byte) (int64, error) {
	var body struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.ID == 0 {
		return 0, errors.New("GitHub's answer names no installation")
	}
	return body.ID, nil
}

// ReadToken reads the answer of TokenURL.
func ReadToken(answer []byte) (Token, error) {
	var body struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Token == "" || body.Expires.IsZero() {
		return Token{}, errors.New("GitHub's answer has no token")
	}
	return Token{Text: body.Token, Expires: body.Expires}, nil
}

// RefusedError reports that GitHub does not give what it was asked for.
type RefusedError struct{ text string }

func (e *RefusedError) Error() string { return e.text }

// Refused says what an answer means that gives nothing; what is what was asked for.
// That GitHub has a problem of its own is no refusal.
func Refused(status int, answer []byte, what string) error {
	var body struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(answer, &body)
	text := strings.Join(strings.Fields(strings.ToValidUTF8(body.Message, "?")), " ")
	if len(text) > 200 {
		text = text[:200]
	}
	way := ""
	switch status {
	case 401:
		way = "; check githubAppID and githubAppPrivateKey, and this machine's clock"
	case 403, 404:
		way = "; check that the app is installed for the repository, and githubAppInstallationID"
	}
	if status >= 500 || status == 429 {
		return fmt.Errorf("GitHub cannot give %s at present (%d): %s", what, status, text)
	}
	return &RefusedError{fmt.Sprintf("GitHub refuses %s (%d): %s%s", what, status, text, way)}
}
