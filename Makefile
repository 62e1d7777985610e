# The project's commands. `make run` and `make test` install what they need (Debian packages, as root).
CARGO ?= cargo

.PHONY: run test build deps kubetest bench bench-dns bench-http clean help

help:
	@echo 'make run           show the gateway at work; ONCE=1 ends after the table'
	@echo 'make test          every test; takes root, for TAP ports and namespaces'
	@echo 'make bench         measure: packets, Linux beside, DNS, HTTP, the control plane'
	@echo 'make bench-dns     measure DNS end to end, beside other servers'
	@echo 'make bench-http    measure HTTP, beside nginx and HAProxy'
	@echo 'make build         the release binary, target/release/sluice'

deps:
	@testbed/install.sh

build: deps
	$(CARGO) build --release -p sluice

run: deps
	$(CARGO) build --release -p sluice -p sluice-testbed --bin sluice --bin demo
	@testbed/as-root.sh target/release/demo

# A Kubernetes API server, a CoreDNS and a gRPC client for the tests, built once.
kubetest: deps
	@testbed/kubetest/build.sh
	@testbed/coredns/build.sh
	@testbed/grpc/build.sh

test: deps kubetest
	@testbed/install.sh nginx-light
	$(CARGO) build -p sluice --bin sluice
	@testbed/as-root.sh $(CARGO) test --workspace --no-fail-fast
	@testbed/leftovers.sh

bench: deps
	@testbed/as-root.sh testbed/bench/run.sh

bench-dns: deps
	@testbed/as-root.sh testbed/bench/dns.sh

bench-http: deps
	@testbed/as-root.sh testbed/bench/http.sh

clean:
	$(CARGO) clean
