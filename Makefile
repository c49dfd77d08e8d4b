# `make help` lists the targets. Everything builds its own .venv from the lock; nothing else on the machine is touched.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# The first Python that is new enough, unless PYTHON names one.
PYTHON ?= $(shell for python in python3 python3.12 python3.11 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VERSION := $(if $(PYTHON),$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null))
UV := $(shell command -v uv 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
# Named after the Python that made it: asking for another one builds the environment anew.
STAMP := $(VENV)/.installed-$(VERSION)
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	$(if $(UPGRADE),--upgrade) pyproject.toml
JOBS ?= 2
ARGS ?=

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "FinMind's worker needs Python 3.11 or newer$(if $(VERSION), and $(PYTHON) is $(VERSION));" \
			"install one, or name it: make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3.12" >&2; exit 1; }

# The system's certificates are trusted, as pip does where it is told to. Where uv cannot do it, pip has its turn.
WITH_UV = export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1; rm -rf $(VENV) \
	&& $(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV) \
	&& $(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt \
	&& $(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
PIP = $(BIN)/python -m pip install --disable-pip-version-check
# pip says nothing for minutes when it is quiet, and a page a second when it is not.
PROGRESS = awk '/^Collecting/ && ++found % 25 == 0 { print "  " found " packages found"; fflush() } \
	/^Installing collected/ { print "  installing them"; fflush() } /ERROR|^WARNING: Retrying/ { print; fflush() }'
WITH_PIP = rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) \
	&& { $(PIP) --require-hashes -r requirements/dev.txt 2>&1 || touch $(VENV)/.failed; } | $(PROGRESS) \
	&& test ! -e $(VENV)/.failed && $(PIP) --quiet --no-deps --no-build-isolation -e .

$(STAMP): requirements/dev.txt pyproject.toml | python
	@echo "building $(VENV) for Python $(VERSION) from requirements/dev.txt (once; about two minutes)"
	@{ test -n "$(UV)" && { $(WITH_UV); }; } || { $(WITH_PIP); }
	@touch $@

install: python $(STAMP) ## build .venv from the lock

demo: install ## the whole story in under a minute, on embedded servers
	@$(BIN)/finmind-worker demo

up: install ## everything in one terminal; Ctrl-C stops it; DEMO=1 adds banks
	@$(BIN)/finmind-worker up$(if $(DEMO), --demo)

check: install ## format, lint, types, import rules, schema.sql and models
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/schema tests/deploy/test_kubernetes.py \
		-k "database_agree or are_schema_sql or same_storage or test_kubernetes"
	$(BIN)/python -m tools.supply_chain audit

test: install ## all tests, on an embedded Postgres and Redis; ARGS="-k word"
	@$(if $(ARGS),,echo "some 9,000 tests on $(JOBS) processes: 20 to 25 minutes on two cores; ARGS='-k word' picks some")
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-roles: install ## all tests, with the rights of docs/operator/install.md
	TEST_DATABASE_ROLES=1 $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

prism: install ## our requests against the providers' descriptions; needs Node
	$(BIN)/python -m tests.prism.server
	PRISM=1 $(BIN)/python -m pytest -q tests/prism

promtool: install ## the alert rules judged by Prometheus' own tool
	$(BIN)/python -m tests.status.promtool
	$(BIN)/python -m pytest -q tests/status/test_alerts.py

bench: install ## floor, first import and refresh, as ratios and as JSON
	$(BIN)/python -m benchmarks.imports $(ARGS)

bench-webhooks: install ## deliveries beside bare POSTs, hanging endpoints, kills
	$(BIN)/python -m benchmarks.webhooks $(ARGS)

chaos: install ## 200 random faults against a whole worker; prints seeds
	$(BIN)/python -m tests.chaos.campaign --faults 200 $(ARGS)
	$(BIN)/python -m tests.chaos.households --rounds 20

mutants: install ## 2,000 broken statement files; none may lose a row in silence
	$(BIN)/python -m tests.file.mutants.campaign --count 2000 --seed $(or $(SEED),1) $(ARGS)

fuzz: install ## bytes of strangers at every parser; EXAMPLES=n of each
	FUZZ_EXAMPLES=$(or $(EXAMPLES),20000) $(BIN)/python -m pytest -n $(JOBS) tests/fuzz tests/net/test_response_bodies.py $(ARGS)

bench-memory: install ## peak memory per MiB of a statement file and of an answer
	$(BIN)/python -m benchmarks.memory $(ARGS)

bench-tenants: install ## how long 50 people wait beside three hostile users
	$(BIN)/python -m benchmarks.tenants $(ARGS)

histories: install ## 20,000 random lives of bank accounts that were never tried
	FRESH_HISTORIES=20000 $(BIN)/python -m pytest -n 0 tests/importer/test_simulation.py -k TestHistories
	FRESH_HISTORIES=500 $(BIN)/python -m pytest -n 0 tests/bank_accounts/test_matrix.py
	$(BIN)/python -m tests.importer.simulation --histories 40 $(ARGS)

bench-moving: install ## moving an account of 20,000 rows to another connection
	$(BIN)/python -m benchmarks.moving $(ARGS)

bench-runs: install ## dispatch of 100,000 due connections; a refresh's round trip
	$(BIN)/python -m benchmarks.dispatch
	$(BIN)/python -m benchmarks.roundtrip

bench-waiting: install ## refreshes a second of slow banks, and memory of the workers
	$(BIN)/python -m benchmarks.waiting $(ARGS)

bench-scale: install ## 10,000 and a million connections; ARGS="--connections N"
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-year: install ## a simulated year: the size of each table after each month
	$(BIN)/python -m benchmarks.year $(ARGS)

bench-pages: install ## each page of the operator beside a million runs
	$(BIN)/python -m benchmarks.operator_pages $(ARGS)

bench-keys: install ## what sealing costs, and a rotation of 100,000 credentials
	$(BIN)/python -m benchmarks.credentials $(ARGS)

sbom: install ## bill of materials (CycloneDX) of what the lock installs
	$(BIN)/python -m tools.supply_chain sbom

release: install ## sdist and wheel under dist/, checked by installing them
	$(BIN)/python -m tools.release build
	$(BIN)/python -m tools.release verify
	$(BIN)/python -m tools.supply_chain sbom
	$(BIN)/python -m tools.release checksums

licences: install ## licence of every runtime dependency; fails for the GPL
	$(BIN)/python -m tools.supply_chain licences

pictures: install ## the pictures of the documentation, drawn by Chromium
	PICTURES=docs/images $(BIN)/python -m pytest -q -n 0 tests/api/test_ops_browser.py -k pictures

format: install ## rewrite what `check` would refuse
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## compile the lock from pyproject.toml; UPGRADE=1: newer
	@test -n "$(UV)" || { echo "make lock needs uv on the PATH: https://docs.astral.sh/uv" >&2; exit 1; }
	$(LOCK) --extra api --extra aws --extra vault --extra otel -o requirements/runtime.txt
	$(LOCK) --extra api -c requirements/runtime.txt -o requirements/image.txt
	$(LOCK) --all-extras --group dev -o requirements/dev.txt
	$(LOCK:pyproject.toml=) --group build -o requirements/build.txt

deploy: ## production on this machine with Docker, or its next version
	@deploy/up

rollback: ## the version before the last `make deploy`
	@deploy/up --rollback

deploy-test: install ## deploy, upgrade, roll back and restore on a Docker engine
	$(BIN)/python -m tools.deploy_test $(ARGS)

clean: ## remove .venv and caches; data of `up` stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build

.PHONY: help python install demo up check test test-roles mutants prism promtool bench bench-moving bench-runs bench-waiting bench-scale bench-year bench-pages bench-keys bench-webhooks chaos fuzz bench-memory bench-tenants histories sbom release licences pictures format lock deploy rollback deploy-test clean
