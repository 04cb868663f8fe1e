package livestate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plumbline-dev/plumbline/internal/core/listwatch"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestCodecReadsWhatCameBeforeItsDictionary(t *testing.T) {
	plain := newCodec(nil)
	old := plain.encode([]byte("old"))
	c := newCodec([][]byte{deployment(1), deployment(2), bytes.Repeat([]byte("x"), 2*dictLimit)})
	for _, data := range [][]byte{old, c.encode([]byte("old"))} {
		if got, err := c.decode(data, nil); err != nil || string(got) != "old" {
			t.Errorf("%q, %v", got, err)
		}
	}
	large := bytes.Repeat([]byte(`{"key":"value"},`), 100_000)
	if got, err := c.decode(c.encode(large), nil); err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// deployment returns a realistic Deployment as JSON, the i-th of a family.
func deployment(i int) []byte {
	r := rand.New(rand.NewSource(int64(i)))
	words := []string{"checkout", "payments", "search", "catalog", "identity", "billing", "gateway", "orders", "stock", "mailer"}
	app, ns := fmt.Sprintf("%s-%s-%d", words[r.Intn(10)], words[r.Intn(10)], i), "team-"+words[i%10]
	at := time.Date(2026, 1, 1, 0, 0, r.Intn(1e7), 0, time.UTC).Format(time.RFC3339)
	var env, owned strings.Builder
	for j := range 12 {
		fmt.Fprintf(&env, `,{"name":"SETTING_%s_%d","value":"%s-%x"}`, words[j%10], j, words[r.Intn(10)], r.Uint32())
		fmt.Fprintf(&owned, `,"k:{\"name\":\"SETTING_%s_%d\"}":{".":{},"f:name":{},"f:value":{}}`, words[j%10], j)
	}
	return fmt.Appendf(nil, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"deployment.kubernetes.io/revision":"%[1]d","tracking-id":"%[2]s:apps/Deployment:%[3]s/%[2]s"},"creationTimestamp":%[4]q,"generation":%[1]d,"labels":{"app.kubernetes.io/name":%[2]q,"app.kubernetes.io/part-of":%[3]q},"managedFields":[{"apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{"f:tracking-id":{}},"f:labels":{"f:app.kubernetes.io/name":{},"f:app.kubernetes.io/part-of":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app.kubernetes.io/name":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:env":{%[5]s},"f:image":{},"f:name":{},"f:resources":{"f:limits":{},"f:requests":{}}}}}}}},"manager":"plumbline","operation":"Apply","time":%[4]q},{"apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:deployment.kubernetes.io/revision":{}}},"f:status":{"f:availableReplicas":{},"f:conditions":{".":{},"k:{\"type\":\"Available\"}":{".":{},"f:lastTransitionTime":{},"f:message":{},"f:reason":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Progressing\"}":{".":{},"f:lastTransitionTime":{},"f:message":{},"f:reason":{},"f:status":{},"f:type":{}}},"f:observedGeneration":{},"f:readyReplicas":{},"f:replicas":{},"f:updatedReplicas":{}}},"manager":"kube-controller-manager","operation":"Update","subresource":"status","time":%[4]q}],"name":%[2]q,"namespace":%[3]q,"resourceVersion":"%[6]d","uid":"%08[7]x-0b5f-4a3c-9d1e-%012[8]x"},"spec":{"progressDeadlineSeconds":600,"replicas":%[1]d,"revisionHistoryLimit":10,"selector":{"matchLabels":{"app.kubernetes.io/name":%[2]q}},"strategy":{"rollingUpdate":{"maxSurge":"25%%","maxUnavailable":"25%%"},"type":"RollingUpdate"},"template":{"metadata":{"labels":{"app.kubernetes.io/name":%[2]q}},"spec":{"containers":[{"env":[%[9]s],"image":"registry.example.com/%[3]s/%[2]s:v1.%[1]d@sha256:%016[10]x%016[11]x%016[12]x%016[13]x","imagePullPolicy":"IfNotPresent","name":"main","ports":[{"containerPort":8080,"protocol":"TCP"}],"resources":{"limits":{"memory":"%[1]dMi"},"requests":{"cpu":"%[1]dm","memory":"64Mi"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}},"status":{"availableReplicas":1,"conditions":[{"lastTransitionTime":%[4]q,"lastUpdateTime":%[4]q,"message":"Deployment has minimum availability.","reason":"MinimumReplicasAvailable","status":"True","type":"Available"},{"lastTransitionTime":%[4]q,"lastUpdateTime":%[4]q,"message":"ReplicaSet \"%[2]s-%08[7]x\" has successfully progressed.","reason":"NewReplicaSetAvailable","status":"True","type":"Progressing"}],"observedGeneration":%[1]d,"readyReplicas":1,"replicas":1,"updatedReplicas":1}}`,
		1+r.Intn(20), app, ns, at, owned.String()[1:], 100_000+7*i, r.Uint32(), r.Int63()&0xffffffffffff, env.String()[1:], r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
}

// filled returns a State that holds n Deployments, as if it had watched them.
func filled(tb testing.TB, n int) *State {
	tb.Helper()
	s := New(Config{Owners: func(m Metadata) []string {
		owner, _ := m.Labels.Lookup("app.kubernetes.io/name")
		return []string{owner}
	}})
	tb.Cleanup(s.Close)
	s.mu.Lock()
	k := s.kindOf(schema.GroupKind{Group: "apps", Kind: "Deployment"})
	k.run = &run{cancel: func() {}, resource: Resource{GVK: k.gk.WithVersion("v1")}}
	k.resource = k.run.resource
	s.mu.Unlock()
	w := &watch{state: s, kind: k, run: k.run, resource: k.resource, staged: map[listwatch.Name]*record{}}
	for i := range n {
		if err := w.changed(deployment(i)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.commit(listwatch.ParseVersion("99999999")); err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestStoreIsSmallAndExact(t *testing.T) {
	const n = 300
	s := filled(t, n)
	if stats := s.Stats(); stats.Objects != n || stats.Bytes/n > 900 {
		t.Errorf("%d objects, %d bytes each", stats.Objects, stats.Bytes/int64(stats.Objects))
	}
	for i := range n {
		var want map[string]any
		if err := json.Unmarshal(deployment(i), &want); err != nil {
			t.Fatal(err)
		}
		h, _ := listwatch.ReadHeader(deployment(i))
		got, ok := s.Get(object.Key{Group: "apps", Kind: "Deployment", Namespace: h.Name.Namespace, Name: h.Name.Name})
		if !ok {
			t.Fatalf("%v is missing", h.Name)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got.Object)
		if !bytes.Equal(a, b) {
			t.Fatal(cmp.Diff(string(a), string(b)))
		}
	}
}
