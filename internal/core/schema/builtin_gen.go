//go:build ignore

// Command builtin_gen packs the OpenAPI v3 documents of a Kubernetes release
// (api/openapi-spec/v3 of its source, or the same fetched from a server) into
// the file that package schema embeds: one JSON object of all types by name,
// without descriptions and without what only requests carry.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
)

func main() {
	version := flag.String("version", "", "the Kubernetes version of the documents")
	out := flag.String("out", "builtin.json.gz", "the file to write")
	flag.Parse()
	files, err := filepath.Glob(filepath.Join(flag.Arg(0), "*.json"))
	if err != nil || len(files) == 0 {
		log.Fatalf("no documents in %q: %v", flag.Arg(0), err)
	}
	schemas := map[string]any{}
	for _, file := range files {
		if err := collect(file, schemas); err != nil {
			log.Fatalf("%s: %v", file, err)
		}
	}
	if err := write(*out, map[string]any{"version": *version, "schemas": schemas}); err != nil {
		log.Fatal(err)
	}
}

func collect(file string, schemas map[string]any) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var doc struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return err
	}
	for name, s := range doc.Components.Schemas {
		switch name {
		case "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent":
			continue
		case "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions": // a part of Eviction, and listed as a kind of every group
			delete(s.(map[string]any), "x-kubernetes-group-version-kind")
		}
		strip(s)
		if held, ok := schemas[name]; ok && !reflect.DeepEqual(held, s) {
			return fmt.Errorf("type %q differs between documents", name)
		}
		schemas[name] = s
	}
	return nil
}

// strip removes descriptions. A property named description is an object, so it stays.
func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["description"].(string); ok {
			delete(v, "description")
		}
		for _, child := range v {
			strip(child)
		}
	case []any:
		for _, child := range v {
			strip(child)
		}
	}
}

func write(file string, content any) error {
	raw, err := json.Marshal(content)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, packed.Bytes(), 0o644)
}
