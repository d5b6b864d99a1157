# Everything a newcomer types. Needs make and Python 3.11 or later with venv; the rest comes with the first command.
# PYTHON=python3.13 chooses the Python of .venv; PORT=8500 the console's port; WORKERS=4 the number of test processes.

WORKERS ?= 2
VENV = .venv/bin/python

.PHONY: help demo test lint lock bench soak
.DEFAULT_GOAL := help

help:
	@echo 'make demo    one custody day on this machine, then the console in your browser'
	@echo 'make test    lint, types and the whole suite on a real PostgreSQL'
	@echo 'make lint    ruff and mypy'
	@echo 'make bench   journal and evidence beside references, into docs/reference/performance.md: an hour (SIZE=--quick: minutes)'
	@echo 'make soak    the long tests: crashes and random days until stopped (MINUTES=10)'
	@echo 'make lock    resolve pyproject.toml again into requirements.lock'

demo: .venv/installed
	@$(VENV) -m ringfence demo $(if $(PORT),--port $(PORT))

# The closing line of a passing run is the suite's own.
test: lint
	@$(VENV) -m pytest -n $(WORKERS) --dist worksteal

lint: .venv/installed
	@$(VENV) -m ruff check
	@$(VENV) -m ruff format --check
	@$(VENV) -m mypy

# What falls short is written as plainly as what does not. SIZE=--quick measures most of it in minutes.
bench: .venv/installed
	@$(VENV) scripts/performance.py --date $$(date -u +%F) $(SIZE)

soak: .venv/installed
	@RINGFENCE_SOAK_MINUTES=$${MINUTES:-10} $(VENV) -m pytest -m soak -n 0

# Runs again when the lock or the project's own description changed, or when it did not finish.
.venv/installed: requirements.lock pyproject.toml scripts/install.sh scripts/install.py
	@sh scripts/install.sh

lock: .venv/installed
	@sh scripts/lock.sh
