package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Order names the two orders in which users of existing tools expect objects
// to be applied.
type Order string

// The orders.
const (
	// ByWave takes waves from annotations, waits for the health of each wave
	// before the next and sorts by kind rank inside a wave.
	ByWave Order = "wave"
	// ByStage applies definitions first, classes second and the rest third,
	// waits for the first two to be ready and sorts by kind rank inside a stage.
	ByStage Order = "stage"
)

// waveRanks: kinds in the order of sync phases and waves; what
// is not listed comes last.
var waveRanks = ranks(`Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget ServiceAccount
	Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim CustomResourceDefinition ClusterRole
	ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList RoleBinding RoleBindingList Service DaemonSet Pod
	ReplicationController ReplicaSet Deployment HorizontalPodAutoscaler StatefulSet Job CronJob IngressClass Ingress APIService`)

// stageRanks: the order of staged application; webhook configurations come after everything else.
var stageRanks = ranks(`CustomResourceDefinition Namespace ClusterRole ClusterClass RuntimeClass PriorityClass StorageClass
	VolumeSnapshotClass IngressClass GatewayClass ClusterRoleBinding ResourceQuota ServiceAccount Role RoleBinding ConfigMap
	Secret Service LimitRange Deployment StatefulSet CronJob PodDisruptionBudget`)

const lastRank = 1 << 20

func ranks(kinds string) map[string]int {
	table := map[string]int{}
	for i, kind := range strings.Fields(kinds) {
		table[kind] = i
	}
	return table
}

func (o Order) rank(key object.Key) int {
	table := waveRanks
	if o == ByStage {
		table = stageRanks
		if strings.HasSuffix(key.Kind, "WebhookConfiguration") {
			return lastRank + 1
		}
	}
	if r, ok := table[key.Kind]; ok {
		return r
	}
	return lastRank
}

func (o Order) compare(a, b Item) int {
	return cmp.Or(a.turn().compare(b.turn()), o.rank(a.Key())-o.rank(b.Key()), byName(a.Key(), b.Key()))
}

// byName keeps the objects of one kind together.
func byName(a, b object.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Stage returns the wave of an object under ByStage.
func Stage(key object.Key) int {
	switch {
	case slices.Contains([]string{"CustomResourceDefinition", "Namespace", "ClusterRole"}, key.Kind):
		return 1
	case strings.HasSuffix(key.Kind, "Class"):
		return 2
	}
	return 3
}

// gates reports whether later waves wait for the health of the given one.
func (o Order) gates(wave int) bool {
	return o == ByWave || wave < Stage(object.Key{})
}

// SameKind reports whether two steps may run at the same time: steps of one
// kind may, a different kind waits for those before it.
func SameKind(a, b Step) bool {
	return a.Key.Kind == b.Key.Kind && (a.Action == Prune) == (b.Action == Prune) && (a.Action == Clear) == (b.Action == Clear)
}

// Sort puts leftovers into the order in which they would have been created.
func (o Order) Sort(left []Leftover) {
	slices.SortFunc(left, func(a, b Leftover) int {
		return cmp.Or(cmp.Compare(a.Wave, b.Wave), o.rank(a.Entry.Key)-o.rank(b.Entry.Key), byName(a.Entry.Key, b.Entry.Key))
	})
}
