#!/bin/sh
# Builds CoreDNS into target/coredns, once: about a minute. SLUICE_COREDNS names another folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${SLUICE_COREDNS:-$here/../../target/coredns}
. "$here/../go-module.sh"
go_module ''
built
