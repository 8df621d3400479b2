# Everything that a contributor types. `make run` and `make test` set up what they need by themselves.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: install run test faults lint format clean

install: $(READY)

# The constraints keep pip from taking a torch that the rest was not tried with; see constraints.txt.
$(READY): pyproject.toml constraints.txt tests/models/generators.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/models/generators.txt
	touch $@

run: install
	$(BIN)/t2vbatch run jobs/quickstart.yaml

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

# Tries to break runs in every way on the list; `make faults ONLY="driver Ray"` those with a word of it.
faults: install
	$(BIN)/python -m tests.faults $(ONLY)

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache
