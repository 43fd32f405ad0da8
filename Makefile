# fusec: everything a developer runs, by name. `make help` lists it.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
WORKERS ?= auto
# The index of torch's CPU wheels, as torch's installation page gives it, saves 2.3 GB of download.
TORCH_INDEX ?=
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# Measured: the sum of the wheels of constraints.txt, Linux x86-64, Python 3.11.
define SIZES
Installing into $(VENV). To download, unless pip has it cached:
  about 500 MB with a CPU build of torch (make ... TORCH_INDEX=URL, or a local wheel that pip finds)
  about 2.8 GB with the CUDA build, which is what the Python Package Index serves for Linux
No model is downloaded: demo and tests make theirs from seeds.
endef
export SIZES

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
	@for file in $(wildcard benchmarks/bench_*.py); do \
	  name=$$(basename $$file .py); \
	  echo "== python -m benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name || exit 1; \
	done

clean:  ## remove what make built, the environment included
	rm -rf build .venv

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	@echo "$$SIZES"
	$(INSTALL) $(INDEX) -e ".[test,verify]"
	@touch $@

$(READY_DEV): $(READY)
	@echo "Installing ruff, mypy and the other developer tools (to download: about 31 MB)."
	$(INSTALL) $(INDEX) -e ".[test,verify,dev]"
	@touch $@
