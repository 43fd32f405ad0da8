# fusec: everything a developer runs, by name. `make help` lists it.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint types bench clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv with everything that demo and test need

demo: $(READY)  ## ResNet-50: from an ONNX file to a verified plan of fused kernels
	$(BIN)/python -m scripts.demo

test: $(READY)  ## the tests, without the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-all: $(READY)  ## all tests; those that need a GPU skip with the reason where there is none
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(READY_DEV)  ## style, complexity, format and the size budgets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/budgets.py

types: $(READY_DEV)  ## strict types over fusec, tests, benchmarks and scripts
	$(BIN)/mypy

bench: $(READY)  ## every figure that the README quotes
	@for file in benchmarks/bench_*.py; do \
	  name=$$(basename $$file .py); \
	  echo "== python -m benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name || exit 1; \
	done

clean:  ## remove what make built, the environment included
	rm -rf build .venv

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	@cat scripts/downloads.txt
	$(INSTALL) -e ".[test,verify]"
	@touch $@

$(READY_DEV): $(READY)
	@echo "Installing ruff, mypy and the other developer tools (about 40 MB)."
	$(INSTALL) -e ".[test,verify,dev]"
	@touch $@
