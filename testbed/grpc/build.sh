#!/bin/sh
# Builds the gRPC server and client into target/grpc, once: a quarter of a minute. SLUICE_GRPC names another folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${SLUICE_GRPC:-$here/../../target/grpc}
. "$here/../go-module.sh"
go_module ''
built
