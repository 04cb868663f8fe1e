package source_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func id(c string) string { return strings.Repeat(c, 40) }

var offered = source.Refs{
	"HEAD":                    {ID: id("a")},
	"refs/heads/main":         {ID: id("a")},
	"refs/heads/release/1.x":  {ID: id("b")},
	"refs/heads/both":         {ID: id("1")},
	"refs/heads/2.x":          {ID: id("0")},
	"refs/tags/both":          {ID: id("2")},
	"refs/tags/v1.2.3":        {ID: id("c")},
	"refs/tags/v1.10.0":       {ID: id("d")},
	"refs/tags/v2.0.0-rc.1":   {ID: id("e")},
	"refs/tags/2":             {ID: id("3")},
	"refs/tags/1.2.3":         {ID: id("4")},
	"refs/tags/chart/1.0.0":   {ID: id("5")},
	"refs/tags/chart/v1.4.0":  {ID: id("6")},
	"refs/tags/nightly":       {ID: id("7")},
	"refs/pull/7/head":        {ID: id("f")},
	"refs/tags/deadbeef":      {ID: id("8")},
	"refs/heads/0.1.0-legacy": {ID: id("9")},
}

func TestResolve(t *testing.T) {
	tests := map[string]struct {
		reason string
		ref    source.Ref
		want   source.Revision
	}{
		"zero":                {"nothing asked for is HEAD", source.Ref{}, source.Revision{Name: "HEAD", ID: id("a")}},
		"HEAD":                {"", source.Ref{Any: "HEAD"}, source.Revision{Name: "HEAD", ID: id("a")}},
		"full id":             {"an id needs no reference", source.Ref{Any: id("7")}, source.Revision{ID: id("7")}},
		"full id upper":       {"", source.Ref{Any: id("F")}, source.Revision{ID: id("f")}},
		"full name":           {"", source.Ref{Any: "refs/heads/main"}, source.Revision{Name: "refs/heads/main", ID: id("a")}},
		"pull request":        {"", source.Ref{Any: "refs/pull/7/head"}, source.Revision{Name: "refs/pull/7/head", ID: id("f")}},
		"branch":              {"", source.Ref{Any: "release/1.x"}, source.Revision{Name: "release/1.x", ID: id("b")}},
		"branch before tag":   {"first match in the order of names", source.Ref{Any: "both"}, source.Revision{Name: "both", ID: id("1")}},
		"tag":                 {"", source.Ref{Any: "v1.2.3"}, source.Revision{Name: "v1.2.3", ID: id("c")}},
		"range":               {"versions are numbers, not text", source.Ref{Any: "1.x"}, source.Revision{Name: "v1.10.0", ID: id("d")}},
		"range or branch":     {"without a version in the range it is a name", source.Ref{Any: "2.x"}, source.Revision{Name: "2", ID: id("3")}},
		"caret":               {"", source.Ref{Any: "^1.2"}, source.Revision{Name: "v1.10.0", ID: id("d")}},
		"prerelease":          {"pre-releases only when asked for", source.Ref{Any: ">=1.0.0-0 <2.0.0"}, source.Revision{Name: "v2.0.0-rc.1", ID: id("e")}},
		"equal versions":      {"the last name wins, always", source.Ref{Any: "~1.2"}, source.Revision{Name: "v1.2.3", ID: id("c")}},
		"partial version":     {"1.10 is a range when no tag has that name", source.Ref{Any: "1.10"}, source.Revision{Name: "v1.10.0", ID: id("d")}},
		"prefix":              {"", source.Ref{Any: "^1", TagPrefix: "chart/"}, source.Revision{Name: "chart/v1.4.0", ID: id("6")}},
		"hex tag":             {"a tag goes before an abbreviated id", source.Ref{Any: "deadbeef"}, source.Revision{Name: "deadbeef", ID: id("8")}},
		"version-like branch": {"", source.Ref{Any: "0.1.0-legacy"}, source.Revision{Name: "0.1.0-legacy", ID: id("9")}},
		"explicit branch":     {"", source.Ref{Branch: "both"}, source.Revision{Name: "both", ID: id("1")}},
		"explicit tag":        {"", source.Ref{Tag: "both", Branch: "main"}, source.Revision{Name: "both", ID: id("2")}},
		"explicit semver":     {"a range beats a branch", source.Ref{SemVer: ">=1.0.0", Branch: "main"}, source.Revision{Name: "2", ID: id("3")}},
		"tag beats semver":    {"", source.Ref{Tag: "nightly", SemVer: "1.x"}, source.Revision{Name: "nightly", ID: id("7")}},
		"name beats tag":      {"", source.Ref{Name: "refs/pull/7/head", Tag: "nightly"}, source.Revision{Name: "refs/pull/7/head", ID: id("f")}},
		"commit beats name":   {"", source.Ref{Commit: id("9"), Name: "refs/heads/main"}, source.Revision{ID: id("9")}},
		"commit on a branch":  {"the branch names it", source.Ref{Commit: id("9"), Branch: "main"}, source.Revision{Name: "main", ID: id("9")}},
		"explicit beats any":  {"", source.Ref{Branch: "main", Any: "nightly"}, source.Revision{Name: "main", ID: id("a")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.ref.Resolve(offered)
			if err != nil {
				t.Fatalf("%v: %s", err, tt.reason)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	few := source.Refs{"HEAD": {ID: id("a")}, "refs/heads/main": {ID: id("a")}, "refs/heads/develop": {ID: id("b")}, "refs/tags/v1.0.0": {ID: id("c")}}
	tests := map[string]struct {
		ref         source.Ref
		refs        source.Refs
		want        string
		abbreviated string
	}{
		"branch gone":  {source.Ref{Branch: "master"}, few, `branch "master" does not exist: the repository has the branches "main", "develop"`, ""},
		"tag gone":     {source.Ref{Tag: "v1"}, few, `tag "v1" does not exist: the repository has the tags "v1.0.0"`, ""},
		"no tags":      {source.Ref{Tag: "v1"}, source.Refs{"refs/heads/main": {ID: id("a")}}, `tag "v1" does not exist: the repository has no tags`, ""},
		"range":        {source.Ref{SemVer: "^3"}, few, `version range "^3" does not exist: the repository has the tags "v1.0.0"`, ""},
		"prefix":       {source.Ref{SemVer: "^1", TagPrefix: "x/"}, few, `version range "^1" of tags "x/*" does not exist: the repository has the tags "v1.0.0"`, ""},
		"no range":     {source.Ref{SemVer: "main"}, few, `version range "main": not a version range, use for example "1.x", "^1.2" or ">=1.2 <2"`, ""},
		"empty":        {source.Ref{}, source.Refs{}, `HEAD does not exist: the repository is empty`, ""},
		"empty branch": {source.Ref{Branch: "main"}, nil, `branch "main" does not exist: the repository has no branches`, ""},
		"any":          {source.Ref{Any: "mian"}, few, `revision "mian" does not exist: the repository has the references "main", "v1.0.0", "develop"`, ""},
		"abbreviated":  {source.Ref{Any: "4F1C2AB"}, few, `revision "4F1C2AB" does not exist: the repository has the references "v1.0.0", "develop", "main"`, "4f1c2ab"},
		"too short":    {source.Ref{Any: "4f1c2a"}, few, `revision "4f1c2a" does not exist: the repository has the references "main", "v1.0.0", "develop"`, ""},
		"commit":       {source.Ref{Commit: "4f1c2ab"}, nil, `commit "4f1c2ab" does not exist: the repository is empty`, "4f1c2ab"},
		"full name":    {source.Ref{Name: "refs/heads/x"}, few, `reference "refs/heads/x" does not exist: the repository has the references "refs/heads/main", "refs/heads/develop", "refs/tags/v1.0.0"`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.ref.Resolve(tt.refs)
			if err == nil {
				t.Fatal("resolved")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if unresolved := (*source.UnresolvedError)(nil); errors.As(err, &unresolved) && unresolved.Abbreviated != tt.abbreviated {
				t.Errorf("abbreviated %q, want %q", unresolved.Abbreviated, tt.abbreviated)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	for want, refs := range map[string][]source.Ref{
		"refs/pull/7/head": {{Any: "refs/pull/7/head"}, {Name: "refs/pull/7/head", Branch: "main"}},
		"":                 {{}, {Any: "main"}, {Name: "refs/heads/main"}, {Any: "refs/tags/v1"}, {Commit: id("a"), Name: "refs/pull/7/head"}, {Branch: "main", Any: "refs/pull/7/head"}},
	} {
		for _, ref := range refs {
			if got := strings.Join(ref.Needs(), " "); got != want {
				t.Errorf("%+v needs %q, want %q", ref, got, want)
			}
		}
	}
}
