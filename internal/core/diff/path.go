package diff

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// text writes a path the way users read it: spec.containers[name=app].image,
// data["a.b"], metadata.finalizers[=example.com/x], spec.rules[0].
func text(path fieldpath.Path) string {
	var b strings.Builder
	for _, element := range path {
		if element.FieldName == nil {
			b.WriteByte('[')
			b.WriteString(elementText(element))
			b.WriteByte(']')
			continue
		}
		name := *element.FieldName
		if !bareName.MatchString(name) {
			fmt.Fprintf(&b, "[%q]", name)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(name)
	}
	return b.String()
}

var (
	bareName  = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$-]*$`)
	bareValue = regexp.MustCompile(`^[A-Za-z0-9_./:@-]+$`)
)

// elementText writes the inside of the brackets of an item.
func elementText(element fieldpath.PathElement) string {
	switch {
	case element.FieldName != nil:
		return *element.FieldName
	case element.Key != nil:
		parts := make([]string, len(*element.Key))
		for i, field := range *element.Key {
			parts[i] = field.Name + "=" + scalarText(field.Value)
		}
		return strings.Join(parts, ",")
	case element.Value != nil:
		return "=" + scalarText(*element.Value)
	case element.Index != nil:
		return strconv.Itoa(*element.Index)
	}
	return "?"
}

func scalarText(v value.Value) string {
	if v.IsString() && !bareValue.MatchString(v.AsString()) {
		return strconv.Quote(v.AsString())
	}
	return fmt.Sprint(v.Unstructured())
}
