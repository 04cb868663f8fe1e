#!/bin/sh
# Builds the sandbox to the path given as the first argument; further ones go to
# go build. The first build compiles Kubernetes and takes minutes; one without
# changes takes seconds.
set -eu
out=${1:?usage: build.sh OUTPUT [GO BUILD FLAG...]}
shift
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"

# Clients read the version the API server reports, so it has to be the real one.
module=k8s.io/component-base/version
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
flags="-s -w -X $module.gitVersion=$version -X $module.gitMajor=1 -X $module.gitMinor=${minor%%.*} -X $module.gitTreeState=clean"

GOWORK=off GOFLAGS='' exec go build -buildvcs=false -tags kustomize_disable_go_plugin_support -ldflags "$flags" -o "$out" "$@" .
