# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Prerequisites: git, make, Python ≥ 3.11; Go ≥ 1.24 for the built-in cluster.
PYTHON ?= python3
BIN    := .venv/bin
KIT    := $(BIN)/python -P -m kit.cluster
PYTEST := $(BIN)/pytest
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
           --fork-strategy fewest --python-version 3.11 --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-cluster lint format crd lock bench cluster-up cluster-down down clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z.-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv  ## the main job: a flow that is evicted, killed, edited and reverted, and ends with the same bits
	@$(KIT) up
	@$(BIN)/python -P -m demo

test: lint test-fast test-cluster  ## every check and test, on a real cluster

test-fast: .venv  ## the tests that need no cluster
	$(PYTEST) -m "not cluster" -n 2 --dist worksteal

test-cluster: .venv  ## the tests on a real cluster (CFLOW_TEST_KUBECONFIG, kind, or the built-in one)
	@$(KIT) up
	$(PYTEST) -m cluster

lint: .venv  ## format, style, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -P -m flowapi.schema --check

format: .venv  ## put the code into shape
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format --quiet .

crd: .venv  ## write the CRD from the models
	$(BIN)/python -P -m flowapi.schema --write

lock: .venv  ## lock the dependencies again (names, versions, hashes)
	$(COMPILE) --upgrade --extra dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --extra engine -c requirements/dev.txt pyproject.toml -o requirements/engine.txt
	echo uv | $(COMPILE) -c requirements/dev.txt - -o requirements/uv.txt

bench: .venv  ## speed, measured in pairs in one run; writes build/bench/
	$(BIN)/python bench/engine.py

	@$(KIT) up --install

cluster-down:  ## take it away without a trace
	@if [ -x $(BIN)/python ]; then $(KIT) down; fi

down: cluster-down

.venv: .venv/installed

.venv/installed: pyproject.toml requirements/dev.txt
	@echo "Setting up .venv (about 1.5 GB, a minute or two the first time)"
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean: cluster-down  ## remove what was built (not the caches outside the checkout)
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
