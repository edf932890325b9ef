# All set-up is in the two commands `make demo` and `make test`; a second run reuses .venv.
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install demo test check format clean

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

install: $(READY)  ## install everything into .venv

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || python3 -m venv $(VENV) || { echo "python3 -m venv failed: install python3-venv (3.11 or newer)"; exit 1; }
	@echo "installing into $(VENV): about 6 GB with torch, some minutes ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[models,hf,dev]'
	@mkdir -p build/types && ln -sfn "$(CURDIR)" build/types/hw3_browse
	@touch $@

demo: $(READY)     ## caption, score and browse the bundled pictures
	@$(BIN)/hw3 demo

test: $(READY)     ## all tests
	@$(BIN)/python -m pytest --numprocesses 2

check: $(READY)    ## ruff, strict types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)   ## let ruff format and sort
	$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

clean:           ## remove what was built
	rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
