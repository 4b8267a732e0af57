# One environment in .venv, made by itself the first time anything needs it. `make` lists what there is.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
# Written last, so an interrupted installation is not taken for a complete one.
STAMP := $(VENV)/.installed
ARGS ?=
PYTEST_ARGS ?=
# The interpreter for .venv; unset: the first of the names below that works.
PYTHON ?=
# Processes that run the tests of `make test`: one more than there are cores, because tests also wait, but no more
# than eight (each takes some 500 MB).
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 7 ? cores + 1 : 8)))
# Those of `make test-slow`: each may run a cluster (2 GB).
CLUSTERS ?= 2
# Tests that PYTEST_ARGS names by path: they run at once, without the checks of style and types.
NAMED := $(filter tests%,$(PYTEST_ARGS))

# A cluster under test is a dozen interpreters. Where this is set (some images of containers do), each of them compiles
# all that it imports: 7.9 s of processor time for the command line, and 2.8 s from the compiled files (2026-11).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test test-slow test-hostile-http fuzz lint style bench release lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv from requirements.lock (every other target does so by itself)

demo: $(STAMP) ## back up real mail from a simulated Gmail and show the result; ARGS="--exit" to leave at once
	@$(BIN)/gbm demo $(ARGS)

ifeq ($(NAMED),)
# mypy runs beside the tests, and what it says comes after them. Its process is ended with ours.
test: $(STAMP) style ## check the style, the types and the layers, and run the tests; PYTEST_ARGS=tests/... those alone
	@types=$$(mktemp); $(BIN)/mypy >"$$types" 2>&1 & mypy=$$!; \
	trap 'kill $$mypy 2>/dev/null; rm -f "$$types"' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist worksteal $(PYTEST_ARGS); tests=$$?; \
	wait $$mypy; wrong=$$?; cat "$$types"; exit $$((tests ? tests : wrong))
else
test: $(STAMP)
	@$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)
endif

# The tests of a file run in one process, in their order: they share a cluster. (The groups of pytest-xdist 3.8 have no
# effect with pytest 9.2, which keeps no other id of a test.)
ifeq ($(NAMED),)
test-slow: $(STAMP) ## run the tests that take more than ten seconds each
	@$(BIN)/python -m pytest -m "slow and not alone and not unproven" -n $(CLUSTERS) --dist loadfile --durations=25 $(PYTEST_ARGS); many=$$?; \
	$(BIN)/python -m pytest -m "slow and alone and not unproven" $(PYTEST_ARGS); alone=$$?; \
	[ $$many -ne 5 ] || many=0; [ $$alone -ne 5 ] || alone=0; exit $$((many ? many : alone))  # 5: no test chosen
else
test-slow: $(STAMP)
	@$(BIN)/python -m pytest -m "slow and not unproven" $(PYTEST_ARGS)
endif

# What a stranger, a neighbour and a second cluster can do to a gateway: the tests that serve/SECURITY.md speaks of.
HOSTILE_HTTP := tests/unit/serve/http tests/unit/serve/auth tests/integration/cluster/test_haproxy.py \
	tests/integration/serve/test_access.py tests/integration/serve/test_google_sign_in.py \
	tests/integration/serve/test_token_refusals.py tests/integration/storage/test_sql_sandbox.py \
	tests/integration/storage/test_sql_grammar.py \
	tests/e2e/test_security.py tests/e2e/test_description.py

test-hostile-http: $(STAMP) ## attack a running gateway: forged, unfinished, slow and crowding requests, revoked tokens
	@$(BIN)/python -m pytest -m "not unproven" $(HOSTILE_HTTP) $(PYTEST_ARGS)

fuzz: $(STAMP) ## look for mail, texts, searches and backups that break what reads them; ARGS="600" for ten minutes
	@$(BIN)/python -m tests.hostile.fuzzing $(ARGS)

lint: style ## ruff, mypy (strict), import-linter
	@$(BIN)/mypy

style: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

bench: $(STAMP) ## measure; ARGS chooses what
	@$(BIN)/gbm bench $(ARGS)

release: $(STAMP) ## build the wheel and the source archive of a clean tree into dist/, byte for byte the same each time
	@$(BIN)/python .ci/release.py dist

lock: ## resolve requirements.lock anew from pyproject.toml (needs uv)
	@uv --version >/dev/null 2>&1 || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --generate-hashes \
		--no-annotate --no-header --quiet --output-file requirements.lock.new >/dev/null
	@{ echo "# Every dependency of the project and of its development, for Python 3.11 to 3.13 on Linux and macOS."; \
		echo "# Written by \`make lock\`, installed with its hashes checked."; \
		cat requirements.lock.new; } > requirements.lock
	@rm requirements.lock.new

clean: ## remove .venv and every cache
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything is looked up here and not above, so that a finished environment costs nothing. An interpreter counts
# only if it starts: a version manager's shim may exist and fail. Nothing is built from a build environment of its
# own, because that would be fetched without hashes: setuptools is in requirements.lock.
$(STAMP): requirements.lock pyproject.toml
	@set -eu; \
	works='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; \
	python=''; \
	for candidate in $(or $(PYTHON),python3.12 python3.11 python3.13 python3); do \
		if "$$candidate" -c "$$works" >/dev/null 2>&1; then python=$$(command -v "$$candidate"); break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "No working Python 3.11, 3.12 or 3.13 with venv was found ($(or $(PYTHON),python3.12, python3.11," \
			"python3.13, python3)): install one (Debian: apt-get install python3-venv), or name it:" \
			"make PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi; \
	rm -rf $(VENV); \
	if uv --version >/dev/null 2>&1; then \
		echo "Installing into $(VENV) with uv and $$python ..."; \
		uv venv --quiet --python "$$python" $(VENV); \
		uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock; \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		echo "Installing into $(VENV) with pip and $$python (a minute or two; seconds with uv) ..."; \
		"$$python" -m venv $(VENV); \
		pip="$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input"; \
		$$pip --require-hashes --requirement requirements.lock; \
		$$pip --no-deps --no-build-isolation --editable .; \
	fi; \
	touch $@
