# Works on a bare Debian 12 with Python 3.11, as root or not.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c    # a verdict must not get lost in a pipe

BIN := .venv/bin
# Defects that a unit which lives as long as its run must not hide; all of them: prove --first --lab run
IN_ONE_LAB := lock-stops-dm profile-name-read-only sleep-current-high resend-within-age-limit silent-after-joining

SAMPLE := 60
# Variants and faults are drawn with them by: prove --sample 120 --seed N
DRAWN = $(BIN)/python -c "import random; from bench.twin.defects import DEFECTS; \
  print(*('--defect=' + name for name in random.Random($(SEED)).sample(sorted(DEFECTS), $(SAMPLE))))"
SEED := 1
SINCE := HEAD
MUTANTS := 100
UNITS := 200
PAIRS := 20
VARIANTS :=

JOBS := $(shell n=$$(nproc); echo $$((n < 2 ? 2 : n)))

.PHONY: $(shell sed -nE 's/^([a-z]+): .*\#\#.*/\1/p' $(MAKEFILE_LIST))

help:                ## what there is
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup:               ## the environment in .venv
	@.ci/setup

demo: setup          ## a unit of the twin on the line, with a report to look at
	@run=runs/demo-$$(date -u +%Y%m%dT%H%M%SZ); $(BIN)/mcm-bench run line --run-dir $$run && \
	  echo && echo "Open $$run/report.html in a browser."

test: setup          ## everything that CI runs
	@.ci/packages
	$(MAKE) --no-print-directory lint types walls tests suites prove

quick: setup         ## half a minute: lint, types, and the tests that touch what has changed since SINCE=HEAD
	$(BIN)/ruff check .
	$(BIN)/mypy
	@tests=$$($(BIN)/python tests/touched.py $(SINCE)); [ -z "$$tests" ] && echo "no test touches what has changed" || \
	  $(BIN)/python -m pytest -q -x -n $(JOBS) $$tests

lint: setup          ## ruff
	$(BIN)/ruff check .

types: setup         ## mypy --strict
	$(BIN)/mypy

walls: setup         ## who may import whom
	$(BIN)/lint-imports

tests: setup         ## the tests of the bench itself
	$(BIN)/python -m pytest tests -q -n $$((2 * $(JOBS))) --dist worksteal --durations 20

suites: setup        ## the regression profile against the twin
	@rm -rf runs/ci && $(BIN)/mcm-bench run regression --run-dir runs/ci -n $(JOBS) | tail -n 12

prove: setup         ## a part of proof: defects that SEED=1 draws are caught
	@echo "seed $(SEED)"; $(BIN)/mcm-bench prove --first -n $(JOBS) $$($(DRAWN)) | tail -n 4
	$(BIN)/mcm-bench prove --first --lab run -n $(JOBS) $(IN_ONE_LAB:%=--defect %) | tail -n 1
	$(BIN)/python -m bench.commands.certify.turns --sample 1 --seed $(SEED) -n $(JOBS) | tail -n 4

proof: setup         ## all of it: every defect of the twin must be caught, a healthy one must pass
	$(BIN)/mcm-bench prove --first -n $(JOBS)

planted: setup       ## PAIRS=20 pairs of firmwares with ten planted differences: compare names them, and nothing else; an hour
	PYTHONPATH=. $(BIN)/python tests/firmware_runs.py planted $(PAIRS)

learned: setup       ## UNITS of legal variants that SEED draws: a twin is learned of each, and compared with it; hours
	PYTHONPATH=. $(BIN)/python tests/firmware_runs.py learned $(if $(filter file,$(origin UNITS)),20,$(UNITS)) $(SEED)

variants: setup      ## every legal variant through all the tests that reach what it changes: hours; goes on where it was broken off
	$(BIN)/mcm-bench prove --variants -n $(JOBS)

units: setup         ## 60 good units through regression, each in another life and with other legal variants: hours; goes on
	$(BIN)/mcm-bench prove --units 60 -n $(JOBS)

mutants: setup       ## MUTANTS=100 single changes of the twin that SEED draws; goes on where it was broken off
	$(BIN)/mcm-bench prove --mutants $(MUTANTS) --seed $(SEED) -n $(JOBS)

fuzz: setup          ## a million broken telegrams into the decoders
	$(BIN)/python tests/fuzz_payload.py 1000000

turns: setup         ## each defect of turns.toml turns its rows of the certification packs, no variant any; hours
	$(BIN)/python -m bench.commands.certify.turns --all -n $(JOBS)

lives: setup         ## every profile in one lab, in five orders across files: the same verdicts
	@for profile in acceptance regression certification; do for order in 1 2 3 4 5; do \
	  rm -rf runs/lives-$$profile-$$order; \
	  $(BIN)/mcm-bench run $$profile --lab run --shuffle $$order --run-dir runs/lives-$$profile-$$order | tail -n 12 || exit 1; \
	done; done

