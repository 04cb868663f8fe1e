package scenario

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// get reads an object; one that is not there is an error that waiting may cure.
func (s *story) get(t target) (*unstructured.Unstructured, error) {
	obj, err := s.world.at(t.served, t.namespace).Get(context.Background(), t.name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	return obj, nil
}

// until waits until check of an object succeeds.
func (s *story) until(t target, check func(*unstructured.Unstructured) error) error {
	return within(deadline, func() error {
		obj, err := s.get(t)
		if err != nil {
			return err
		}
		if err := check(obj); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		return nil
	})
}

// matches checks path=value (exact) or path~regexp against an object.
func matches(obj *unstructured.Unstructured, expectation string) error {
	at := strings.IndexAny(outsideBrackets(expectation), "=~")
	if at < 0 {
		return final{fmt.Errorf("%q is neither path=value nor path~regexp", expectation)}
	}
	path, want := expectation[:at], expectation[at+1:]
	got, err := field(obj, path)
	if err != nil {
		return final{err}
	}
	if expectation[at] == '=' {
		if got != want {
			return fmt.Errorf("%s is %q, not %q", path, got, want)
		}
		return nil
	}
	re, err := regexp.Compile(want)
	if err != nil {
		return final{err}
	}
	if !re.MatchString(got) {
		return fmt.Errorf("%s is %q and does not match %q", path, got, want)
	}
	return nil
}

// outsideBrackets blanks what stands in square brackets.
func outsideBrackets(text string) string {
	depth := 0
	return strings.Map(func(r rune) rune {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		if depth > 0 {
			return '_'
		}
		return r
	}, text)
}

// await KIND NAME path=value... waits until all of it is so.
func (s *story) await(c *call) error {
	if err := c.want(2, 20, "await KIND NAME [path=value|path~regexp...]"); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	return s.until(t, func(obj *unstructured.Unstructured) error {
		for _, expectation := range c.args[2:] {
			if err := matches(obj, expectation); err != nil {
				return err
			}
		}
		return nil
	})
}

// gone KIND NAME waits until an object does not exist.
func (s *story) gone(c *call) error {
	if err := c.want(2, 2, "gone KIND NAME"); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	return within(deadline, func() error {
		obj, err := s.world.at(t.served, t.namespace).Get(context.Background(), t.name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("%s exists; its deletion was asked for: %t", t, obj.GetDeletionTimestamp() != nil)
	})
}

// synced NAME [REVISION] waits until an Application is in sync with a revision,
// $HEAD unless given, its operation has succeeded and it is healthy.
func (s *story) synced(c *call) error {
	if err := c.want(1, 2, "synced NAME [REVISION]"); err != nil {
		return err
	}
	t, err := s.target("applications", c.args[0])
	if err != nil {
		return err
	}
	revision := s.env["HEAD"]
	if len(c.args) == 2 {
		revision = c.args[1]
	}
	return s.until(t, func(obj *unstructured.Unstructured) error {
		for _, expectation := range []string{
			"status.sync.revision=" + revision, "status.sync.status=Synced",
			"status.operationState.phase=Succeeded", "status.health.status=Healthy",
		} {
			if err := matches(obj, expectation); err != nil {
				return err
			}
		}
		return nil
	})
}

// ready NAME [REVISION] waits until a Kustomization has applied a revision,
// $HEAD unless given, and is Ready.
func (s *story) ready(c *call) error {
	if err := c.want(1, 2, "ready NAME [REVISION]"); err != nil {
		return err
	}
	t, err := s.target("kustomizations", c.args[0])
	if err != nil {
		return err
	}
	revision := s.env["HEAD"]
	if len(c.args) == 2 {
		revision = c.args[1]
	}
	return s.until(t, func(obj *unstructured.Unstructured) error {
		if observed, _, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration"); observed != obj.GetGeneration() {
			return fmt.Errorf("generation %d is not observed yet", obj.GetGeneration())
		}
		if err := matches(obj, "status.lastAppliedRevision~"+revision+"$"); err != nil {
			return err
		}
		return matches(obj, `status.conditions[?(@.type=="Ready")].status=True`)
	})
}

// condition KIND NAME TYPE[=STATUS] [REGEXP] waits for a condition whose message
// matches, of any type when TYPE is "."; "! condition" waits until there is none. The message goes to stdout.
func (s *story) condition(c *call) error {
	if err := c.want(3, 4, "[!] condition KIND NAME TYPE[=STATUS] [REGEXP]"); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	kind, status, _ := strings.Cut(c.args[2], "=")
	pattern := ""
	if len(c.args) == 4 {
		pattern = c.args[3]
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	return s.until(t, func(obj *unstructured.Unstructured) error {
		message, found := conditionOf(obj, kind, status, re)
		switch {
		case found == c.neg && c.neg:
			return fmt.Errorf("condition %s says %q", c.args[2], message)
		case found == c.neg:
			list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
			text, _ := yaml.Marshal(list)
			return fmt.Errorf("no condition %s matches %q among:\n%s", c.args[2], pattern, text)
		}
		fmt.Fprintln(c.Stdout(), message)
		return nil
	})
}

func conditionOf(obj *unstructured.Unstructured, kind, status string, re *regexp.Regexp) (string, bool) {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, item := range list {
		m, _ := item.(map[string]any)
		message, _ := m["message"].(string)
		if (kind == "." || m["type"] == kind) && (status == "" || m["status"] == status) && re.MatchString(message) {
			return message, true
		}
	}
	return "", false
}

// report describes everything that belongs to the story, for a failed one.
func (s *story) report() string {
	var b strings.Builder
	for _, kind := range []string{"applications", "gitrepositories", "kustomizations"} {
		sv, err := s.world.lookUp(kind)
		if err != nil {
			fmt.Fprintf(&b, "%v\n", err)
			continue
		}
		list, err := s.world.client.Resource(sv.gvr).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", kind, err)
			continue
		}
		for _, obj := range list.Items {
			if !s.own && !belongs(obj.GetNamespace(), obj.GetName(), s.ns) {
				continue
			}
			unstructured.RemoveNestedField(obj.Object, "metadata", "managedFields")
			text, _ := yaml.Marshal(obj.Object)
			fmt.Fprintf(&b, "--- %s %s/%s\n%s", obj.GetKind(), obj.GetNamespace(), obj.GetName(), text)
		}
	}
	fmt.Fprintf(&b, "--- log of plumbd\n%s\n", s.logTail(40))
	return b.String()
}
