package argo

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/glob"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/jq"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
)

// ConfigName is the ConfigMap that holds the settings of an installation.
const ConfigName = "argocd-cm"

// HealthCheck is a script that judges objects of some kinds.
type HealthCheck struct {
	Group, Kind string // globs
	Key         string // where it is configured, for messages
	Script      string // in Lua
}

// Actions are scripts that do something to objects of some kinds.
type Actions struct {
	Group, Kind string            // globs
	Key         string            // where they are configured, for messages
	Discovery   string            // in Lua, says which there are; empty: all
	Scripts     map[string]string // in Lua, by name
	Merge       bool              // besides the built-in ones
}

// Config is what of a ConfigMap argocd-cm this engine goes by.
type Config struct {
	Health  []HealthCheck // the first that matches judges
	Ignores app.Ignores   // of all applications
	Kinds   app.KindFilter
	Bases   []GlobalProject
	Off     []string // tools that are switched off: kustomize, helm, jsonnet
	Loose   bool     // kustomizations may load files from anywhere in their repository
	Charts  bool     // kustomizations may render charts
	Keys    signature.Keyring
	Actions []Actions // of kinds; the last that matches counts
	Faults  []string  // keys that cannot be read, and why; the rest is in force
}

// KeysName is the ConfigMap that holds the OpenPGP keys whose signatures may count.
const KeysName = "argocd-gpg-keys-cm"

// WithKeys returns the config with the keys that are the data of that ConfigMap.
func (c Config) WithKeys(data map[string]string) Config {
	var faults []string
	c.Keys, faults = signature.ParseKeys(data)
	for _, fault := range faults {
		c.Faults = append(slices.Clip(c.Faults), KeysName+": "+fault)
	}
	return c
}

// Keeping returns the config with what it cannot read of rules that hold something
// back as it was before: a slip of the pen lifts none of them.
func (c Config) Keeping(before Config) Config {
	broken := func(keys ...string) bool {
		return slices.ContainsFunc(c.Faults, func(fault string) bool {
			return slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(fault, key+": ") })
		})
	}
	if broken("resource.exclusions", "resource.inclusions") {
		c.Kinds = before.Kinds
	}
	if broken("globalProjects") {
		c.Bases = before.Bases
	}
	return c
}

// GlobalProject is a project of which others inherit.
type GlobalProject struct {
	Project  string               `json:"projectName"`
	Selector metav1.LabelSelector `json:"labelSelector"` // of those that do
}

// DecodeConfig reads the data of argocd-cm. A key that is broken is named in Faults,
// and hurts no other.
func DecodeConfig(data map[string]string) Config {
	var c Config
	const prefix = "resource.customizations"
	for _, key := range slices.Sorted(maps.Keys(data)) {
		rest, ours := strings.CutPrefix(key, prefix+".")
		if !ours {
			continue
		}
		what, target, _ := strings.Cut(rest, ".")
		group, kind := kindOf(target)
		switch what {
		case "health":
			c.Health = append(c.Health, HealthCheck{Group: group, Kind: kind, Key: key, Script: data[key]})
		case "actions":
			c.actions(key, group, kind, data[key])
		case "ignoreDifferences":
			if target == "all" {
				group, kind = "*", "*"
			}
			c.ignore(key, group, kind, data[key])
		}
	}
	c.legacy(prefix, data[prefix])
	c.Kinds.Excluded = slices.Concat(noise, c.scopes("resource.exclusions", data))
	c.Kinds.Included = c.scopes("resource.inclusions", data)
	c.globals("globalProjects", data)
	c.build("kustomize.buildOptions", data)
	for _, key := range []string{"kustomize.enable", "helm.enable", "jsonnet.enable"} {
		if on, err := strconv.ParseBool(cmp.Or(data[key], "true")); err != nil {
			c.fault(key, "%q is neither true nor false", data[key])
		} else if !on {
			c.Off = append(c.Off, strings.TrimSuffix(key, ".enable"))
		}
	}
	return c
}

// noise are kinds that the cluster writes for itself. Nobody can include them.
var noise = []app.KindScope{
	{Groups: []string{"events.k8s.io", "metrics.k8s.io"}},
	{Groups: []string{""}, Kinds: []string{"Event"}},
	{Groups: []string{"coordination.k8s.io"}, Kinds: []string{"Lease"}},
}

