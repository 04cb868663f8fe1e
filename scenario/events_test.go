package scenario

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// happened KIND NAME REASON [REGEXP] waits for exactly one event with that reason
// and a message that matches about an object. The message goes to stdout.
func (s *story) happened(c *call) error {
	if err := c.want(3, 4, "happened KIND NAME REASON [REGEXP]"); err != nil {
		return err
	}
	t, err := s.target(c.args[0], c.args[1])
	if err != nil {
		return err
	}
	pattern := ""
	if len(c.args) == 4 {
		pattern = c.args[3]
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	sv, err := s.world.lookUpKind(schema.GroupVersionKind{Version: "v1", Kind: "Event"})
	if err != nil {
		return err
	}
	return within(deadline, func() error {
		list, err := s.world.at(sv, t.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var found, all []string
		for _, obj := range list.Items {
			kind, _, _ := unstructured.NestedString(obj.Object, "involvedObject", "kind")
			name, _, _ := unstructured.NestedString(obj.Object, "involvedObject", "name")
			reason, _, _ := unstructured.NestedString(obj.Object, "reason")
			message, _, _ := unstructured.NestedString(obj.Object, "message")
			all = append(all, fmt.Sprintf("%s %s %s: %s", kind, name, reason, message))
			if kind == t.kind && name == t.name && reason == c.args[2] && re.MatchString(message) {
				found = append(found, message)
			}
		}
		switch len(found) {
		case 0:
			return fmt.Errorf("no event %s about %s among:\n%s", c.args[2], t, strings.Join(all, "\n"))
		case 1:
			fmt.Fprintln(c.Stdout(), found[0])
			return nil
		}
		return final{fmt.Errorf("%d events %s about %s:\n%s", len(found), c.args[2], t, strings.Join(found, "\n"))}
	})
}
