# The two doors for users are `study` and `test`; the one door for developers is `check`.
PYTHON ?= python3
VENV ?= .venv
OUT ?= study
BUNDLE_STUDY ?= study-bundle
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help study bundle test check format lint types fast-tests clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

study: $(READY) ## Install, run the quick study (bccd where it can be had, else synthetic), print the table
	$(BIN)/buffycoat study --preset quick --out $(OUT)

bundle: $(READY) ## Make the bundle in the package again: study of EfficientNet-Lite0 on bccd, then export (an hour)
	$(BIN)/buffycoat study bccd --preset standard --model efficientnet --seed 7 --out $(BUNDLE_STUDY)
	$(BIN)/buffycoat export $(BUNDLE_STUDY):tf_efficientnet_lite0 --name buffycoat-default --out src/buffycoat/bundle/default

test: $(READY) ## Install, run every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: format lint types fast-tests ## Format, lint, types, fast tests

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

fast-tests: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow"

clean: ## Remove the virtual environment and caches (never a study)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Buffycoat needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 …")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,tensorboard,dicom,scale]" --group dev
	@touch $(READY)
