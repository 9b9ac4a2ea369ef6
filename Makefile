# Every target here is a step of CI (.ci/run); `make help` lists them.

SHELL         := /bin/bash -o pipefail
MODULES       := . e2e tools
FUZZTIME      ?= 30000x
CRASH_ROUNDS  ?= 20
YEAR_DAYS     ?= 365
TESTFLAGS     ?=
comma         := ,
empty         :=
space         := $(empty) $(empty)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/drover
	go build -trimpath -o bin/drover ./cmd/drover

.PHONY: fmt
fmt: bin/gofumpt ## format everything with gofumpt
	bin/gofumpt -w $(MODULES)

.PHONY: lint
lint: bin/gofumpt bin/staticcheck ## gofumpt, go vet and every check of staticcheck (staticcheck.conf)
	@unformatted=$$(bin/gofumpt -l .); test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	@for dir in $(MODULES); do echo "== lint $$dir"; (cd $$dir && go vet ./... && $(CURDIR)/bin/staticcheck ./...) || exit 1; done

.PHONY: test
test: bin/testsum clients ## every test: unit, conversations, end to end; the last line counts them
	@bin/testsum -modules $(subst $(space),$(comma),$(MODULES)) -- -timeout 9m $(TESTFLAGS) ./...

.PHONY: race
race: bin/testsum ## the tests of the product under the race detector
	@bin/testsum -modules . -- -race -short -timeout 15m $(TESTFLAGS) ./...

.PHONY: fuzz
fuzz: ## every Fuzz target for FUZZTIME each (default 30000x: executions; 10m would be a time)
	@FUZZTIME=$(FUZZTIME) .ci/fuzz

.PHONY: crash
crash: bin/testsum ## kill -9 a server at work CRASH_ROUNDS times (default 20) and hold it against a ledger (docs/crash.md)
	@rm -f .cache/crash-report.txt
	@DROVER_CRASH_ROUNDS=$(CRASH_ROUNDS) bin/testsum -modules .,e2e -- -count=1 -timeout 60m -parallel 4 -run '^Test(Restart|Kill|Crash)' ./...; \
		status=$$?; cat .cache/crash-report.txt; exit $$status

.PHONY: year
year: ## YEAR_DAYS (default 365) of a random fleet on the virtual clock against a reference model
	DROVER_YEAR_DAYS=$(YEAR_DAYS) go test -count=1 -timeout 30m -v -run '^TestAYear' ./internal/year/

.PHONY: planted
planted: ## a build with a bug in each rule of targets, rollout, abort, timers, retries: a year must find every one
	DROVER_YEAR_PLANT=1 go test -count=1 -timeout 30m -v -run '^TestAPlantedBugIsFound$$' ./internal/year/

.PHONY: bench
bench: ## the floors of speed and memory, against mosquitto
	@if [ -f bench/run ]; then bench/run; else echo "bench: there is no bench/run yet"; fi

.PHONY: million
million: ## a million things: what jobs and groups on them do to other devices and to memory (a quarter of an hour)
	bench/run -million

.PHONY: cover
cover: ## test coverage by function, in cover.out
	go test -short -coverprofile=cover.out -coverpkg=./internal/... ./...
	go tool cover -func=cover.out | tail -1

.PHONY: clients
clients: ## install the pinned clients of the end-to-end tests into .cache (Python, JavaScript)
	@.ci/clients

.PHONY: clean
clean: ## remove what the targets above made
	rm -rf bin .cache cover.out

bin/testsum: tools/go.mod $(wildcard tools/testsum/*.go)
	@go -C tools build -o ../bin/ ./testsum

bin/gofumpt: tools/go.mod
	@go -C tools build -o ../bin/ mvdan.cc/gofumpt

bin/staticcheck: tools/go.mod
	@go -C tools build -o ../bin/ honnef.co/go/tools/cmd/staticcheck
