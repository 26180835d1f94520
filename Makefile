# Two commands matter: `make demo` scores sample photographs, `make test` runs every check.
# PYTHON=python3.12 picks another Python, JOBS=8 more test processes.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types format pytest bench-speed hooks clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    set up, then score two sample photographs with every embedded metric"
	@echo "make test    set up, then run the linter, the type checker and the tests"
	@echo "make bench-speed   measure speed beside the official way, on a machine that does nothing else"
	@echo "make lint | types | pytest | format | hooks | clean"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or newer is needed; try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second run quick: pip only runs again when what it reads has changed.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): PyTorch and its CUDA packages are 2.5 GB; this takes minutes."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	@photos=$$($(BIN)/python -c 'from importlib.util import find_spec as f; print(f("sklearn").submodule_search_locations[0] + "/datasets/images")') \
	&& $(BIN)/perceptmetrics score "$$photos/china.jpg" "$$photos/flower.jpg" \
		--metric memorability --metric affect --metric aesthetics --metric iqa
	@echo
	@echo "Your own photographs:"
	@echo "  $(BIN)/perceptmetrics score PHOTOS/ --metric memorability --metric affect -o scores.csv"
	@echo "What each score means: $(BIN)/perceptmetrics info memorability"

test: lint types pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

pytest: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Half an hour on two cores, and 8 GB of memory.
bench-speed: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed.py

hooks: $(VENV)/.installed-dev
	$(BIN)/pre-commit install

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
