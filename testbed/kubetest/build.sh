#!/bin/sh
# Builds etcd, kube-apiserver, kube-controller-manager, kube-proxy and kubectl into target/kubetest, once: some minutes and
# 2 GiB of memory. SLUICE_KUBETEST names another folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${SLUICE_KUBETEST:-$here/../../target/kubetest}
. "$here/../go-module.sh"
kubernetes=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/go.mod")
minor=${kubernetes#v1.}
flags=
for value in "gitVersion=$kubernetes" gitMajor=1 "gitMinor=${minor%%.*}" gitTreeState=clean; do
  flags="$flags -X k8s.io/component-base/version.$value"
done
go_module "$flags"
for name in etcd kube-apiserver kube-controller-manager kube-proxy kubectl; do ln -sf kubetest "$out/$name"; done
built
