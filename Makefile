# `make smoke` and `make check` are all that a fresh clone needs (Python >= 3.11).
#
#   make smoke       environment, installation, a small suite on generated data, its table
#   make lint        ruff, and import-linter: rooms in layers, no circles
#   make types       mypy, strict
#   make test        the fast tests (minutes)
#   make check       these three
#   make test-slow   the slow tests: Ray, processes, Chromium, LaTeX, the documents' commands
#   make faults      runs killed at random moments, full disks, trials that go wrong, damage, fuzzed suites, a soak (an hour)
#   make bench       speed and memory beside their targets (minutes); the table is also written to bench.md
#   make bench-long  a soak of a thousand trials, and growth over three decades (an hour)
#
#   make install PYTHON=python3.12                    # another Python
#   make install TORCH="--index-url URL torch"        # another build of torch; docs/install.md
PYTHON ?= python3
TORCH  ?= torch
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Two workers; a file is run by one of them. Ray and torch share the cores.
PYTEST  = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: install smoke lint types test check test-slow faults bench bench-long clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("rearec-bench needs Python >= 3.11, this is " + sys.version.split()[0] + ". Another one:  make install PYTHON=python3.12") if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt $(TORCH)
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

smoke: install
	$(BIN)/rearec-bench run suites/smoke.yaml

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

# mypy needs an installed copy: a clone's folder name is not a package name.
types: install
	rm -rf build
	$(PIP) install --no-deps --target build/types .
	MYPYPATH=build/types $(BIN)/python -m mypy -p rearec_bench.harness -p rearec_bench.models -m rearec_bench.cli

check: lint types test

test: install
	$(PYTEST) -m 'not slow and not faults'

test-slow: install
	$(PYTEST) -m 'slow and not faults'

FAULTS := run/test_kill run/test_interruptions run/test_long_trials run/test_bad_trials store/test_disk_faults store/test_damage suite/test_suite_fuzz \
          run/test_cluster run/test_cluster_access

faults: install
	$(BIN)/python -m pytest $(foreach name,$(FAULTS),tests/harness/$(name).py)
	$(BIN)/python tests/benchmarks/soak.py --trials 2000

# The last ones compare what was stored by suites that take hours (results/), and are left out until then.
bench: install
	$(BIN)/python tests/benchmarks/run.py short -o bench.md
	test ! -d results/suites/fidelity_erl || $(BIN)/python tests/benchmarks/fidelity.py
	for suite in packing_ml100k packing_beauty; do \
	  test ! -d results/suites/$$suite || $(BIN)/python tests/benchmarks/packing_quality.py $$suite || exit 1; \
	done

bench-long: install
	$(BIN)/python tests/benchmarks/run.py long -o bench-long.md

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
