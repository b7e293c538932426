# What people do here. Every target works from a fresh clone with Python 3.11 or newer, its venv
# module and make, without standard input, and leaves nothing running that it was not asked for.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# `make demo PORT=9000` and `DEMO_EXIT=1 make demo` alike.
PORT ?= 8000
DEMO_EXIT ?=
export PORT DEMO_EXIT

RUNTIME := .venv/.runtime
DEV := .venv/.dev
CLIENTS := .venv-clients/.stamp

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---------------------------------------------------------------------------------- environments

$(RUNTIME): requirements.txt requirements-build.txt pyproject.toml
	@scripts/environment runtime

$(DEV): requirements-dev.txt pyproject.toml
	@scripts/environment dev

.PHONY: install
install: $(RUNTIME) ## Make .venv with what the service runs on

.PHONY: install-dev
install-dev: $(DEV) ## Make .venv with what its development needs as well

$(CLIENTS): tests/clients/requirements.txt tests/clients/requirements-build.txt tests/clients/node/package-lock.json
	@scripts/clients

.PHONY: clients
clients: $(CLIENTS) ## Make .venv-clients with other people's clients, for tests of the simulator

.PHONY: lock
lock: ## Remake the locks (UPGRADE=1 takes newer versions)
	@scripts/lock

# ---------------------------------------------------------------------------------------- running

.PHONY: demo
demo: $(RUNTIME) ## Connect two instances in a simulated cloud, then serve (PORT=, DEMO_EXIT=1)
	@.venv/bin/intercom demo

.PHONY: run
run: $(RUNTIME) ## Serve beside a simulated cloud, without the demonstration (PORT=)
	@.venv/bin/intercom demo --no-demonstration

# --------------------------------------------------------------------------------------- checking

.PHONY: lint
lint: $(DEV) ## Format, lint, types, walls between rooms, dependencies, contract
	@scripts/lint

.PHONY: format
format: $(DEV) ## Format the code and apply the safe fixes
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

.PHONY: openapi
openapi: $(RUNTIME) ## Write openapi.json anew from the code
	@.venv/bin/intercom openapi --output openapi.json

.PHONY: simulator-page
simulator-page: $(DEV) ## Write the tables of docs/simulator.md anew from the code
	@.venv/bin/python -m tests.simulator.page

.PHONY: findings-page
findings-page: $(DEV) ## Write the tables of docs/findings.md anew from the code
	@.venv/bin/python -m tests.house.findings_page

.PHONY: faults-page
faults-page: $(DEV) ## Write docs/faults.md anew from the marks of the tests
	@.venv/bin/python -m tests.house.faults_page

.PHONY: test
test: lint $(CLIENTS) ## Everything that CI runs
	@scripts/system-packages
	@.venv/bin/pytest --numprocesses 3 --dist worksteal

.PHONY: test-long
test-long: $(DEV) ## The long runs: seeded fault schedules, load, fuzzing
	@.venv/bin/pytest -m long --timeout 3600 --hypothesis-profile long

.PHONY: test-kernel
test-kernel: $(DEV) ## Verdicts against real packets of this machine's kernel (as root)
	@scripts/system-packages
	@INTERCOM_TEST_REQUIRE_SYSTEM=1 INTERCOM_TEST_REQUIRE_KERNEL=1 .venv/bin/pytest -m "kernel and not long" tests/kernel

.PHONY: bench
bench: $(DEV) ## Every benchmark, each beside its baseline in the same run
	@scripts/bench

.PHONY: clean
clean: ## Remove the environment, caches and what the demo left
	@rm -rf .venv .venv-clients .environment.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find app migrations tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
