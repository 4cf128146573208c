# StyleBank: everything runs in .venv, made from PYTHON with the versions in constraints.txt.
#   make demo PYTHON=python3.12    another interpreter (3.11, 3.12 or 3.13)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt
# Tests on every core, up to four; ARGS="-n 0" runs one after the other. Not by file (loadfile): pytest-xdist waits
# for ever there once a process has crashed.
SPREAD := -n auto --maxprocesses 4 --dist worksteal
TORCH := $(shell grep '^torch==' constraints.txt)
MADE_FROM := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install demo test lint format docs samples clean afresh

help:  ## say what there is to make
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name what; \
		do printf '  make %-8s %s\n' "$$name" "$$what"; done

install: $(VENV)/.installed  ## make .venv and install StyleBank into it, editable

demo: $(VENV)/.installed  ## show what it does on sample photographs, into outputs/demo
	$(BIN)/stylebank demo --out outputs/demo

test: $(VENV)/.installed-test  ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) $(ARGS)

lint: $(VENV)/.installed-dev  ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## mend style and format in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs  ## make a site of the documentation, in site/
	$(BIN)/python docs/configuration_table.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is in site/index.html"

samples: $(VENV)/.installed  ## draw data/samples/styles anew
	$(BIN)/python data/samples/draw.py

clean:  ## remove .venv, caches and build leftovers (runs and outputs stay)
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written only when its step is done; a step that was cut short leaves .unfinished behind, and then
# .venv is made afresh, as pip may have left half a package in it.
ifneq ($(wildcard $(VENV)/.unfinished),)
$(VENV)/.installed: afresh
endif

afresh:
	rm -rf $(VENV)

# torch goes first and by itself: the wheel chosen for it decides what torchvision has to match.
$(VENV)/.installed: $(MADE_FROM)
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no '$(PYTHON)' here: install Python 3.11, 3.12 or 3.13, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "'$(PYTHON)' is $$($(PYTHON) --version 2>&1): StyleBank needs 3.11, 3.12 or 3.13, name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments: install its venv package (on Debian and Ubuntu, apt install python3-venv)." >&2; exit 1; }
	@mkdir -p $(VENV) && touch $(VENV)/.unfinished
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) $(TORCH)
	$(INSTALL) --editable .
	@touch $@ && rm $(VENV)/.unfinished

$(VENV)/.installed-%: $(VENV)/.installed
	@touch $(VENV)/.unfinished
	$(INSTALL) --editable '.[$*]'
	@touch $@ && rm $(VENV)/.unfinished
