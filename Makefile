# `make help` lists the targets. Everything is installed below this folder: .venv and .cache.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run demo test image-test chaos fuzz check audit sbom bench format lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install everything into .venv (Python >= 3.11)

# pip checks every file against the hashes in the lock, which is complete: without --no-deps older
# versions of pip look for newer releases of what is wanted with an extra, and then refuse them.
$(STAMP): requirements/all.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/all.txt
	@touch $(STAMP)

run: setup ## Run the worker with .env.local and .env
	@$(BIN)/python worker.py

demo: setup ## Play a whole project on this machine, without account or key
	@$(BIN)/python worker.py demo

# Two at a time: they wait more than they compute. Those with bounds in seconds run alone.
test: setup ## Run all tests: unit, integration, acceptance
	@$(BIN)/python -m pytest -n 2 tests/unit tests/integration
	@$(BIN)/python -m pytest tests/acceptance

image-test: setup ## Build the image and try it (root, podman, debootstrap; some minutes)
	@scripts/try-image.sh

ROUNDS ?= 200
chaos: setup ## Kill and break everything for ROUNDS=200 [SEED=n], then see that nothing was lost
	@$(BIN)/python -m sandbox.chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

SECONDS ?= 60
fuzz: setup ## Feed each parser of foreign bytes for SECONDS=60 (Linux on x86-64, Python < 3.14)
	@$(BIN)/python -m tests.fuzz $(SECONDS)

bench: setup ## Measure this worker beside Node's in one run (25 minutes), into bench/results.md
	@$(BIN)/python -m bench

SBOM := --pyproject pyproject.toml --spec-version 1.6 --output-format JSON --output-reproducible

check: setup ## Lint, types, import rules, known vulnerabilities
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory audit

audit: setup ## Look for known vulnerabilities in what the locks name
	@$(BIN)/python scripts/audit.py requirements/all.txt

sbom: setup ## Write vidfab-worker.cdx.json: what is installed here (the image has its own)
	@$(BIN)/cyclonedx-py environment $(SBOM) --output-file vidfab-worker.cdx.json $(BIN)/python

format: setup ## Put the code into the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header

# The third is what makes the image's bill of materials, in a stage of its own.
lock: setup ## Renew the locks: versions and hashes, no addresses
	@$(LOCK) pyproject.toml --extra sentry -o requirements/worker.txt
	@$(LOCK) pyproject.toml --all-extras -c requirements/worker.txt -o requirements/all.txt
	@echo cyclonedx-bom | $(LOCK) - -c requirements/all.txt -o requirements/sbom.txt

clean: ## Remove what was installed and made
	@rm -rf $(VENV) .cache demo-output .pytest_cache .ruff_cache .hypothesis .import_linter_cache
