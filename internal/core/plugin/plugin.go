// Package plugin decides what programs of an installation's own are run with to make
// manifests, and what their output is.
//
// In go what is known of a plugin, a request and what a run left behind; out come the
// environment, errors that name the step and its last words, and manifests. The package
// starts nothing.
package plugin

import (
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// Definition is a plugin as an installation has it.
type Definition struct {
	Name     string
	Init     Command // run before Generate; empty: nothing is
	Generate Command // prints the manifests
	Rule     render.PluginRule
	Modes    bool     // files that may be executed in the repository may be here
	Pass     []string // variables of the server's environment that its commands get
}

// Command is a program and its arguments.
type Command []string

// Check says what is wrong with a definition.
func (d Definition) Check() error {
	switch {
	case d.Name == "":
		return fmt.Errorf("a plugin has no name")
	case strings.ContainsAny(d.Name, "/\\ \t\n"):
		return fmt.Errorf("plugin %q: a name has no slashes or blanks", d.Name)
	case len(d.Generate) == 0 || d.Generate[0] == "":
		return fmt.Errorf("plugin %q: generate has no command", d.Name)
	case len(d.Init) > 0 && d.Init[0] == "":
		return fmt.Errorf("plugin %q: init has no command", d.Name)
	}
	for _, name := range d.Pass {
		if len(validation.IsEnvVarName(name)) > 0 {
			return fmt.Errorf("plugin %q: %q is no name of a variable", d.Name, name)
		}
	}
	return nil
}

// Environment returns what commands of the plugin see: what the server passes on, the
// machine's, and what the request says, the later of one name in place of the earlier.
// home is a directory of the run's own; lookup reads the server's environment.
func (d Definition) Environment(req render.Request, home string, lookup func(string) (string, bool)) []string {
	values := map[string]string{}
	var order []string
	set := func(name, value string) {
		if _, again := values[name]; !again {
			order = append(order, name)
		}
		values[name] = value
	}
	for _, name := range append([]string{"PATH"}, d.Pass...) {
		if value, ok := lookup(name); ok {
			set(name, value)
		}
	}
	set("HOME", home)
	set("TMPDIR", home)
	set("LC_ALL", "C.UTF-8")
	set("KUBE_VERSION", strings.TrimPrefix(req.KubeVersion, "v"))
	set("KUBE_API_VERSIONS", strings.Join(req.APIVersions, ","))
	if req.Plugin != nil {
		for _, v := range req.Plugin.Env {
			set(v.Name, v.Value)
		}
	}
	out := make([]string, len(order))
	for i, name := range order {
		out[i] = name + "=" + values[name]
	}
	return out
}

// Failed is the error of a step that did not come to a good end. It may do so next
// time, as a plugin may ask servers.
func (d Definition) Failed(step string, command Command, why, words string) error {
	text := fmt.Sprintf("by plugin %q failed: %s: %s: %s", d.Name, step, path.Base(command[0]), why)
	if words = lastWords(words); words != "" {
		text += ": " + words
	}
	return &render.StoppedError{Cause: text}
}

const wordsLimit = 600 // bytes

// lastWords makes one line of the end of what a program said.
func lastWords(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if len(text) > wordsLimit {
		text = "... " + strings.ToValidUTF8(text[len(text)-wordsLimit:], "")
	}
	return text
}

// Result makes manifests of what the plugin printed.
func (d Definition) Result(output []byte, warnings []string) (render.Result, error) {
	decoder := object.Decoder{Keys: object.LastKeyWins} // as templates may repeat what they set
	manifests, err := decoder.Decode("output of plugin "+d.Name, output)
	if err != nil {
		return render.Result{}, err
	}
	return render.Result{Tool: render.Plugin, Manifests: manifests, Warnings: warnings, Digest: render.Digest(manifests)}, nil
}
