package argo

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Tracking says how an object in the cluster shows which application owns it.
type Tracking string

// The tracking methods, as Argo CD's application.resourceTrackingMethod names them.
const (
	TrackByAnnotation Tracking = "annotation"
	TrackByLabel      Tracking = "label"
	TrackByBoth       Tracking = "annotation+label"
)

const defaultInstanceLabel = "app.kubernetes.io/instance"

func (s Settings) tracking() Tracking {
	if s.Tracking == "" {
		return TrackByAnnotation
	}
	return s.Tracking
}

func (s Settings) instanceLabel() string {
	if s.InstanceLabel == "" {
		return defaultInstanceLabel
	}
	return s.InstanceLabel
}

// instance is the application's name in marks; one outside the control plane's
// namespace carries its namespace with it.
func (s Settings) instance(id app.ID) string {
	if id.Namespace == s.Namespace {
		return id.Name
	}
	return id.Namespace + "_" + id.Name
}

func (s Settings) idOf(instance string) app.ID {
	namespace, name := s.Namespace, instance
	if ns, rest, qualified := strings.Cut(instance, "_"); qualified {
		namespace, name = ns, rest
	}
	return app.ID{Kind: v1alpha1.ApplicationKind, Namespace: namespace, Name: name}
}

// mark writes the tracking metadata of id on obj, which must be a private copy.
// CustomResourceDefinitions are never marked. defaultNamespace stands in the
// mark of cluster-scoped objects.
func (s Settings) mark(obj *unstructured.Unstructured, id app.ID, defaultNamespace string) error {
	key := object.KeyOf(obj)
	if plan.IsCRD(key) {
		return nil
	}
	instance := s.instance(id)
	if s.tracking() != TrackByAnnotation {
		value := instance
		if len(value) > 63 {
			if s.tracking() == TrackByLabel {
				return fmt.Errorf("%s: the application's name %q has more than 63 characters and cannot be a label; track by annotation", key, instance)
			}
			value = strings.TrimRight(value[:63], "-_.")
		}
		if err := setString(obj, value, "metadata", "labels", s.instanceLabel()); err != nil {
			return err
		}
	}
	if s.tracking() == TrackByLabel {
		return nil
	}
	if s.InstallationID != "" {
		if err := setString(obj, s.InstallationID, "metadata", "annotations", installationAnnotation); err != nil {
			return err
		}
	}
	return setString(obj, trackingID(instance, key, defaultNamespace), "metadata", "annotations", trackingAnnotation)
}

func setString(obj *unstructured.Unstructured, value string, path ...string) error {
	parent := path[:len(path)-1]
	if v, has, err := unstructured.NestedFieldNoCopy(obj.Object, parent...); err == nil && has && v == nil {
		unstructured.RemoveNestedField(obj.Object, parent...) // "annotations:" with nothing below
	}
	if err := unstructured.SetNestedField(obj.Object, value, path...); err != nil {
		return fmt.Errorf("%s: metadata is malformed: %w", object.KeyOf(obj), err)
	}
	return nil
}

func trackingID(instance string, key object.Key, defaultNamespace string) string {
	namespace := key.Namespace
	if namespace == "" {
		namespace = defaultNamespace
	}
	return fmt.Sprintf("%s:%s/%s:%s/%s", instance, key.Group, key.Kind, namespace, key.Name)
}

// Owner reads the mark of a live object. It returns false when there is none,
// and when the mark was copied from another object: it names its bearer.
func (s Settings) Owner(key object.Key, labels, annotations map[string]string) (app.ID, bool) {
	if s.tracking() == TrackByLabel {
		instance, ok := labels[s.instanceLabel()]
		return s.idOf(instance), ok && instance != ""
	}
	if s.InstallationID != "" && annotations[installationAnnotation] != s.InstallationID {
		return app.ID{}, false
	}
	instance, rest, ok := strings.Cut(annotations[trackingAnnotation], ":")
	if !ok || instance == "" {
		return app.ID{}, false
	}
	groupKind, namespaced, ok := strings.Cut(rest, ":")
	if !ok || groupKind != key.Group+"/"+key.Kind {
		return app.ID{}, false
	}
	namespace, name, ok := strings.Cut(namespaced, "/")
	if !ok || name != key.Name || (key.Namespace != "" && namespace != key.Namespace) {
		return app.ID{}, false
	}
	return s.idOf(instance), true
}
