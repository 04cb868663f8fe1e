package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Key is the digest of everything in a Request that can change rendered bytes.
type Key [sha256.Size]byte

// keyVersion changes whenever equal requests begin to render differently.
const keyVersion = 1

// String returns the first 16 hex digits, enough to tell keys apart in a log.
func (k Key) String() string { return hex.EncodeToString(k[:8]) }

// Key returns the digest of the request. What the request's tool does not look
// at is left out, so that a new kind in the cluster renders charts again but not
// plain directories.
func (r Request) Key() Key {
	r = r.relevant()
	text, err := json.Marshal(r)
	if err != nil { // Helm.Values is not JSON; the renderer will say so
		helm := *r.Helm
		quoted, _ := json.Marshal(string(helm.Values.Raw))
		helm.Values = &runtime.RawExtension{Raw: quoted}
		r.Helm = &helm
		text, _ = json.Marshal(r)
	}
	return sha256.Sum256(append(text, keyVersion))
}

func (r Request) relevant() Request {
	if clean, err := CleanPath(r.Path); err == nil {
		r.Path = clean
	}
	switch r.Tool {
	case Directory:
		r.Kustomize, r.Helm, r.Plugin = nil, nil, nil
	case Kustomize:
		r.Directory, r.Helm, r.Plugin = nil, nil, nil
		if r.Kustomize != nil && r.Kustomize.Charts {
			return r
		}
	case Helm:
		r.Directory, r.Kustomize, r.Plugin = nil, nil, nil
		return r
	case Plugin:
		r.Directory, r.Kustomize, r.Helm = nil, nil, nil
		return r
	default:
		return r
	}
	r.Namespace, r.KubeVersion, r.APIVersions = "", "", nil
	return r
}

// Digest returns the digest of the objects of manifests, in hex. It does not
// depend on the order of objects with different keys nor on origins.
func Digest(manifests []object.Manifest) string {
	type keyed struct {
		key  object.Key
		text []byte
	}
	all := make([]keyed, len(manifests))
	for i, m := range manifests {
		text, err := json.Marshal(m.Object.Object)
		if err != nil { // not possible for decoded objects
			text = []byte(err.Error())
		}
		all[i] = keyed{m.Key(), text}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return a.key.Compare(b.key) })
	h := sha256.New()
	for _, m := range all {
		h.Write(m.text)
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}
