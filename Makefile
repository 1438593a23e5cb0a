PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install check test e2e bench

install: $(BIN)/fclocal

$(BIN)/fclocal: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check emulator tests/unit
	$(BIN)/mypy
	$(BIN)/lint-imports

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

e2e: install
	$(BIN)/python -m pytest tests/e2e

bench: install
	$(BIN)/python -m bench $(BENCH)
