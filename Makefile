# Every target sets up the environment first: Python 3.11 to 3.13, make and git are all it takes.
# PYTHON=... names the interpreter; EXTRAS="..." says exactly which extras of pyproject.toml to
# install, otherwise those that are installed stay. See docs/environment.md.
EXTRAS_GIVEN := $(filter-out undefined,$(origin EXTRAS))
SET_UP = @$(or $(PYTHON),python3) -m stages.engine.environment --python "$(PYTHON)" \
	$(if $(EXTRAS_GIVEN),--extras "$(EXTRAS)")
BIN := .venv/bin
# Tests on all cores, at most four at once: each may hold TensorFlow. See tests/conftest.py.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadgroup

.PHONY: help setup pipeline dev repro test test-all lint ui clean lock dependencies

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:  ## the virtual environment .venv, from the hashed lock files; EXTRAS="..." to choose extras
	$(SET_UP) $(if $(EXTRAS_GIVEN),,--need dev)

# What `make repro` needs, and nothing a developer needs besides.
pipeline:
	$(SET_UP)

dev:
	$(SET_UP) --need dev

repro: pipeline  ## rebuild the whole pipeline: fetch, preprocess, train, evaluate, register
	@# What a killed DVC may leave there, and would fail over: see docs/interruptions.md.
	@[ ! -d .dvc/cache/runs ] || find .dvc/cache/runs -mindepth 1 -type d -empty -delete
	@[ ! -e .dvc/tmp/rwlock ] || $(BIN)/python -m json.tool .dvc/tmp/rwlock >/dev/null 2>&1 || rm .dvc/tmp/rwlock
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

test: dev  ## the fast tests
	$(PYTEST)

test-all: dev  ## the slow tests and those on real images as well
	$(PYTEST) -m ""

lint: dev  ## ruff (lint and format) and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

ui: pipeline  ## the MLflow pages on the embedded store
	$(BIN)/pneumonia ui

clean:  ## remove what can be made again: caches, journals and checkpoints (not mlruns/, not data/)
	rm -rf .cache .pytest_cache .mypy_cache .ruff_cache

dependencies: pipeline  ## write the stages' code dependencies into dvc.yaml
	$(BIN)/python -m stages.commands.dependencies

lock: pipeline  ## bring the lock files up to date with pyproject.toml; UPGRADE="ruff ..." or all
	$(BIN)/python -m stages.engine.resolve $(UPGRADE)
	$(SET_UP)
