# Every target sets up the environment first: Python 3.11, make and git are all it takes.
PYTHON311 ?= python3.11
BIN := .venv/bin
# Tests on all cores, at most four at once: each may hold TensorFlow. See tests/conftest.py.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadgroup

.PHONY: help setup repro test test-all lint ui clean lock dependencies

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## the virtual environment .venv, from the hashed lock file
	@$(PYTHON311) -m stages.engine.environment setup

repro: setup  ## rebuild the whole pipeline: fetch, preprocess, train, evaluate, register
	@# What a killed DVC may leave there, and would fail over: see docs/interruptions.md.
	@[ ! -d .dvc/cache/runs ] || find .dvc/cache/runs -mindepth 1 -type d -empty -delete
	@[ ! -e .dvc/tmp/rwlock ] || $(BIN)/python -m json.tool .dvc/tmp/rwlock >/dev/null 2>&1 || rm .dvc/tmp/rwlock
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

test: setup  ## the fast tests
	$(PYTEST)

test-all: setup  ## the slow tests and those on real images as well
	$(PYTEST) -m ""

lint: setup  ## ruff (lint and format) and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

ui: setup  ## the MLflow pages on the embedded store
	$(BIN)/pneumonia ui

clean:  ## remove what can be made again: caches, journals and checkpoints (not mlruns/, not data/)
	rm -rf .cache .pytest_cache .mypy_cache .ruff_cache

dependencies: setup  ## write the stages' code dependencies into dvc.yaml
	$(BIN)/python -m stages.commands.dependencies

lock: setup  ## renew the lock files, and install what they pin now
	$(PYTHON311) -m stages.engine.environment lock
	$(PYTHON311) -m stages.engine.environment setup
