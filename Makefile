PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WEB := stacks/crm/web
BOTMOX := stacks/botmox/web
# Several processes run the tests; a file stays in one of them, for the fixtures that its tests share.
WORKERS ?= 2
ABREAST := --numprocesses=$(WORKERS) --dist=loadfile

.PHONY: help demo test setup programs web check fmt lint types layers unit integration clients stacks chaos hosts hosts-load web-check bench bench-start bench-rest bench-scale bench-auth bench-storage bench-realtime bench-migrate bench-deploy bench-others bench-driver docs clean

help:            ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## ?/\t/' | expand -t 14

demo: setup web  ## run the CRM board: a table of URLs, no Docker
	cd stacks/crm && $(CURDIR)/$(BIN)/gavan up --create-user

# The gates end at the first mistake; every suite runs whatever the others found.
test: setup programs web check  ## everything CI runs
	@$(MAKE) --no-print-directory --keep-going integration clients stacks chaos hosts hosts-load

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gavan needs Python 3.11 or newer (PYTHON=python3.12 make $(MAKECMDGOALS))" >&2; exit 7; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet 'uv>=0.9,<1'
	UV_SYSTEM_CERTS=true VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --editable . --group dev
	touch $@

programs:
	@sh tools/programs.sh

# Only the packages: `gavan up` builds the site, because only it knows the address of the stack.
web: $(WEB)/node_modules/.package-lock.json

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	@command -v npm >/dev/null || { echo "The board needs Node 20 or newer with npm: apt-get install nodejs npm" >&2; exit 7; }
	@cd $(WEB) && npm ci --silent --no-progress
	@touch $@

$(BOTMOX)/node_modules/.package-lock.json: $(BOTMOX)/package.json $(BOTMOX)/package-lock.json
	@cd $(BOTMOX) && npm ci --silent --no-progress
	@touch $@

web-check: web $(BOTMOX)/node_modules/.package-lock.json   ## lint, types, unit tests and build of the front ends
	@for site in $(WEB) $(BOTMOX); do (cd $$site && { npm run --silent check >node_modules/.check.log 2>&1 || { cat node_modules/.check.log >&2; exit 1; }; }) || exit 1; done

check: setup fmt lint types layers unit web-check  ## the fast gates (< 60 s)

fmt:
	$(BIN)/ruff format --check .

lint:
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

layers:
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest tests/unit $(ABREAST)

integration: setup
	$(BIN)/pytest tests/integration $(ABREAST)

clients: setup
	$(BIN)/pytest tests/clients $(ABREAST)

stacks: setup
	$(BIN)/pytest tests/stacks

chaos: setup
	$(BIN)/pytest tests/chaos

hosts: setup     ## real Docker and real servers, begun by the tests; needs root
	$(BIN)/python -m tests.hosts.prepare
	$(BIN)/pytest tests/hosts $(ABREAST) --ignore=tests/hosts/test_deploy_load.py

# Alone: a server that gets no processor for seconds loses requests with no release near.
hosts-load: setup
	$(BIN)/python -m tests.hosts.prepare
	$(BIN)/pytest tests/hosts/test_deploy_load.py

bench: bench-start bench-rest bench-scale bench-auth bench-storage bench-realtime bench-migrate bench-backup bench-deploy  ## time to ready, memory, the data API beside the others, auth, storage, realtime, migrations, backups, releases

bench-start: setup
	$(BIN)/python -m bench.start

# ARGS=--quick takes 2 minutes; without it 8, and the table in docs/explanation is written anew.
ARGS ?= --page

bench-rest: setup bench-others
	$(BIN)/python -m bench.rest compare $(ARGS)

bench-scale: setup
	$(BIN)/python -m bench.rest scale --page

bench-auth: setup
	$(BIN)/python -m bench.auth $(ARGS)

bench-storage: setup
	$(BIN)/python -m bench.storage $(ARGS)

bench-realtime: setup bench/.venv/.installed
	$(BIN)/python -m bench.realtime $(ARGS)

bench-migrate: setup bench/migrate/node_modules/.installed
	$(BIN)/python -m bench.migrate $(ARGS)

bench-backup: setup
	$(BIN)/python -m bench.backup $(ARGS)

bench-deploy: setup
	$(BIN)/python -m bench.deploy $(ARGS)

bench-driver: setup
	$(BIN)/python -m bench.driver

bench-others: bench/node_modules/.package-lock.json bench/.venv/.installed

# Apart from ours: what is measured beside the core may want other versions of the same libraries.
bench/.venv/.installed: pyproject.toml $(VENV)/.installed
	$(PYTHON) -m venv bench/.venv
	UV_SYSTEM_CERTS=true $(BIN)/uv pip install --quiet --python bench/.venv/bin/python --group bench
	touch $@

bench/migrate/node_modules/.installed: bench/migrate/package.json
	cd bench/migrate && npm install --no-package-lock --no-audit --no-fund --silent --no-progress
	touch $@

bench/node_modules/.package-lock.json: bench/package.json bench/package-lock.json
	cd bench && npm ci --silent --no-progress
	touch $@

docs:            ## write the reference pages that are made from the code
	$(BIN)/python tools/reference.py

clean:           ## remove what the commands above made, never data of a stack
	rm -rf $(VENV) bench/.venv bench/node_modules bench/migrate/node_modules .mypy_cache .ruff_cache .pytest_cache $(WEB)/node_modules $(WEB)/dist $(BOTMOX)/node_modules $(BOTMOX)/dist
