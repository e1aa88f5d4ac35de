# Everything here sets itself up: Python 3.11 or newer with pip and venv is all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Pong for 20 minutes to an hour on two CPU cores that have bf16;
# STEPS=10_000_000 AGENT=ppo is the full training.
STEPS ?= 800_000
EXTRACTOR ?= coordconv
AGENT ?= ppo-quick
SEED ?= 0
PRECISION ?= auto

# One thread each, and one more at a time than there are cores, up to four: some wait for processes
# of their own. `python -m pytest` alone runs them one after the other.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
ALL_TESTS := -m pytest -n $(WORKERS) --dist worksteal

# What test-versions tries: oldest, or newest, whatever that is by now.
VERSIONS ?= oldest
UPGRADE_oldest := -c constraints-oldest.txt
UPGRADE_newest := --upgrade --upgrade-strategy eager

.PHONY: help pong test test-slow test-versions lint docs benchmark clean

help:
	@echo "make pong       train Pong with CoordConv (STEPS, EXTRACTOR, AGENT, SEED, PRECISION)"
	@echo "make test       install for development and run the tests"
	@echo "make test-slow  the tests that take longer than half a minute each"
	@echo "make test-versions  the tests with the VERSIONS=oldest declared or VERSIONS=newest released"
	@echo "make lint       ruff and mypy"
	@echo "make docs       build the documentation into docs/_build/html (warnings are errors)"
	@echo "make benchmark  layer, environment and training beside their peers (an idle machine!)"
	@echo "make clean      remove the virtual environment and caches; runs/ is kept"

pong: $(VENV)/.installed
	$(BIN)/python scripts/train_atari.py --game Pong --extractor $(EXTRACTOR) --agent $(AGENT) \
	    --total-timesteps $(STEPS) --seed $(SEED) --precision $(PRECISION)

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python $(ALL_TESTS)

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

# Environments of their own, beside .venv: some gigabytes each.
test-versions:
	$(PYTHON) -m venv .venv-$(VERSIONS)
	.venv-$(VERSIONS)/bin/python -m pip install --quiet $(UPGRADE_$(VERSIONS)) -e '.[dev]'
	OMP_NUM_THREADS=1 .venv-$(VERSIONS)/bin/python $(ALL_TESTS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# DOCS_INTERSPHINX=1 also links to torch's, Gymnasium's and stable-baselines3's pages; needs a network.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -b html docs docs/_build/html

benchmark: $(VENV)/.installed-dev
	$(BIN)/python scripts/benchmark.py layer
	$(BIN)/python scripts/benchmark.py env
	$(BIN)/python scripts/benchmark.py train --agent ppo
	$(BIN)/python scripts/benchmark.py train --agent a2c

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest .pytest_cache .mypy_cache .ruff_cache dist docs/_build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "Python 3.11 or newer is needed, %s is %s; try: make PYTHON=python3.12 ..." \
	    % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[video]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@
