# Works on a bare Debian 12 with Python 3.11, as root or not.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c    # a verdict must not get lost in a pipe

BIN := .venv/bin
JOBS := $(shell n=$$(nproc); echo $$((n < 2 ? 2 : n)))

.PHONY: help setup demo test lint types walls tests suites prove fuzz perf clean

help:                ## what there is
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup:               ## the environment in .venv
	@.ci/setup

demo: setup          ## the acceptance profile against the twin, with a report to look at
	@run=runs/demo-$$(date -u +%Y%m%dT%H%M%SZ); $(BIN)/mcm-bench run acceptance --run-dir $$run && \
	  echo && echo "Open $$run/report.html in a browser."

test: setup          ## everything that CI runs
	@.ci/packages
	$(MAKE) --no-print-directory lint types walls tests suites prove

lint: setup          ## ruff
	$(BIN)/ruff check .

types: setup         ## mypy --strict
	$(BIN)/mypy

walls: setup         ## who may import whom
	$(BIN)/lint-imports

tests: setup         ## the tests of the bench itself
	$(BIN)/python -m pytest tests -q -n $(JOBS) --dist worksteal

suites: setup        ## the regression profile against the twin
	@rm -rf runs/ci && $(BIN)/mcm-bench run regression --run-dir runs/ci -n $(JOBS) | tail -n 12

prove: setup         ## every defect of the twin must be caught, a healthy one must pass
	$(BIN)/mcm-bench prove --first -n $(JOBS) | tail -n 3

fuzz: setup          ## a million broken telegrams into the decoders
	$(BIN)/python tests/fuzz_payload.py 1000000

perf: setup          ## speeds, printed
	$(BIN)/python -m pytest tests/perf -q -s -n 0

clean:               ## remove what was made
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
