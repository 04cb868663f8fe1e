package nodes

import (
	"embed"
	"fmt"
	"path"

	"sigs.k8s.io/kwok/kustomize/stage/node/fast"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	"sigs.k8s.io/yaml"
)

// Annotations on a pod by which a test steers what happens to it.
const (
	AnnotationReady      = "sandbox.plumbline.dev/ready"       // "false": runs but is not ready
	AnnotationFail       = "sandbox.plumbline.dev/fail"        // "true": ends in phase Failed
	AnnotationReadyAfter = "sandbox.plumbline.dev/ready-after" // a Go duration between scheduled and ready
	AnnotationRunFor     = "sandbox.plumbline.dev/run-for"     // a Go duration a pod that ends runs before it succeeds
)

// ownerIsJob is the condition under which kwok completes a pod. It is replaced,
// because every pod that is not restarted runs to its end, owned or not.
const ownerIsJob = ".metadata.ownerReferences.[].kind"

//go:embed stages/*.yaml
var own embed.FS

var (
	podRef  = internalversion.StageResourceRef{APIGroup: "v1", Kind: "Pod"}
	nodeRef = internalversion.StageResourceRef{APIGroup: "v1", Kind: "Node"}
)

// stages returns the life of nodes and pods: kwok's fast stages, kept away from
// annotated pods, and the stages for those.
func stages() (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	ready, err := decode(podfast.DefaultPodReady)
	if err != nil {
		return nil, err
	}
	ready.Spec.Delay = delayFrom(AnnotationReadyAfter)
	except(ready)
	complete, err := decode(podfast.DefaultPodComplete)
	if err != nil {
		return nil, err
	}
	complete.Spec.Delay = delayFrom(AnnotationRunFor)
	except(complete)
	if err := completeUnrestarted(complete); err != nil {
		return nil, err
	}
	gone, err := decode(podfast.DefaultPodDelete)
	if err != nil {
		return nil, err
	}
	node, err := decode(fast.DefaultNodeInit)
	if err != nil {
		return nil, err
	}
	pods := []*v1alpha1.Stage{ready, complete, gone}
	for _, name := range []string{"unready", "recover", "crash", "fail"} {
		raw, err := own.ReadFile(path.Join("stages", name+".yaml"))
		if err != nil {
			return nil, err
		}
		s, err := decode(string(raw))
		if err != nil {
			return nil, err
		}
		pods = append(pods, s)
	}
	out := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	if out[podRef], err = internal(pods...); err != nil {
		return nil, err
	}
	out[nodeRef], err = internal(node)
	return out, err
}

func decode(text string) (*v1alpha1.Stage, error) {
	s := &v1alpha1.Stage{}
	if err := yaml.UnmarshalStrict([]byte(text), s); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	return s, nil
}

func internal(in ...*v1alpha1.Stage) ([]*internalversion.Stage, error) {
	out := make([]*internalversion.Stage, 0, len(in))
	for _, s := range in {
		i, err := internalversion.ConvertToInternalStage(s)
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", s.Name, err)
		}
		out = append(out, i)
	}
	return out, nil
}

// except keeps s away from pods whose annotations ask for something else.
func except(s *v1alpha1.Stage) {
	s.Spec.Selector.MatchExpressions = append(s.Spec.Selector.MatchExpressions,
		v1alpha1.MatchExpression{Key: annotation(AnnotationReady), Operator: v1alpha1.SelectorOpNotIn, Values: []string{"false"}},
		v1alpha1.MatchExpression{Key: annotation(AnnotationFail), Operator: v1alpha1.SelectorOpNotIn, Values: []string{"true"}},
	)
}

func completeUnrestarted(s *v1alpha1.Stage) error {
	for i, m := range s.Spec.Selector.MatchExpressions {
		if m.Key == ownerIsJob {
			s.Spec.Selector.MatchExpressions[i] = v1alpha1.MatchExpression{
				Key: ".spec.restartPolicy", Operator: v1alpha1.SelectorOpIn, Values: []string{"Never", "OnFailure"},
			}
			return nil
		}
	}
	return fmt.Errorf("stage %s: no condition on %s to replace", s.Name, ownerIsJob)
}

func delayFrom(name string) *v1alpha1.StageDelay {
	none := int64(0)
	return &v1alpha1.StageDelay{
		DurationMilliseconds: &none,
		DurationFrom:         &v1alpha1.ExpressionFrom{ExpressionFrom: annotation(name)},
	}
}

func annotation(name string) string { return fmt.Sprintf(".metadata.annotations[%q]", name) }
