package argo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// options are Key=value entries, of an application or of one object.
type options []string

func (o options) has(option string) bool { return slices.Contains(o, option) }

// value returns the value of the last entry with the given key.
func (o options) value(key string) string {
	for _, entry := range slices.Backward(o) {
		if k, v, ok := strings.Cut(entry, "="); ok && k == key {
			return v
		}
	}
	return ""
}

// objectOptions reads the comma-separated annotation of an object.
func objectOptions(obj *unstructured.Unstructured, annotation string) options {
	text := obj.GetAnnotations()[annotation]
	if text == "" {
		return nil
	}
	var o options
	for entry := range strings.SplitSeq(text, ",") {
		o = append(o, strings.TrimSpace(entry))
	}
	return o
}

// policy reads spec.syncPolicy.
func policy(sp *v1alpha1.SyncPolicy) (app.Policy, error) {
	p := app.Policy{
		Once:        true,
		Propagation: "foreground",
		HealWait:    app.Retry{Wait: 2 * time.Second, Factor: 3, Max: 5 * time.Minute},
		Retry:       app.Retry{Limit: 5, Wait: 5 * time.Second, Factor: 2, Max: 3 * time.Minute},
	}
	if sp == nil {
		return p, nil
	}
	if a := sp.Automated; a != nil && (a.Enabled == nil || *a.Enabled) {
		p.Automatic = true
		p.Prune, p.SelfHeal, p.AllowEmpty = isTrue(a.Prune), isTrue(a.SelfHeal), isTrue(a.AllowEmpty)
	}
	if sp.Retry != nil {
		retry, err := retryOf(*sp.Retry)
		if err != nil {
			return p, err
		}
		p.Retry = retry
	}
	if m := sp.ManagedNamespaceMetadata; m != nil {
		p.NamespaceLabels, p.NamespaceNotes = m.Labels, m.Annotations
	}
	return withOptions(p, options(sp.SyncOptions))
}

func isTrue(b *bool) bool { return b != nil && *b }

// withOptions lays a list of sync options over p.
func withOptions(p app.Policy, o options) (app.Policy, error) {
	p.CreateNamespace = o.has("CreateNamespace=true")
	p.PruneLast = o.has("PruneLast=true")
	p.PruneConfirm = o.has("Prune=confirm")
	p.PruneNever = o.has("Prune=false")
	p.Outlive = o.has("Delete=false")
	p.DeleteConfirm = o.has("Delete=confirm")
	p.Replace = o.has("Replace=true")
	p.LenientFields = o.has("Validate=false")
	p.MissingKindsLater = o.has("SkipDryRunOnMissingResource=true")
	p.KeepIgnored = o.has("RespectIgnoreDifferences=true")
	p.FailOnShared = o.has("FailOnSharedResource=true")
	switch v := o.value("PrunePropagationPolicy"); v {
	case "":
	case "foreground", "background", "orphan":
		p.Propagation = v
	default:
		return p, fmt.Errorf("sync option PrunePropagationPolicy: %q is none of foreground, background, orphan", v)
	}
	return p, nil
}

func retryOf(r v1alpha1.Retry) (app.Retry, error) {
	out := app.Retry{Limit: r.Limit, Wait: 5 * time.Second, Factor: 2, Max: 3 * time.Minute}
	b := r.Backoff
	if b == nil {
		return out, nil
	}
	var err error
	if b.Duration != "" {
		if out.Wait, err = durationOf(b.Duration); err != nil || out.Wait < 0 {
			return out, fmt.Errorf("retry.backoff.duration: %w", cmp.Or(err, errors.New("it is negative")))
		}
	}
	if b.MaxDuration != "" {
		if out.Max, err = durationOf(b.MaxDuration); err != nil {
			return out, fmt.Errorf("retry.backoff.maxDuration: %w", err)
		}
	}
	if b.Factor != nil {
		out.Factor = *b.Factor
	}
	return out, nil
}

// durationOf reads a Go duration, or a whole number of seconds.
func durationOf(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as 5s or 3m", text)
	}
	return d, nil
}

func retryTo(r app.Retry) v1alpha1.Retry {
	out := v1alpha1.Retry{Limit: r.Limit}
	if r != (app.Retry{}) {
		out.Backoff = &v1alpha1.Backoff{Duration: r.Wait.String(), Factor: &r.Factor, MaxDuration: r.Max.String()}
	}
	return out
}

// Override returns p under an operation's own list of sync options, which
// replaces that of the application.
func Override(p app.Policy, list []string) (app.Policy, error) {
	return withOptions(p, options(list))
}
