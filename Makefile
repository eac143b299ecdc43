# `make run` and `make test` do all their own set-up on a fresh machine with Python >= 3.11.
# `make test WORKERS=0` runs the tests in one process.
PYTHON ?= python3
VENV := .venv
WORKERS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# where compiled modules are not kept, every process of a test compiles the package again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install run test test-slow gpu-check lint types docs wheel clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[openmm,cluster,docs,dev]'
	touch $@

run: install  ## a toy experiment and a short Chignolin experiment, with tables and figures
	$(BIN)/cgexp run experiment=toy_cgnet
	$(BIN)/cgexp run experiment=chignolin_first

test: install
	$(BIN)/python -m pytest -m 'not slow' -n $(WORKERS) --dist loadfile

test-slow: install
	$(BIN)/python -m pytest -m slow

gpu-check: install  ## all checks and figures of a GPU in outputs/gpu_check.json; without one, what a CPU can check, and what is owed
	$(BIN)/python scripts/gpu_check.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

docs: install  ## the documentation site, without a network: build/site/html/index.html
	$(BIN)/python scripts/build_site.py

wheel: install
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## build products and caches; runs and data in outputs/ are yours to delete
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
