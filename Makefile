# The everyday commands; `make` alone lists them. They need Python 3.11 or newer, make and git.

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
ARGS ?=
# Which share of the sweeps `make test` tries: another one with every commit.
SWEEP ?= $(shell git rev-list --count HEAD 2>/dev/null || echo 0)

bin := .venv/bin
pip := $(bin)/python -m pip --disable-pip-version-check -qq install
project := $(pip) --no-deps --no-build-isolation --editable .
checks := lint types imports proto generated

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'

run: .venv/runtime ## serve; the embedded database, its seed and the first key are made on first use
	@$(bin)/authz serve $(ARGS)

demo: .venv/runtime ## show the service at work, through real gRPC
	@$(bin)/authz demo $(ARGS)

test: .venv/dev .venv/node check ## check, then run every test; some of their time is waiting, so three at once
	@AUTHZ_SWEEP=$(SWEEP) $(bin)/pytest -n 3 --dist worksteal -q $(ARGS)

sweep: .venv/dev ## run every sweep whole, of which `make test` runs a share
	@$(bin)/pytest -n logical --dist worksteal -q -m sweep $(ARGS)

check: .venv/dev ## run every check that is not a test
	@$(MAKE) --no-print-directory -j2 -k --output-sync=target $(checks)

lint: .venv/dev
	@$(bin)/ruff check -q
	@$(bin)/ruff format --check -q || { echo "not formatted: make fmt"; exit 1; }

types: .venv/dev
	@$(bin)/mypy --no-error-summary

imports: .venv/dev
	@$(bin)/lint-imports --no-logo >.venv/imports.log || { cat .venv/imports.log; exit 1; }

proto: .venv/dev
	@$(bin)/buf lint
	@$(bin)/buf format --diff --exit-code || { echo "not formatted: make fmt"; exit 1; }
	@$(bin)/buf breaking --against proto/released.binpb

generated: .venv/dev
	@$(bin)/python -m tools.generate --check

differential: .venv/dev ## a million random questions, index against Casbin
	@AUTHZ_DIFFERENTIAL_WORLDS=20000 $(bin)/pytest -n logical --timeout=0 -q tests/differential $(ARGS)

fuzz: .venv/dev ## 100,000 made-up requests to every RPC, by every kind of caller
	@AUTHZ_FUZZ_REQUESTS=100000 $(bin)/pytest -n logical --timeout=0 -q tests/fuzz $(ARGS)

faults: .venv/dev ## hostile callers for a minute each, kills and outages
	@AUTHZ_HOSTILE_SECONDS=60 $(bin)/pytest --timeout=0 -q tests/faults $(ARGS)

billing: .venv/dev ## every situation of billing in twenty orders, signed, on both databases
	@AUTHZ_BILLING_ORDERS=20 $(bin)/pytest -n logical --timeout=0 -q tests/billing $(ARGS)

bench: .venv/dev ## measure, beside others, in one run
	@$(bin)/python -m tests.bench $(ARGS)

gen: .venv/dev ## write authz_service/gen and docs/api from proto/
	@$(bin)/python -m tools.generate

fmt: .venv/dev ## format the code and mend what can be mended
	@$(bin)/ruff check --fix-only -q
	@$(bin)/ruff format -q
	@$(bin)/buf format --write

lock: .venv/dev ## choose the newest versions of what we depend on
	@$(pip) uv
	@$(bin)/python tools/lock.py

release-image: .venv/dev ## publish the API: later changes may not break what it holds
	@$(bin)/buf build --exclude-source-info --output proto/released.binpb

clean: ## remove what these commands made, except var/
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python: # by the first PYTHON that is new enough and can make environments
	@for python in $(PYTHON); do \
	  if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Creating .venv with $$($$python --version)"; \
	    exec $$python -m venv --clear .venv; \
	  fi; \
	done; \
	echo "Python 3.11 or newer with venv is needed; tried $(PYTHON)."; \
	echo "Name one: make PYTHON=/path/to/python"; exit 1

.venv/runtime: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing what the service needs"
	@$(pip) --require-hashes -r requirements.lock
	@$(project)
	@touch $@

.venv/dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	@echo "Installing what its development needs"
	@$(pip) --require-hashes -r requirements-dev.lock
	@$(project)
	@touch $@ .venv/runtime

.venv/node: tests/node/package-lock.json .venv/dev
	@echo "Installing node-casbin, which tests hold exported rules against"
	@$(bin)/npm ci --prefix tests/node --silent || echo "npm's registry was not reached: tests by node-casbin are skipped"
	@touch $@

.PHONY: help run demo test sweep check $(checks) differential fuzz faults billing bench gen fmt lock release-image clean
.DELETE_ON_ERROR:
