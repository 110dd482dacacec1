# Everything here sets itself up: it needs Python 3.11 or later, make, Node 18 or later and npm.
#
#   make demo                          see what it does, through a real gateway; no key needed
#   make demo MODEL=portkey-claude     the same with a real model and your key for it
#   make test                          all tests, the real gateway's among them
#   make test TEST=tests/wire          some of them
#   make soak                          the fault suite with its long forms, and its counts in docs/faults.md; six minutes
#   make lint                          formatting, style, types, the floors of the house
#   make format                        let ruff write what it can
#   make demo-recording                the picture of the demo, docs/demo.svg
#   make notebooks                     execute the notebooks of examples/ anew and write their output
#   make notebooks ARGS=04_rag.ipynb   some of them
#   make cassettes                     record the exchanges in cassettes/ anew, through the real gateway
#   make features                      what arrives, beside ChatOpenAI with headers: the README's table
#   make standard                      LangChain's standard tests, on other chat models
#   make tokens CASES=recordings       how far the offline token counter is from what providers reported
#   make bench                         what calls cost, beside other LangChain models; a minute
#   make bench-full                    the same with all of them and at all sizes; half an hour

SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
TEST ?= tests
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup gateways demo demo-recording test soak lint format cassettes notebooks features standard tokens bench bench-full clean

help:
	@sed -n 's/^#   //p' Makefile

$(VENV)/.stamp: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/it."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev --editable .
	touch $@

setup: $(VENV)/.stamp

# The demo needs the package and its command, not what tests and lint need: a newcomer waits less.
$(VENV)/.demo-stamp: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/it."; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[cli]"
	@touch $@

demo: $(VENV)/.demo-stamp
	@$(BIN)/pollinations-portkey demo $(if $(MODEL),--model "$(MODEL)") $(ARGS)

demo-recording: $(VENV)/.demo-stamp
	@$(BIN)/pollinations-portkey demo --record docs/demo.svg

# The gateway twice: pinned as this package installs it, and as a plain npm install has it.
gateways: setup
	@$(BIN)/python -m langchain_pollinations_portkey.gateway.local --into .gateways/pinned >/dev/null
	@$(BIN)/python -m langchain_pollinations_portkey.gateway.local --manifest tests/gateway_plain_npm --into .gateways/plain >/dev/null

test: gateways
	$(BIN)/python -m pytest $(TEST) $(ARGS)

soak: gateways
	$(BIN)/python -m pytest tests/faults --soak --fault-counts docs/faults.md --show-capture=no $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

cassettes: gateways
	rm -f cassettes/*.yaml
	$(BIN)/python -m pytest tests/test_cassettes.py --record-mode=all $(ARGS)

notebooks: gateways
	@$(BIN)/python -m tests.examples.notebooks $(ARGS)

# The models that we are measured against bring their SDKs along, so they live apart.
$(VENV)-bench/.stamp: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/it."; exit 1; }
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	echo '*' > $(VENV)-bench/.gitignore
	$(VENV)-bench/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)-bench/bin/python -m pip install --quiet --group bench --editable .
	touch $@

features: $(VENV)-bench/.stamp gateways
	@$(VENV)-bench/bin/python -m benchmarks.features

bench: $(VENV)-bench/.stamp
	@$(VENV)-bench/bin/python -m benchmarks $(ARGS)

bench-full: $(VENV)-bench/.stamp
	@$(VENV)-bench/bin/python -m benchmarks --full --publish $(ARGS)

# Counts what other models pass of the suite that tests/standard runs on ours; failing tests are the result.
standard: $(VENV)-bench/.stamp
	-@$(VENV)-bench/bin/python -m pytest benchmarks/standard -q --no-header --tb=no -W ignore -o filterwarnings= -p no:cacheprovider

tokens: setup
	@$(BIN)/python -m benchmarks.tokens $(if $(CASES),--cases "$(CASES)") $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-bench .gateways .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
