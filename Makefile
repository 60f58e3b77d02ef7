# `make repro` makes the environment, gets the data, runs the pipeline and says where the report is.
# `make test` makes the environment where it is missing and runs the tests.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help repro test test-faults lint pictures lock

INSTALLED := .venv/installed

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile
	@echo 'Everything else: . .venv/bin/activate; pipeline --help'

repro: $(INSTALLED) ## run what has to run, and say where the report is
	@pipeline repro

test: $(INSTALLED) ## run the tests
	@python -m pytest -n 2 --dist loadfile

test-faults: $(INSTALLED) ## inject every fault, and write docs/faults.md
	@mkdir -p docs
	@PIPELINE_KILLS=$${PIPELINE_KILLS:-100} python -m pytest tests/faults -m faults --junit-xml=.faults.xml; \
		status=$$?; python -m tests.faults.table .faults.xml > docs/faults.md; exit $$status

pictures: $(INSTALLED) ## take the pictures of the report that the README shows; needs Chromium
	@python -m docs.gallery

lint: $(INSTALLED) ## check style, format and types
	@ruff check .
	@ruff format --check .
	@pyright

lock: ## resolve the dependencies anew; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --group dev --generate-hashes \
		--no-annotate --no-emit-index-url --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml

# pip compiles what it installs to bytecode; without that, every process would compile TensorFlow.
# The lock is complete, so pip resolves nothing: older ones look past a pin when asked for an extra.
$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
		"Python %d.%d is not supported; name another: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo 'Python lacks its venv module; on Debian: apt install python3-venv'; exit 1; }
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install -qq --disable-pip-version-check --compile --no-deps --require-hashes -r requirements.lock
	@.venv/bin/python -m pip check --disable-pip-version-check >/dev/null
	@printf '%s\n' '#!/bin/sh' '[ -f cli.py ] || { echo "There is no cli.py here. Run this from the project'"'"'s folder." >&2; exit 1; }' \
		'exec "$$(dirname "$$0")/python" -m cli "$$@"' > .venv/bin/pipeline
	@chmod +x .venv/bin/pipeline
	@touch $@
