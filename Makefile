# `make smoke` and `make test` are all that a fresh clone needs (Python >= 3.11).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install smoke lint types test test-all bench clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("rearec-bench needs Python >= 3.11, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

smoke: install
	$(BIN)/rearec-bench run suites/smoke.yaml
	$(BIN)/rearec-bench report smoke

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	rm -rf build/types
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/types .
	MYPYPATH=build/types $(BIN)/python -m mypy -p rearec_bench.harness -p rearec_bench.models -m rearec_bench.cli

test: lint types
	$(BIN)/python -m pytest -m 'not slow'

test-all: lint types
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) build *.egg-info
