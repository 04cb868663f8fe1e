package argo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func clusterSecret(name, server, config string, more ...string) argo.RepositorySecret {
	s := argo.RepositorySecret{Name: name, Type: "cluster", Data: map[string][]byte{"name": []byte(name), "server": []byte(server), "config": []byte(config)}}
	for i := 0; i+1 < len(more); i += 2 {
		s.Data[more[i]] = []byte(more[i+1])
	}
	return s
}

func TestDecodeClusters(t *testing.T) {
	got := argo.DecodeClusters([]argo.RepositorySecret{
		clusterSecret("west", "https://west.example:6443/", `{"bearerToken":"t","tlsClientConfig":{"serverName":"w","caData":"Y2E=","certData":"Yw==","keyData":"aw=="},"proxyUrl":"http://proxy:3128","disableCompression":true}`, "project", "shop"),
		clusterSecret("east", "https://east.example", `{"username":"u","password":"p","tlsClientConfig":{"insecure":true}}`),
		{Name: "repo", Type: "repository"},
	})
	want := app.Clusters{
		{Name: "east", Server: "https://east.example", From: `Secret "east"`, Access: app.Access{Username: "u", Password: "p", Insecure: true}},
		{Name: "west", Server: "https://west.example:6443", Project: "shop", From: `Secret "west"`, Access: app.Access{
			BearerToken: "t", ServerName: "w", CA: []byte("ca"), Cert: []byte("c"), Key: []byte("k"), ProxyURL: "http://proxy:3128", DisableCompression: true,
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if text := fmt.Sprintf("%v %+v %#v", got[1].Access, got[1].Access, got[1].Access); strings.Contains(text, `"t"`) || strings.Contains(text, "proxy") {
		t.Errorf("a printed cluster shows how it is reached: %s", text)
	}
}

// A Secret that cannot be used says why, and repeats nothing of its values.
func TestClusterProblems(t *testing.T) {
	const server = "https://west.example"
	for name, test := range map[string]struct {
		secret argo.RepositorySecret
		want   string
	}{
		"no server":   {clusterSecret("a", "", "{}"), "server is no URL"},
		"no URL":      {clusterSecret("a", "west:6443", "{}"), "server is no URL"},
		"user in it":  {clusterSecret("a", "https://u:hunter2@west", "{}"), "contains credentials"},
		"no JSON":     {clusterSecret("a", server, `{"bearerToken":"hunter2"`), "broken at byte"},
		"wrong type":  {clusterSecret("a", server, `{"bearerToken":["hunter2"]}`), "bearerToken is no string"},
		"no base64":   {clusterSecret("a", server, `{"tlsClientConfig":{"caData":"hunter2!"}}`), "a value cannot be decoded"},
		"AWS":         {clusterSecret("a", server, `{"awsAuthConfig":{"clusterName":"hunter2"}}`), "awsAuthConfig is not supported"},
		"exec":        {clusterSecret("a", server, `{"execProviderConfig":{"command":"hunter2"}}`), "execProviderConfig is refused"},
		"insecure":    {clusterSecret("a", server, `{"tlsClientConfig":{"insecure":true,"caData":"Y2E="}}`), "contradict"},
		"half a pair": {clusterSecret("a", server, `{"tlsClientConfig":{"certData":"Y2E="}}`), "only good together"},
		"no config":   {clusterSecret("a", server, ``), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := argo.DecodeClusters([]argo.RepositorySecret{test.secret})[0].Problem
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) || strings.Contains(got, "hunter2") {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	twice := argo.DecodeClusters([]argo.RepositorySecret{clusterSecret("b", server+"/", "{}"), clusterSecret("a", server, "{}")})
	if twice[0].Problem != "" || twice[1].Problem != `Secret "a" registers the same server` {
		t.Errorf("one server twice: %q, %q", twice[0].Problem, twice[1].Problem)
	}
}

// A cluster may be registered for some of its namespaces.
func TestClusterNamespaces(t *testing.T) {
	for name, test := range map[string]struct {
		more []string
		want []string
		wide bool
	}{
		"all":       {nil, nil, false},
		"none said": {[]string{"namespaces", ", ", "clusterResources", "true"}, nil, false},
		"some":      {[]string{"namespaces", "a, b,,a"}, []string{"a", "b"}, false},
		"and more":  {[]string{"namespaces", "a", "clusterResources", "true"}, []string{"a"}, true},
	} {
		c := argo.DecodeClusters([]argo.RepositorySecret{clusterSecret("x", "https://west.example", "{}", test.more...)})[0]
		if !slices.Equal(c.Namespaces, test.want) || c.Wide != test.wide || c.Problem != "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// What was noted of one cluster says nothing about another.
func TestAnotherCluster(t *testing.T) {
	synced := func() *v1alpha1.Application {
		a, out := application(), outcome()
		out.Run = finished(a, app.Operation{Automatic: true})
		return settings.Report(a, out, now)
	}
	for name, test := range map[string]struct {
		to   v1alpha1.Destination
		same bool
	}{
		"the same":            {v1alpha1.Destination{Server: argo.InCluster, Namespace: "shop"}, true},
		"by its name":         {v1alpha1.Destination{Name: "in-cluster", Namespace: "shop"}, true},
		"with a slash":        {v1alpha1.Destination{Server: argo.InCluster + "/", Namespace: "shop"}, true},
		"another namespace":   {v1alpha1.Destination{Server: argo.InCluster, Namespace: "bank"}, true},
		"another server":      {v1alpha1.Destination{Server: "https://west", Namespace: "shop"}, false},
		"another by its name": {v1alpha1.Destination{Name: "west", Namespace: "shop"}, false},
	} {
		a := synced()
		a.Spec.Destination = test.to
		st := settings.Decode(a).State
		if same := st.Inventory.Has(deployment()) && st.Run != nil && st.Applied != ""; same != test.same {
			t.Errorf("%s: inventory %v, run %v", name, st.Inventory, st.Run)
		}
		if !test.same && (len(st.Inventory) > 0 || st.Run != nil) {
			t.Errorf("%s: something is left: %v, %v", name, st.Inventory, st.Run)
		}
	}
}
