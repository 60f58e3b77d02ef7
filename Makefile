# `make repro` makes the environment, gets the data, runs the pipeline and says where the report is.
# `make test` adds what testing needs and runs the tests.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help install repro test test-faults lint pictures cluster lock lock-check

# Each stands for a lock that is installed: what running needs; on top of it, what testing needs,
# and what several machines need.
INSTALLED := .venv/installed
TESTABLE := .venv/installed-dev
CLUSTERED := .venv/installed-cluster

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile
	@echo 'Everything else: . .venv/bin/activate; pipeline --help'

install: $(INSTALLED) ## make the environment that running needs

repro: $(INSTALLED) ## run what has to run, and say where the report is
	@pipeline repro

# In the order of their names, the slow files come first, and no worker waits for one at the end.
test: $(TESTABLE) $(CLUSTERED) ## run the tests
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-faults: $(TESTABLE) $(CLUSTERED) ## inject every fault, and write docs/faults.md
	@mkdir -p docs
	@PIPELINE_KILLS=$${PIPELINE_KILLS:-100} python -m pytest tests/faults -m faults --junit-xml=.faults.xml; \
		status=$$?; python -m tests.faults.table .faults.xml > docs/faults.md; exit $$status

pictures: $(TESTABLE) ## take the pictures of the report that the README shows; needs Chromium
	@python -m docs.gallery

lint: $(TESTABLE) $(CLUSTERED) ## check style, format and types
	@ruff check .
	@ruff format --check .
	@pyright

cluster: $(CLUSTERED) ## add what sweeps and parts on several machines need

# What runs is resolved first; the other locks hold only what they add to it, at the same versions.
RESOLVE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml
ADDED := --constraint requirements.lock $$(sed -n \
	's/^\([a-z0-9._-]*\).*==.*/--no-emit-package \1/p' requirements.lock)

lock: ## resolve the dependencies anew; needs uv
	$(RESOLVE) --output-file requirements.lock
	$(RESOLVE) --group dev $(ADDED) --output-file requirements-dev.lock
	$(RESOLVE) --extra cluster --constraint requirements-dev.lock $(ADDED) \
		--output-file requirements-cluster.lock

# uv evaluates markers for the Python that is asked for; pip for the one that runs it. The one package
# that is published as source only is pure Python.
lock-check: ## prove that every lock has wheels for every Python that is supported; needs uv
	@for version in 3.11 3.12 3.13; do for lock in requirements*.lock; do \
		uv pip install --quiet --dry-run --target .venv/dry-run --no-deps --require-hashes \
			--only-binary :all: --no-binary antlr4-python3-runtime --python-version $$version \
			--python-platform x86_64-manylinux_2_28 -r $$lock || exit 1; \
		echo "Python $$version: all of $$lock"; done; done

# The locks are complete, so pip resolves nothing: older ones look past a pin when asked for an extra.
INSTALL := .venv/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps \
	--require-hashes -r
# Without bytecode, every process would compile TensorFlow; pip would compile on one core. A package may
# hold a file that this Python can't read, and nobody imports.
COMPILE := .venv/bin/python -W ignore -m compileall -qq -j 0 .venv/lib || true
CHECK := .venv/bin/python -m pip check --disable-pip-version-check >/dev/null

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
		"Python %d.%d is not supported; name another: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo 'Python lacks its venv module; on Debian: apt install python3-venv'; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) requirements.lock
	@$(COMPILE)
	@$(CHECK)
	@printf '%s\n' '#!/bin/sh' '[ -f cli.py ] || { echo "There is no cli.py here. Run this from the project'"'"'s folder." >&2; exit 1; }' \
		'exec "$$(dirname "$$0")/python" -m cli "$$@"' > .venv/bin/pipeline
	@chmod +x .venv/bin/pipeline
	@touch $@

$(TESTABLE) $(CLUSTERED): .venv/installed-%: requirements-%.lock $(INSTALLED)
	$(INSTALL) $<
	@$(COMPILE)
	@$(CHECK)
	@touch $@
