# Ports, folder and addresses come from the environment: see deploy/local/config.go.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
LOCAL := go run ./deploy/local
BIN := $(CURDIR)/.run/bin

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Go says itself whether it will do for go.mod: one that is too old fetches another, which is shown, unless GOTOOLCHAIN=local.
go_problem = $(shell command -v go >/dev/null || { echo "go is not in PATH"; exit; }; \
	said=$$(go list -m 2>&1 | sed -e '/^go: downloading /{w /dev/stderr' -e 'd;}') || echo "$$said")
go_version = $(shell awk '$$1 == "go" {print $$2}' go.mod)

# An error of make's own is one line; that of a command would be followed by make's.
refuse_go = $(if $1,$(error Go $(go_version) or newer is needed ($1): get it from https://go.dev/dl and put its bin folder in PATH))

.PHONY: go
go:
	@$(call refuse_go,$(go_problem))

.PHONY: run
run: go ## set up and start everything on this machine, until Ctrl-C
	@$(LOCAL) run

.PHONY: up
up: go ## the same, in the background
	@$(LOCAL) up

.PHONY: down
down: go ## stop what runs in the background
	@$(LOCAL) down

.PHONY: clean
clean: go ## stop everything and delete its state
	@$(LOCAL) clean

.PHONY: build
build: go ## build the tenure binary into .run/bin
	go build -o $(BIN)/tenure ./cmd/tenure

.PHONY: test
test: go ## run all tests, against a real Postgres and a real Temporal of their own
	@$(LOCAL) test --volatile -- go test -timeout=40m -parallel=4 ./...

# The engine takes one target of one package at a time. A number of inputs and not a time: at the end of a time the engine may
# report the deadline as a failure (golang/go#75804).
FUZZTIME := 10000x

.PHONY: fuzz
fuzz: go ## let the fuzzing engine look for inputs that break what reads them; FUZZTIME=10m and more
	@for package in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package: $$target"; \
			go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) $$package; \
		done; \
	done

.PHONY: soak
soak: go ## run the end-to-end tests at full scale (hours)
	@TENURE_KILLS=100 TENURE_MODEL_RUNS=20000 TENURE_SAMPLE=full $(LOCAL) test -- go test -count=1 -p=1 -timeout=120m -tags=soak -run='Soak|Kill|Sample|Protocol' ./e2e/...

.PHONY: bench
bench: go ## measure, against the baselines; BENCH='--quick' and more: go run ./bench -h
	@$(LOCAL) test -- go run ./bench $(BENCH)

.PHONY: lint
lint: go ## check style, import directions, workflow determinism and known vulnerabilities
	@echo "building the linters (minutes, the first time)"
	@go -C deploy/tools/lint build -o $(BIN)/ tool
	@$(BIN)/golangci-lint run ./...
	@$(BIN)/workflowcheck ./workflows/...
	@deploy/tools/vulnerabilities $(BIN)/govulncheck