station: setup       ## acceptance twice on one unit, in real time, the twin in another process: an hour and a half
	@folder=$$(mktemp -d); $(BIN)/mcm-bench twin --seed 7 --station-out $$folder/twin.toml > $$folder/twin.log & twin=$$!; \
	trap "kill $$twin" EXIT; while [ ! -f $$folder/twin.toml ]; do sleep 0.2; done; \
	for run in first second; do rm -rf runs/station-$$run; \
	  $(BIN)/mcm-bench run acceptance --station $$folder/twin.toml --run-dir runs/station-$$run; done

endings: setup       ## a run is ended in every way we know, against a twin in another process; a unit's life on the line, too
	$(BIN)/python tests/endings/endings.py
	$(BIN)/python tests/endings/line.py

takt: setup          ## 200 units on the line: how long they take, and false alarms; with UNITS=1000 VARIANTS=--variants legal ones
	$(BIN)/python tests/line_lives.py $(UNITS) $(VARIANTS)

judged: setup        ## 200 units of all kinds are judged again from their records, byte for byte
	$(BIN)/python tests/line_judged.py $(UNITS)

shift: setup         ## 400 units over eight places of the twin, killed at 100 random moments; then all is counted: an hour
	$(BIN)/python tests/shift.py

slowshift: setup     ## twenty units on the line in real time, the twin in another process: three quarters of an hour
	@folder=$$(mktemp -d); $(BIN)/mcm-bench twin --seed 7 --station-out $$folder/twin.toml > $$folder/twin.log & twin=$$!; \
	trap "kill $$twin" EXIT; while [ ! -f $$folder/twin.toml ]; do sleep 0.2; done; \
	for unit in $$(seq 20); do rm -rf runs/slowshift-$$unit; \
	  $(BIN)/mcm-bench run line --station $$folder/twin.toml --run-dir runs/slowshift-$$unit | tail -n 4; done

docs: setup          ## the documentation as a site, in runs/docs
	$(BIN)/mkdocs build --quiet

hour: setup          ## the first hour of docs/tutorial in a fresh clone, every command played and timed
	$(BIN)/python tests/docs/first_hour.py

night: setup         ## a night of BUDGET="10 h" on the twin in virtual time, planned by what LEARN=RUN told
	@rm -rf runs/night && $(BIN)/mcm-bench run certification --budget "$(or $(BUDGET),10 h)" --run-dir runs/night \
	  $(if $(LEARN),--learn-from $(LEARN)) | grep -a '…'

updates: setup       ## updates in the loop: 18 ways to go wrong are caught, 12 legal variants that SEED draws pass; an hour
	PYTHONPATH=. $(BIN)/python tests/nights/update_loops.py 12 $(SEED)

bisections: setup    ## 20 searches among 32 builds with a planted defect, and 20 with a flaky one: an hour
	$(BIN)/python tests/nights/bisections.py 20 20

foreign: setup       ## clients of Debian under the DTLS pack, and the example device under all cases of the ETS: minutes
	MCM_BENCH_LONG=1 $(BIN)/python -m pytest tests/interop/test_certify_foreign.py -q -n 0

benches: setup       ## shared benches: 20 runs at two twins, nights over four benches, labgrid's own programs: half an hour
	MCM_BENCH_LONG=1 $(BIN)/python -m pytest tests/interop/test_shared_benches.py -q -s -n 0

perf: setup          ## speeds, printed: the long forms of tests/perf
	MCM_BENCH_LONG=1 $(BIN)/python -m pytest tests/perf tests/store/test_store_speed.py -q -s -n 0

allure: setup        ## a shift through Allure Report, which npm installs as it is pinned: counts, outside requests, history
	@folder=$$(mktemp -d); trap "rm -rf $$folder" EXIT; cp .ci/allure/*.json $$folder; (cd $$folder && npm ci --no-audit --no-fund) && \
	  $(BIN)/python tests/allure_shift.py $$folder/node_modules/.bin/allure

wats: setup          ## WSJF documents are read by the model of the maker of WATS, in an environment of its own
	@folder=$$(mktemp -d); trap "rm -rf $$folder" EXIT; $(BIN)/python -m venv $$folder/venv && \
	  $$folder/venv/bin/pip install -q 'pywats-api==0.6.0rc1' 'httpx<1' && $(BIN)/python tests/wsjf_documents.py $$folder && \
	  $$folder/venv/bin/python tests/wsjf_model.py $$folder

year: setup          ## statistics over a year of 500 units a day: how long, printed; the store takes minutes to make
	$(BIN)/python tests/statistics_year.py

clean:               ## remove what was made
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
