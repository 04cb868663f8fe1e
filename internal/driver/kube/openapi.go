package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// SchemaIndex maps the group versions that the server has schemas for to the
// hash of their document. A document stays the same as long as its hash does.
type SchemaIndex map[schema.GroupVersion]string

// SchemaIndex reads the index of schemas, one small request.
func (c *Cluster) SchemaIndex(ctx context.Context) (SchemaIndex, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	raw, err := c.client.Get().AbsPath("openapi", "v3").SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("schemas: index: %w", err)
	}
	var answer struct {
		Paths map[string]struct {
			ServerRelativeURL string `json:"serverRelativeURL"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Paths == nil {
		return nil, fmt.Errorf("schemas: index: %w", errNotObject)
	}
	index := SchemaIndex{}
	for path, entry := range answer.Paths {
		if gv, ok := groupVersionOf(path); ok {
			index[gv] = hashOf(entry.ServerRelativeURL)
		}
	}
	return index, nil
}

// Schemas reads the OpenAPI v3 document of gv as JSON. The hash is that of the
// document, from the same index that named it; a group version without schemas
// is an *kinds.UnknownKindError without a kind.
func (c *Cluster) Schemas(ctx context.Context, gv schema.GroupVersion) (document []byte, hash string, err error) {
	index, err := c.SchemaIndex(ctx)
	if err != nil {
		return nil, "", err
	}
	hash, ok := index[gv]
	if !ok {
		return nil, "", &kinds.UnknownKindError{GroupKind: schema.GroupKind{Group: gv.Group}, Version: gv.Version}
	}
	document, err = c.SchemaDocument(ctx, gv, hash)
	return document, hash, err
}

// SchemaDocument reads the document that an index names by gv and hash. The
// hash lets caches on the way keep it; a hash of an older index is answered
// with the present document.
func (c *Cluster) SchemaDocument(ctx context.Context, gv schema.GroupVersion, hash string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	path := []string{"openapi", "v3", "apis", gv.Group, gv.Version}
	if gv.Group == "" {
		path = []string{"openapi", "v3", "api", gv.Version}
	}
	req := c.client.Get().AbsPath(path...).SetHeader("Accept", "application/json")
	if hash != "" {
		req = req.Param("hash", hash)
	}
	raw, err := req.DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("schemas: %s: %w", gv, err)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("schemas: %s: %w", gv, errNotObject)
	}
	return raw, nil
}

// groupVersionOf reads "apis/apps/v1" and "api/v1".
func groupVersionOf(path string) (schema.GroupVersion, bool) {
	parts := strings.Split(path, "/")
	switch {
	case len(parts) == 2 && parts[0] == "api":
		return schema.GroupVersion{Version: parts[1]}, true
	case len(parts) == 3 && parts[0] == "apis":
		return schema.GroupVersion{Group: parts[1], Version: parts[2]}, true
	}
	return schema.GroupVersion{}, false
}

func hashOf(relative string) string {
	u, err := url.Parse(relative)
	if err != nil {
		return ""
	}
	return u.Query().Get("hash")
}
