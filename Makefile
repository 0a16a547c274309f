# `make help` lists the targets. Everything is installed below this folder: .venv and .cache.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup dev run demo test test-fast image-test interop chaos live fuzz check audit sbom wheel bench format lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what the worker needs into .venv (Python >= 3.11)
	@$(PYTHON) scripts/install.py worker

dev: ## Install all else, too: for the demo, tests, checks and benchmarks
	@$(PYTHON) scripts/install.py all

run: setup ## Run the worker with .env.local and .env
	@$(BIN)/python worker.py

demo: dev ## Play a whole project on this machine, without account or key
	@$(BIN)/python worker.py demo

# Where bytecode is not kept, as images of Python have it, each process would compile all tests anew.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --dist worksteal

# More at a time than there are processors: they wait as long as they compute. What is promised in
# seconds is measured without the time in which others ran (tests/support/stopwatch.py).
test: dev ## Run all tests: unit, integration, acceptance
	@$(PYTEST) -n 4 tests/unit tests/integration tests/interop
	@$(PYTEST) -n 4 tests/acceptance

# A fifth of the cases that hypothesis thinks of.
test-fast: dev ## Run the unit tests but those marked slow (50 s on two cores)
	@$(PYTEST) -n 3 --hypothesis-profile fast -m "not slow" tests/unit

image-test: dev ## Build the image and try it (root, podman, debootstrap; some minutes)
	@scripts/try-image.sh

interop: dev ## Compare this worker with Node's, scenario by scenario, and ROUNDS=100 [SEED=n] random programs
	@$(BIN)/python -m tests.interop --rounds $(or $(ROUNDS),100) $(if $(SEED),--seed $(SEED)) \
		$(if $(VERSION),--version $(VERSION)) $(if $(ONLY),--only '$(ONLY)')

chaos: dev ## Kill and break everything for ROUNDS=200 [SEED=n], then see that nothing was lost
	@$(BIN)/python -m sandbox.chaos --rounds $(or $(ROUNDS),200) $(if $(SEED),--seed $(SEED))

live: dev ## Ask the real vendors and the stand-ins the same: FREE=1 buys nothing, [ONLY=byteplus]
	@$(BIN)/python -m sandbox.live $(if $(FREE),--free) $(if $(ONLY),--only $(ONLY))

SECONDS ?= 60
fuzz: dev ## Feed each parser of foreign bytes for SECONDS=60 (Linux on x86-64, Python < 3.14)
	@$(BIN)/python -m tests.fuzz $(SECONDS)

bench: dev ## Measure this worker beside Node's in one run (some 30 minutes), into bench/results.md
	@$(BIN)/python -m bench

SBOM := --pyproject pyproject.toml --spec-version 1.6 --output-format JSON --output-reproducible

check: dev ## Lint, types, import rules, known vulnerabilities
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory audit

audit: dev ## Look for known vulnerabilities in what the locks name
	@$(BIN)/python scripts/audit.py requirements/all.txt requirements/otel.txt

sbom: dev ## Write vidfab-worker.cdx.json: what is installed here (the image has its own)
	@$(BIN)/cyclonedx-py environment $(SBOM) --output-file vidfab-worker.cdx.json $(BIN)/python

DIST ?= dist
# What builds comes from the lock, too, into an environment of its own.
wheel: dev ## Build bullmq_consumer/ alone into DIST=dist
	@$(BIN)/uv build --quiet --wheel --python $(BIN)/python --cache-dir .cache/uv \
		--require-hashes --build-constraints requirements/all.txt \
		--no-create-gitignore --out-dir $(DIST) bullmq_consumer

format: dev ## Put the code into the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# What the extra itself names, without what the worker needs anyway.
OTEL := $(BIN)/python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print(*project["optional-dependencies"]["otel"], sep="\n")'
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header

# Beside which the bench measures this worker: bench/peers.
PEERS := bullmq 'dramatiq[redis]' hiredis saq taskiq taskiq-redis

# The third is what makes the image's bill of materials, in a stage of its own; the fourth is added to
# the first for traces, and is kept out of the second (scripts/install.py).
lock: dev ## Renew the locks: versions and hashes, no addresses
	@$(LOCK) pyproject.toml --extra sentry -o requirements/worker.txt
	@$(LOCK) pyproject.toml --extra sentry --extra sandbox --extra dev -c requirements/worker.txt -o requirements/all.txt
	@echo cyclonedx-bom | $(LOCK) - -c requirements/all.txt -o requirements/sbom.txt
	@$(OTEL) | $(LOCK) - -c requirements/all.txt -o requirements/otel.txt
	@printf '%s\n' $(PEERS) | $(LOCK) - -c requirements/all.txt -o requirements/peers.txt

clean: ## Remove what was installed and made
	@rm -rf $(VENV) .cache demo-output dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
