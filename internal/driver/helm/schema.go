package helm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

const schemaName = "file:///values.schema.json"

// checkSchemas validates values against the schema of the chart and those of its
// dependencies.
func checkSchemas(ch *chart.Chart, values map[string]any) error {
	if err := checkSchema(ch.Schema, values); err != nil {
		return fmt.Errorf("chart %q: values.schema.json: %w", ch.Name(), err)
	}
	subs := slices.Clone(ch.Dependencies())
	slices.SortFunc(subs, func(a, b *chart.Chart) int { return strings.Compare(a.Name(), b.Name()) })
	for _, sub := range subs {
		raw := values[sub.Name()]
		if raw == nil {
			continue
		}
		subValues, ok := raw.(map[string]any)
		if !ok {
			return fmt.Errorf("chart %q: values of dependency %q are not a mapping", ch.Name(), sub.Name())
		}
		if err := checkSchemas(sub, subValues); err != nil {
			return err
		}
	}
	return nil
}

func checkSchema(text []byte, values map[string]any) (err error) {
	if len(text) == 0 {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be used: %v", r)
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("is not JSON: %s", oneLine(err))
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(refusing{})
	if err := c.AddResource(schemaName, doc); err != nil {
		return errors.New(oneLine(err))
	}
	schema, err := c.Compile(schemaName)
	if err != nil {
		if load, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
			return load.Err
		}
		return fmt.Errorf("is not a schema: %s", oneLine(err))
	}
	if err := schema.Validate(values); err != nil {
		if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
			return errors.New(leaves(invalid))
		}
		return errors.New(oneLine(err))
	}
	return nil
}

// refusing is a loader for schemas that has none: a reference to a file or a
// server would read what is not part of the chart.
type refusing struct{}

func (refusing) Load(url string) (any, error) { return nil, &refusedError{url} }

type refusedError struct{ url string }

func (e *refusedError) Error() string {
	return fmt.Sprintf("refers to %q, and only references inside the schema are followed: put the definitions under $defs", e.url)
}

const leavesLimit = 3

// leaves names the values that do not fit, without their content.
func leaves(e *jsonschema.ValidationError) string {
	var out []string
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			short := jsonschema.ValidationError{SchemaURL: e.SchemaURL, InstanceLocation: e.InstanceLocation, ErrorKind: e.ErrorKind}
			text := short.Error()
			if i := strings.LastIndex(text, "\n- "); i >= 0 {
				text = text[i+3:]
			}
			out = append(out, strings.Join(strings.Fields(text), " "))
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(e)
	slices.Sort(out)
	out = slices.Compact(out)
	if more := len(out) - leavesLimit; more > 0 {
		out = append(out[:leavesLimit], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}
