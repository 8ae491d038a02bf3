# Every target first updates the environment, which needs Python 3.11 to 3.13, make and git.
# PYTHON=... names the interpreter. EXTRAS="..." installs exactly these extras of pyproject.toml;
# without it, the installed ones stay. See docs/environment.md.
EXTRAS_GIVEN := $(filter-out undefined,$(origin EXTRAS))
SET_UP = @$(or $(PYTHON),python3) -m stages.engine.environment --python "$(PYTHON)" \
	$(if $(EXTRAS_GIVEN),--extras "$(EXTRAS)")
BIN := .venv/bin
# At most four test processes, because each may load TensorFlow. See tests/conftest.py.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadgroup

.PHONY: help setup pipeline dev repro test test-all lint ui clean lock dependencies

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:  ## create or update .venv from the hashed lock files; EXTRAS="..." chooses extras
	$(SET_UP) $(if $(EXTRAS_GIVEN),,--need dev)

# The packages of the pipeline only.
pipeline:
	$(SET_UP)

dev:
	$(SET_UP) --need dev

repro: pipeline  ## run the pipeline: inputs, fetch, preprocess, train, evaluate, register
	@# Remove what a killed DVC may leave and then fails on: see docs/interruptions.md.
	@[ ! -d .dvc/cache/runs ] || find .dvc/cache/runs -mindepth 1 -type d -empty -delete
	@[ ! -e .dvc/tmp/rwlock ] || $(BIN)/python -m json.tool .dvc/tmp/rwlock >/dev/null 2>&1 || rm .dvc/tmp/rwlock
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro
	@$(BIN)/python -m stages.commands.machine_record

test: dev  ## run the fast tests
	$(PYTEST)

test-all: dev  ## run all tests, with the slow ones and those on real images
	$(PYTEST) -m ""

lint: dev  ## run ruff (lint and format) and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

ui: pipeline  ## serve the MLflow pages of the embedded store
	$(BIN)/pneumonia ui

clean:  ## remove caches, journals and checkpoints (not mlruns/, not data/)
	rm -rf .cache .pytest_cache .mypy_cache .ruff_cache

dependencies: pipeline  ## write the stages' code dependencies into dvc.yaml
	$(BIN)/python -m stages.commands.dependencies

lock: pipeline  ## update the lock files from pyproject.toml; UPGRADE="ruff ..." or UPGRADE=all
	$(BIN)/python -m stages.engine.resolve $(UPGRADE)
	$(SET_UP)