// kindScope is the YAML of one exclusion or inclusion.
type kindScope struct {
	APIGroups []string `json:"apiGroups"`
	Kinds     []string `json:"kinds"`
	Clusters  []string `json:"clusters"`
}

func (c *Config) scopes(key string, data map[string]string) []app.KindScope {
	var list []kindScope
	if err := yaml.UnmarshalStrict([]byte(data[key]), &list); err != nil {
		c.fault(key, "%v; want a list of entries with apiGroups, kinds and clusters", err)
		return nil
	}
	var out []app.KindScope
	for _, s := range list {
		for _, pattern := range slices.Concat(s.APIGroups, s.Clusters) {
			if _, err := glob.Compile(pattern); err != nil {
				c.fault(key, "%q is no pattern: %v", pattern, err)
				return nil
			}
		}
		out = append(out, app.KindScope{Groups: s.APIGroups, Kinds: s.Kinds, Clusters: s.Clusters})
	}
	return out
}

func (c *Config) globals(key string, data map[string]string) {
	if err := yaml.UnmarshalStrict([]byte(data[key]), &c.Bases); err != nil {
		c.fault(key, "%v; want a list of entries with projectName and labelSelector", err)
		c.Bases = nil
		return
	}
	for i, base := range c.Bases {
		_, err := metav1.LabelSelectorAsSelector(&base.Selector)
		if err == nil && base.Project == "" {
			err = errors.New("projectName is missing")
		}
		if err != nil {
			c.fault(key, "[%d]: %v", i, err)
			c.Bases = nil
			return
		}
	}
}

// Inherited returns the names of the projects that one with these labels inherits of.
func (c Config) Inherited(project string, of map[string]string) []string {
	var names []string
	for _, base := range c.Bases {
		selector, err := metav1.LabelSelectorAsSelector(&base.Selector)
		if err == nil && base.Project != project && selector.Matches(labels.Set(of)) && !slices.Contains(names, base.Project) {
			names = append(names, base.Project)
		}
	}
	return names
}

// build reads the flags of "kustomize build".
func (c *Config) build(key string, data map[string]string) {
	words := strings.Fields(strings.ReplaceAll(data[key], "=", " "))
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
			value = words[i+1]
		}
		switch flag := words[i]; {
		case flag == "--load-restrictor" && strings.EqualFold(value, "LoadRestrictionsNone"):
			c.Loose = true
		case flag == "--load-restrictor" && strings.EqualFold(value, "LoadRestrictionsRootOnly"):
			c.Loose = false
		case flag == "--load-restrictor":
			c.fault(key, "--load-restrictor %q is none of LoadRestrictionsNone, LoadRestrictionsRootOnly", value)
		case flag == "--enable-helm":
			c.Charts = true
		case flag == "--helm-command": // charts are rendered here
		case flag == "--reorder": // objects are applied in an order of their own anyway
		case strings.HasPrefix(flag, "-"):
			c.fault(key, "%s is not supported; the others are in force", flag)
		}
	}
}

// Under returns the settings with what argocd-cm says of rendering.
func (s Settings) Under(c Config) Settings {
	s.Loose, s.Off, s.Charts = c.Loose, c.Off, c.Charts
	return s
}

// With lays over s what argocd-cm says of how objects are marked. It decides which
// objects are whose, and so is read once, at the start.
func (s Settings) With(data map[string]string) (Settings, error) {
	if label := data["application.instanceLabelKey"]; label != "" {
		s.InstanceLabel = label
	}
	if id := data["installationID"]; id != "" {
		s.InstallationID = id
	}
	switch method := Tracking(data["application.resourceTrackingMethod"]); method {
	case "":
	case TrackByAnnotation, TrackByLabel, TrackByBoth:
		s.Tracking = method
	default:
		return s, fmt.Errorf("application.resourceTrackingMethod: %q is none of annotation, label, annotation+label", method)
	}
	return s, nil
}

// ParamsName is the ConfigMap that holds flags of an installation's programs.
const ParamsName = "argocd-cmd-params-cm"

// Start is what is read once, at the start, where no flag says otherwise.
type Start struct {
	Namespaces app.Patterns  // further ones in which Applications may be
	Poll       time.Duration // pause between polls of a repository; 0: not said
}

