# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Prerequisites: git, make, Python ≥ 3.11; for the built-in cluster root, Go ≥ 1.24 and Debian's packages.
PYTHON ?= python3
BIN    := .venv/bin
PYTEST := $(BIN)/pytest
KIT    := $(BIN)/python -P -m kit.cluster
PEERS  := build/bench/peers-venv
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
           --fork-strategy fewest --python-version 3.11 --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test test-thorough test-apiserver references prepare torture lint site format crd lock bench peers cluster-up cluster-down down clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z.-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv  ## the main job: on a cluster, a flow is evicted, killed, edited and reverted, and ends with the same bits
	@$(BIN)/python examples/demo

test: lint prepare  ## what a commit needs, also on a cluster (without one, tests that need it are skipped and say why)
	$(PYTEST) -n 4 --durations=25

test-thorough: lint prepare  ## every matrix in full, too
	$(PYTEST) -n 4 --durations=25 --thorough

test-apiserver: .venv prepare  ## the operator against a real apiserver without nodes
	$(PYTEST) -n 3 --dist loadfile --durations=25 tests/apiserver

references: .venv  ## find the recorded answers of other solvers anew, in tests/kit/references
	$(BIN)/python -P -W error::UserWarning -m kit.references

prepare: .venv
	@$(KIT) prepare $(if $(CFLOW_REQUIRE_CLUSTER),,|| echo "Going on without a cluster.")

torture: .venv  ## an hour of random faults, kills of flows, and mutants of the protocol; SEED=, FAULTS=
	$(BIN)/python -P -m torture $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS))

lint: .venv  ## format, style, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -P -m flowapi.schema --check
	$(BIN)/python docs/tools/reference.py --check

site: .venv  ## these pages as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: .venv  ## put the code into shape
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format --quiet .

crd: .venv  ## write the CRD, and the reference pages, from the code
	$(BIN)/python -P -m flowapi.schema --write
	$(BIN)/python docs/tools/reference.py --write

lock: .venv  ## lock the dependencies (names, versions, hashes); UPGRADE=1 takes newer ones
	$(COMPILE) $(if $(UPGRADE),--upgrade) --extra dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --extra engine -c requirements/dev.txt pyproject.toml -o requirements/engine.txt
	$(COMPILE) --extra operator -c requirements/dev.txt pyproject.toml -o requirements/operator.txt
	$(COMPILE) --extra client -c requirements/dev.txt pyproject.toml -o requirements/client.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) requirements/peers.in -o requirements/peers.txt
	echo hatchling | $(COMPILE) -c requirements/dev.txt - -o requirements/build.txt
	echo uv | $(COMPILE) -c requirements/dev.txt - -o requirements/uv.txt

bench: .venv peers  ## speed, measured in pairs in one run; writes build/bench/
	$(BIN)/python bench/engine.py
	$(BIN)/python bench/checkpoints.py
	$(BIN)/python bench/recovery.py
	$(BIN)/python bench/many_flows.py

peers: $(PEERS)/installed

$(PEERS)/installed: requirements/peers.txt | .venv
	@echo "Setting up $(PEERS): the libraries that the bench compares with (about 1.2 GB)"
	@test -x $(PEERS)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(PEERS)
	@$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes requirements/peers.txt
	@touch $@

cluster-up: .venv  ## a cluster on this machine with the operator installed; kubeconfig in build/cluster/
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
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:  ## remove what was built
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
