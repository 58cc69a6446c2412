# Two commands for everyone: `make demo` and `make test`. The others are for those who work on Impasto.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.impasto-installed
# A test process a core, with torch in each. A file's tests stay together, since what they share may take long to make;
# files come in their own order, for the largest in tests would leave the longest in time to the end.
TESTS  := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test setup lint format types unit e2e gimp-3.2 bench chaos leaving soak flood systemd fuzz fuzz-guided quality \
  pictures translations clean

demo: setup ## Set everything up and paint an example, through GIMP 3 as well where there is one
	$(BIN)/python -m examples.demo

test: setup lint types ## Everything: style, types, protocol, daemon, engine, command line, plug-in in a real GIMP 3
	$(TESTS)

setup: $(STAMP)

$(STAMP): pyproject.toml | $(BIN)/python
	@echo "Installing Impasto and what it needs into $(VENV): several GB with torch, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[daemon,dev]'
	@touch $@

# Debian's python3 comes without venv: root gets it, everybody else is told.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Impasto needs Python 3.11 or newer: make PYTHON=/path/of/python3.12")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy python3-venv \
	  && $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); echo "Install python3-venv and run make again." >&2; exit 1; }

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 protocol gimp_plugin/impasto

unit: setup ## The tests that need no GIMP
	$(TESTS) -m 'not gimp'

e2e: setup ## The tests in a real GIMP 3 alone, of the version that is wanted: make e2e GIMP=3.2
	IMPASTO_TEST_GIMP=$(GIMP) $(BIN)/python -m pytest -m gimp

gimp-3.2: ## A root with GIMP 3.2, once (as root, about a minute, 1.3 GB): from then on `make test` looks at that one too
	tests/gimp_root.sh 3.2

bench: setup ## Ratios and tables measured in one run: make bench BENCH='--weights FILE --only step'
	$(BIN)/python -m benchmarks.bench $(BENCH)

chaos: setup ## Kill and stop client, worker and supervisor at random: make chaos CHAOS='--rounds 500 --seed 1'
	$(BIN)/python -m tests.reliability.chaos $(CHAOS)

leaving: setup ## Leave a painting that is under way in every way there is, in a real GIMP 3 with keys alone
	$(BIN)/python -m tests.e2e.leaving

soak: setup ## Thousands of jobs by many clients, and what the daemon holds: make soak SOAK='--jobs 10000'
	$(BIN)/python -m tests.reliability.soak $(SOAK)

systemd: setup ## The daemon as a service of a real systemd user manager, made for it: as root
	$(BIN)/python -m tests.reliability.systemd

flood: setup ## Connections from the network that never prove a key, while others paint: make flood FLOOD='--connections 3000'
	$(BIN)/python -m tests.reliability.flood $(FLOOD)

fuzz: setup ## Damaged messages by the million: make fuzz FUZZ='--inputs 1000000'
	$(BIN)/python -m tests.reliability.fuzz $(FUZZ)

fuzz-guided: setup ## The same, guided by the code that is reached: make fuzz-guided FUZZ='-max_total_time=600'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python -m tests.reliability.guided $(FUZZ)

quality: setup ## Every recipe at equal time, in figures and on a sheet: make quality QUALITY='--weights FILE'
	$(BIN)/python -m benchmarks.quality -o artifacts/quality $(QUALITY)

pictures: setup ## Make the pictures of the documentation again
	$(BIN)/python -m docs.make_pictures

translations: setup ## Bring the catalogues of the plug-in's texts up to date, and pack them
	$(BIN)/python -m gimp_plugin.translate

clean:
	rm -rf $(VENV) build dist artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis
