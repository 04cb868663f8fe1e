// Package hook receives push events of Git servers.
//
// In go the requests of webhooks; out comes a call for the repository that was
// pushed to. The body is taken as a hint only: it makes the engine look, and
// nothing in it is believed beyond that. The package reads at most MaxBody
// bytes of a request.
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// MaxBody bounds an event, in bytes.
const MaxBody = 10 << 20

// Pushed asks for a look at every repository that one of the URLs names and
// returns how many there are.
type Pushed func(ctx context.Context, urls ...string) int

// Handler answers POST requests with push events as GitHub, GitLab, Gitea and
// Bitbucket, Cloud and Server, send them.
func Handler(pushed Pushed, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "push events are sent with POST", http.StatusMethodNotAllowed)
			return
		}
		var event event
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody)).Decode(&event)
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			http.Error(w, fmt.Sprintf("the event has more than %d bytes", large.Limit), http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			http.Error(w, "the body is not a JSON push event", http.StatusBadRequest)
			return
		}
		urls := event.urls()
		if len(urls) == 0 {
			http.Error(w, "the event names no repository: expected repository.clone_url, .ssh_url, .git_http_url or .html_url", http.StatusBadRequest)
			return
		}
		n := pushed(r.Context(), urls...)
		log.Debug("push event received", "repository", urls[0], "known", n)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "looking at %d repositories\n", n)
	})
}

// event is what the servers' events have in common.
type event struct {
	Repository struct {
		CloneURL   string `json:"clone_url"` // GitHub, Gitea
		SSHURL     string `json:"ssh_url"`
		HTMLURL    string `json:"html_url"`
		GitHTTPURL string `json:"git_http_url"` // GitLab
		GitSSHURL  string `json:"git_ssh_url"`
		Links      struct {
			Clone []struct {
				Href string `json:"href"`
			} `json:"clone"` // Bitbucket Server
			HTML struct {
				Href string `json:"href"`
			} `json:"html"` // Bitbucket Cloud
		} `json:"links"`
	} `json:"repository"`
}

func (e event) urls() []string {
	var list []string
	add := func(text string) {
		if text != "" && len(text) < 2048 {
			list = append(list, text)
		}
	}
	r := e.Repository
	for _, text := range []string{r.CloneURL, r.SSHURL, r.HTMLURL, r.GitHTTPURL, r.GitSSHURL, r.Links.HTML.Href} {
		add(text)
	}
	for _, link := range r.Links.Clone {
		add(link.Href)
	}
	return list
}
