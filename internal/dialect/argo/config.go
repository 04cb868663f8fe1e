package argo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/jq"
)

// ConfigName is the ConfigMap that holds the settings of an installation.
const ConfigName = "argocd-cm"

// HealthCheck is a script that judges objects of some kinds.
type HealthCheck struct {
	Group, Kind string // globs
	Key         string // where it is configured, for messages
	Script      string // in Lua
}

// Config is what of a ConfigMap argocd-cm this engine goes by.
type Config struct {
	Health  []HealthCheck // the first that matches judges
	Ignores app.Ignores   // of all applications
	Faults  []string      // keys that cannot be read, and why; the rest is in force
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
		case "ignoreDifferences":
			if target == "all" {
				group, kind = "*", "*"
			}
			c.ignore(key, group, kind, data[key])
		}
	}
	c.legacy(prefix, data[prefix])
	return c
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
			case what == "health.lua" || what == "ignoreDifferences":
				c.fault(key+" of "+name, "%s is no text", what)
			}
		}
	}
}
