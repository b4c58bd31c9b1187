# The list of commands. Everything runs in .venv, made here from pinned requirement files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=
SERVE_ARGS ?=
TEST_ARGS ?=
BENCH ?=

.PHONY: help install demo serve test search lint bench docs soak format lock clean

help:  ## Lists the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Heliofleet needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements/build.txt requirements/runtime.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

install: $(VENV)/.runtime  ## Installs what the service needs into .venv

demo: $(VENV)/.runtime  ## Plays two days of Confluence and leaves a report (DEMO_ARGS="--exit --out DIR")
	$(BIN)/heliofleet demo $(DEMO_ARGS)

serve: $(VENV)/.runtime  ## Runs the service (SERVE_ARGS="--http-port 8080")
	$(BIN)/heliofleet serve $(SERVE_ARGS)

# Three at a time also on two cores: many tests wait for real time.
test: $(VENV)/.dev  ## Runs all tests but the long ones (TEST_ARGS="-k name")
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not soak" $(TEST_ARGS)

search: $(VENV)/.dev  ## Runs the property tests with examples never tried before
	$(BIN)/python -m pytest -n 2 --dist loadfile --hypothesis-profile search tests/property $(TEST_ARGS)

soak: $(VENV)/.dev  ## Runs the long tests
	$(BIN)/python -m pytest -m soak $(TEST_ARGS)

lint: $(VENV)/.dev  ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/basedpyright

format: $(VENV)/.dev  ## Puts the sources in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## Measures against baselines and prints the table (BENCH=planning)
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(VENV)/.dev  ## Writes the generated reference pages
	$(BIN)/python -m tools.make_ocpp_coverage
	$(BIN)/python -m tools.make_ocpp_conformance
	$(BIN)/python -m tools.make_reference

lock: $(VENV)/.dev  ## Pins the requirement files anew
	$(BIN)/python tools/lock.py

clean:  ## Removes what was built
	rm -rf $(VENV) build dist .ruff_cache .hypothesis heliofleet-run