// DecodeStart reads the data of argocd-cm and of argocd-cmd-params-cm.
func DecodeStart(config, params map[string]string) (Start, error) {
	var s Start
	for one := range strings.SplitSeq(params["application.namespaces"], ",") {
		if one = strings.TrimSpace(one); one != "" {
			s.Namespaces = append(s.Namespaces, one)
		}
	}
	if err := s.Namespaces.Check(); err != nil {
		return s, fmt.Errorf("%s: application.namespaces: %w", ParamsName, err)
	}
	if text := config["timeout.reconciliation"]; text != "" {
		d, err := durationOf(text)
		if err != nil || d < 0 {
			return s, fmt.Errorf("%s: timeout.reconciliation: %q is no duration such as 120s or 3m", ConfigName, text)
		}
		s.Poll = d
	}
	return s, nil
}

// kindOf splits "group_Kind" as keys write it; kinds of the core group stand alone.
func kindOf(text string) (group, kind string) {
	if i := strings.LastIndex(text, "_"); i >= 0 {
		return text[:i], text[i+1:]
	}
	return "", text
}

func (c *Config) fault(key, format string, args ...any) {
	c.Faults = append(c.Faults, key+": "+fmt.Sprintf(format, args...))
}

// ignoreRule is the YAML of an ignoreDifferences setting.
type ignoreRule struct {
	JSONPointers          []string `json:"jsonPointers"`
	JQPathExpressions     []string `json:"jqPathExpressions"`
	ManagedFieldsManagers []string `json:"managedFieldsManagers"`
}

// actionRules is the YAML of an actions setting.
type actionRules struct {
	Discovery   string `json:"discovery.lua"`
	Definitions []struct {
		Name   string `json:"name"`
		Script string `json:"action.lua"`
	} `json:"definitions"`
	Merge bool `json:"mergeBuiltinActions"`
}

func (c *Config) actions(key, group, kind, text string) {
	var rules actionRules
	if err := yaml.UnmarshalStrict([]byte(text), &rules); err != nil {
		c.fault(key, "%v", err)
		return
	}
	out := Actions{Group: group, Kind: kind, Key: key, Discovery: rules.Discovery, Scripts: map[string]string{}, Merge: rules.Merge}
	for _, d := range rules.Definitions {
		if d.Name == "" || d.Script == "" {
			c.fault(key, "a definition has no name or no action.lua")
			return
		}
		out.Scripts[d.Name] = d.Script
	}
	c.Actions = append(c.Actions, out)
}

func (c *Config) ignore(key, group, kind, text string) {
	var rule ignoreRule
	if err := yaml.UnmarshalStrict([]byte(text), &rule); err != nil {
		c.fault(key, "%v", err)
		return
	}
	for _, pointer := range rule.JSONPointers {
		if !strings.HasPrefix(pointer, "/") || pointer == "/" {
			c.fault(key, "%q is no JSON pointer such as /spec/replicas", pointer)
			return
		}
	}
	for _, expression := range rule.JQPathExpressions {
		if _, err := jq.Parse(expression); err != nil {
			c.fault(key, "%v", err)
			return
		}
	}
	c.Ignores = append(c.Ignores, app.Ignore{
		Group: group, Kind: kind, Fields: rule.JSONPointers, Queries: rule.JQPathExpressions, Managers: rule.ManagedFieldsManagers,
	})
}

// legacy reads the one key that once held all customizations, by "group/Kind", in
// which both may be globs. Its checks come after those of keys of their own.
func (c *Config) legacy(key, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	var all map[string]map[string]any
	if err := yaml.Unmarshal([]byte(text), &all); err != nil {
		c.fault(key, "%v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		group, kind, slash := strings.Cut(name, "/")
		if !slash {
			group, kind = "", name
		}
		for what, value := range all[name] {
			text, isText := value.(string)
			switch {
			case what == "health.lua" && isText:
				c.Health = append(c.Health, HealthCheck{Group: group, Kind: kind, Key: key + " of " + name, Script: text})
			case what == "ignoreDifferences" && isText:
				c.ignore(key+" of "+name, group, kind, text)
			case what == "actions" && isText:
				c.actions(key+" of "+name, group, kind, text)
			case what == "health.lua" || what == "ignoreDifferences" || what == "actions":
				c.fault(key+" of "+name, "%s is no text", what)
			}
		}
	}
}
