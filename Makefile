# Everything that is done with this repository. `make help` lists it.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The tag keeps 40 MB of plugin support, which is never used, out of the programs.
TAGS    := -tags kustomize_disable_go_plugin_support
LDFLAGS := -ldflags "-s -w -X main.version=$(VERSION)"
GO      := go
APPS    := 1000
SUITE   := table
SOAK    := 15m
FUZZTIME := 20s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: up
up: build ## start a cluster, a git server and Plumbline here, and watch it work until Ctrl-C
	@exec bin/demo up

.PHONY: down
down: bin/demo ## end what `make up` started and remove what it kept
	@bin/demo down

.PHONY: build
build: programs bin/sandbox ## build the programs into bin/

.PHONY: programs
programs: bin/plumbd bin/plumb bin/demo

# The go command knows best what is out of date, and asking it costs little.
.PHONY: bin/plumbd bin/plumb bin/demo bin/alltests bin/sandbox
bin/plumbd bin/plumb: bin/%:
	@test -x $@ || echo "building $*: a few minutes the first time"
	@$(GO) build -v $(TAGS) $(LDFLAGS) -o $@ ./cmd/$* 2>&1 | awk -v total=1020 -f dev/progress.awk

bin/demo:
	@$(GO) build -v $(TAGS) $(LDFLAGS) -o $@ ./demo 2>&1 | awk -v total=510 -f dev/progress.awk

bin/alltests:
	@$(GO) build -o $@ ./dev/alltests

bin/sandbox:
	@test -x $@ || echo "building sandbox: a whole Kubernetes, about ten minutes on two cores the first time"
	@sandbox/build.sh $@ -v 2>&1 | awk -v total=2200 -f dev/progress.awk

.PHONY: check
check: ## the fast gate: build, vet, format, unit tests of core, dialect, engine and architecture
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; }
	$(GO) build $(TAGS) ./...
	$(GO) vet $(TAGS) ./...
	$(GO) test $(TAGS) . ./api/... ./internal/core/... ./internal/dialect/... ./internal/engine/...

.PHONY: test
test: build bin/alltests ## every test there is: units, scenarios, drivers and sandbox against a real API server
	@bin/alltests

.PHONY: scenario
scenario: build ## whole stories against a real API server
	PLUMBLINE_SANDBOX=$(CURDIR)/bin/sandbox PLUMBLINE_PLUMBD=$(CURDIR)/bin/plumbd PLUMBLINE_PLUMB=$(CURDIR)/bin/plumb $(GO) test $(TAGS) -count=1 ./scenario/...

.PHONY: sweep
sweep: build ## every fault at every call of an application's life, where `make test` takes a share
	PLUMBLINE_SWEEP=1 PLUMBLINE_SANDBOX=$(CURDIR)/bin/sandbox PLUMBLINE_PLUMBD=$(CURDIR)/bin/plumbd PLUMBLINE_PLUMB=$(CURDIR)/bin/plumb $(GO) test $(TAGS) -count=1 -timeout=60m -run='May' -v ./scenario

.PHONY: race
race: build bin/alltests ## every test under the race detector (needs a C compiler)
	@CGO_ENABLED=1 bin/alltests -race

.PHONY: soak
soak: build ## fifteen minutes of commits, drifts, kills and faults beside a model: make soak SOAK=15m
	PLUMBLINE_SANDBOX=$(CURDIR)/bin/sandbox PLUMBLINE_PLUMBD=$(CURDIR)/bin/plumbd PLUMBLINE_PLUMB=$(CURDIR)/bin/plumb \
		$(GO) test $(TAGS) -count=1 -timeout 2h -run '^TestSoak$$' -v ./scenario -soak $(SOAK)

.PHONY: bench
bench: build ## measure against the machine's own limit: make bench APPS=100,1000,5000 SUITE=table BENCHFLAGS=...
	$(GO) run $(TAGS) ./bench -apps $(APPS) -suite $(SUITE) $(BENCHFLAGS)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@failed=0; while read -r file target; do \
		echo "$$target in $$(dirname "$$file")"; \
		( cd "$$(dirname "$$file")" && $(GO) test $(TAGS) -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) . ) </dev/null || failed=1; \
	done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | sed 's/:func / /' | sort); exit $$failed

.PHONY: generate
generate: ## write generated files anew; with OPENAPI_V3_DIR=DIR also the built-in schemas, from a Kubernetes source tree
	$(GO) generate $(TAGS) ./api/... ./deploy/... $(if $(OPENAPI_V3_DIR),./internal/core/schema)

.PHONY: clean
clean: ## remove bin/
	rm -rf bin
