# Every target sets up .venv by itself; nothing needs to be installed first but Python 3.11 to 3.14.
#
#   PYTHON=python3.12   which Python makes .venv (else the newest that runs)
#   BROKER=host:port    make demo: use this Kafka, under a prefix of its own, instead of the embedded broker
#   KEEP=1              make demo: leave everything running at the end
#   ARGS='-k fencing'   make test: further arguments for pytest
#   ARGS='-w network' make bench: further arguments for python -m bench
#   PROCESSES=1         make test: one test after another
#   SEED=1 MINUTES=10   make chaos: which schedule of faults, and how long they strike
#   FAULTS=kill-leader,5  make chaos: only these, by name or by number; FAULTS=list names them
#   REPORT=docs/reliability.md  make chaos: put the report into this document, too

.DEFAULT_GOAL := help
.PHONY: help demo docs bench chaos test test-unit test-integration model check format documents recording dist lock clean
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# Tests run in so many processes, each of the integration tests with its own brokers; these wait for a third of their time.
UNIT_PROCESSES := $(or $(PROCESSES),2)
INTEGRATION_PROCESSES := $(or $(PROCESSES),3)

PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest $(ARGS)
CODE := schemas policy transport streams issuer kordon tests scripts examples $(wildcard bench)
export PYTHON VENV

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@awk '/^#   / { print substr($$0, 2) }' $(MAKEFILE_LIST)

demo: ## Run the whole pipeline on an embedded broker, or on BROKER=host:port
	@scripts/bootstrap requirements-demo.txt
	@$(BIN)/kordon demo $(if $(BROKER),--broker $(BROKER)) $(if $(KEEP),--keep)

test: test-unit test-integration ## Unit tests, then integration tests on real brokers

test-unit: ## Unit tests: no network, under a minute
	@scripts/bootstrap requirements-dev.txt
	@echo "== unit tests"
	@$(PYTEST) tests/unit -n $(UNIT_PROCESSES) --dist worksteal

test-integration: ## The same claims on noida-db and on Apache Kafka (needs mvn and Java 17 or later)
	@scripts/bootstrap requirements-dev.txt
	@echo "== integration tests"
	@$(BIN)/python -m tests.brokers.kafka_jars
	@$(PYTEST) tests/integration -n $(INTEGRATION_PROCESSES) --dist worksteal

model: ## Check the model of checkpoint, fence, take-over and revocation with TLC (needs mvn and Java 17 or later)
	@scripts/bootstrap requirements-dev.txt
	@$(BIN)/python -m tests.model

bench: ## Kordon against its peers on Apache Kafka; fails where a must is missed (needs mvn and Java 17 or later)
	@scripts/bootstrap requirements-dev.txt
	@$(BIN)/python -m tests.brokers.kafka_jars
	@$(BIN)/python -m bench $(ARGS)

SEED ?= 1
MINUTES ?= 10
chaos: ## Faults by a seeded schedule on three brokers; then what was lost, doubled or different
	@scripts/bootstrap requirements-dev.txt
	@$(BIN)/python -m tests.brokers.kafka_jars
	@$(BIN)/python -m tests.chaos $(if $(filter list,$(FAULTS)),--list,--seed $(SEED) --minutes $(MINUTES) $(if $(FAULTS),--faults $(FAULTS)) $(if $(REPORT),--report $(REPORT)))

check: ## Format, lint, types, import arrows, documents
	@scripts/bootstrap requirements-dev.txt
	@echo "== format (ruff)" && $(BIN)/ruff format --check --quiet $(CODE) || { echo "run: make format"; exit 1; }
	@echo "== lint (ruff)" && $(BIN)/ruff check --quiet $(CODE)
	@echo "== types (mypy --strict; the first time about half a minute)" && $(BIN)/mypy --no-error-summary && $(BIN)/mypy --no-error-summary scripts/documents.py && $(BIN)/mypy --no-error-summary scripts/recording.py && $(BIN)/mypy --no-error-summary scripts/documentation_site.py && $(BIN)/mypy --no-error-summary scripts/documentation_docstrings.py
	@echo "== import arrows (import-linter)" && $(BIN)/lint-imports --no-logo
	@echo "== deployment files (hadolint, shellcheck, Compose's schema)" && $(BIN)/hadolint Dockerfile && $(BIN)/shellcheck deploy/make-keys scripts/bootstrap .ci/run && $(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@echo "== documents" && $(BIN)/python scripts/documents.py --check
	@echo "== documentation site (built strictly, not kept)" && directory=$$(mktemp -d) && $(SITE) "$$directory/site" 2>"$$directory/log"; status=$$?; test $$status = 0 || cat "$$directory/log" >&2; rm -rf "$$directory"; exit $$status

# Not with --quiet: a warning that is not said is none to --strict.
SITE := $(BIN)/properdocs build --strict --config-file mkdocs.yml --site-dir

format: ## Format the code and mend what the linter can mend
	@scripts/bootstrap requirements-dev.txt
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

documents: ## Write the tables of README.md and docs/ from the code
	@scripts/bootstrap requirements-dev.txt
	@$(BIN)/python scripts/documents.py

recording: ## Play the demo on a pseudo-terminal and record it: docs/demo.cast, docs/demo.svg
	@scripts/bootstrap requirements-dev.txt
	@$(BIN)/python scripts/recording.py

docs: ## Build the documentation as a site, with the API from the docstrings, into site/
	@scripts/bootstrap requirements-dev.txt
	@$(SITE) site && echo "open site/index.html"

dist: ## Build sdist and wheel into dist/ (docs/releasing.md)
	@scripts/bootstrap requirements-dev.txt
	@rm -rf dist
	@$(BIN)/python -m hatchling build

# The files are universal (one for every supported Python and platform), carry hashes and name no index.
# Without UPGRADE=1 the pins that still fit stay.
LOCK := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-annotate $(if $(UPGRADE),--upgrade)
lock: ## Pin the requirements anew from pyproject.toml (UPGRADE=1: to the newest)
	@scripts/bootstrap requirements-dev.txt
	@test -x .venv-lock/bin/uv || { $(BIN)/python -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet 'uv>=0.9,<1'; }
	@$(LOCK) pyproject.toml --extra demo --group dev -o requirements-dev.txt >/dev/null
	@$(LOCK) pyproject.toml --extra demo --group build -c requirements-dev.txt -o requirements-demo.txt >/dev/null
	@$(LOCK) --group build -c requirements-dev.txt -o requirements-build.txt >/dev/null
	@$(LOCK) pyproject.toml -c requirements-dev.txt -o requirements.txt >/dev/null
	@git diff --stat -- 'requirements*.txt'

clean: ## Remove .venv and what tools left behind
	@rm -rf .venv .venv-lock build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
