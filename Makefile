# One command for each task; `make help` lists them. `.ci/run` calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The locks are complete: without resolving, every pip from 22.3 on installs the same.
LOCKED := --disable-pip-version-check --no-deps --require-hashes
# A line every 20 packages instead of pip's own output, which a failure shows.
SHOW_PROGRESS = { output=; count=0; while IFS= read -r line; do output="$$output$$line\n"; case $$line in \
  "Collecting "*) count=$$((count + 1)); [ $$((count % 20)) != 0 ] || echo "… $$count packages" ;; \
  "Installing collected"*) echo "… $$count packages, unpacking" ;; \
  "exit 0") exit 0 ;; "exit "*) printf "%b" "$$output" >&2; exit 1 ;; esac; done; }
PORT ?= 8000
HTTPS_PORT ?= 8443

.DEFAULT_GOAL := help
.PHONY: help install demo production doctor conform test test-fast coverage lint format types javascript messages screenshots docs check servers bench compare advise faults soak fuzz matrix lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.development ## Make .venv with everything that development and the tests need

# The other servers come with the tools of development.
SERVED := $(if $(filter daphne hypercorn granian,$(SERVER)),$(VENV)/.development,$(VENV)/.runtime)

demo: $(SERVED) ## Start the demo (PORT=8000) and open the page
	@$(BIN)/python manage.py demo --port $(PORT) $(ARGS)

production: install ## Run nginx, two servers, a worker and Redis (HTTPS_PORT=8443)
	@$(BIN)/python manage.py production --port $(HTTPS_PORT) $(ARGS)

doctor: $(VENV)/.runtime ## Check what a proxy does to each technique (URL=https://…)
	@$(BIN)/python manage.py doctor $(URL) $(ARGS)

conform: $(VENV)/.runtime ## Check a server against the standards (URL=https://…, PROFILE=sse)
	@$(BIN)/python manage.py conform $(URL) --profile $(or $(PROFILE),ours) $(ARGS)

# More workers than cores: most tests wait.
test: install ## Run every test, as CI does
	@$(BIN)/python -m pytest -n 6 $(ARGS)

coverage: install ## Run every test and show the untested branches (takes half as long again)
	@$(BIN)/python -m pytest -n 3 -p pytest_cov --cov --cov-report=term $(ARGS)

test-fast: install ## Run the tests that need no browser, stopping at the first failure
	@$(BIN)/python -m pytest -x -n 3 -m "not browser" $(ARGS)

lint: install ## Check style, formatting, prose and which package may import which
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python -m tests.tools.prose

format: install ## Apply the formatter and the safe fixes
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

types: install ## Check types (mypy, strict)
	@$(BIN)/python -m mypy

javascript: ## Check the JavaScript: eslint, tsc, node --test (needs Node 20.19 or newer)
	@if command -v npm >/dev/null; then \
	  $(MAKE) --no-print-directory node_modules/.installed && npm run --silent lint && npm run --silent types && npm test --silent; \
	elif [ -z "$$CI" ]; then echo "No Node here: JavaScript is not checked. 'apt-get install nodejs npm' installs it."; \
	else echo "Node is needed here: 'apt-get install nodejs npm' installs it." >&2; exit 1; fi

check: lint types javascript test ## Everything CI checks

servers: install ## Test four ASGI servers with the contract suite, and measure them (ARGS=--quick)
	@$(BIN)/python -m tests.server $(ARGS)

bench: install ## Measure cost by server and technique, beside peers (ARGS=--quick)
	@$(BIN)/python -m benchmarks $(ARGS)

faults: install ## Kill, stop, flush and pause parts of a production, and check every client's events
	@$(BIN)/python -m faults $(ARGS)

soak: install ## Search for leaks during an hour of a steady feed (ARGS="--minutes 10")
	@$(BIN)/python -m faults.soak $(ARGS)

matrix: install ## Run a short part of the tests on each Python and Django (ARGS="--python 3.13")
	@$(BIN)/python -m tests.tools.matrix $(ARGS)

fuzz: install ## 12,000 generated cases of good and bad input over HTTP and WebSocket
	@FUZZ_CASES=12000 $(BIN)/python -m pytest -n 0 tests/server/test_bad_input.py $(ARGS)

compare: $(SERVED) ## Measure every technique beside what theory predicts (ARGS="--scenario mobile")
	@$(BIN)/python manage.py compare $(ARGS)

advise: $(VENV)/.runtime ## Recommend a technique for a workload (ARGS="--clients 100000")
	@$(BIN)/python manage.py advise $(ARGS)

messages: install ## Update the translations' catalogs (locale/) and compile them (needs gettext)
	@command -v msgmerge >/dev/null || { echo "gettext is missing: 'apt-get install gettext' installs it." >&2; exit 1; }
	@$(BIN)/python manage.py makemessages --domain django
	@$(BIN)/python manage.py makemessages --domain djangojs
	@$(BIN)/python manage.py compilemessages --ignore $(VENV) --ignore node_modules --ignore build

screenshots: install ## Take the page's pictures (build/screenshots; ARGS=--publish renews docs/)
	@$(BIN)/python -m tests.tools.screenshots $(ARGS)

docs: install ## Build the documentation site, in English and Korean (build/site)
	@$(BIN)/python -m docs.site

lock: ## Rewrite the locks in requirements/ from pyproject.toml (needs uv)
	@uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --extra demo pyproject.toml -o requirements/runtime.lock $(ARGS)
	@uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --all-extras -c requirements/runtime.lock pyproject.toml -o requirements/development.lock $(ARGS)
	@uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --extra production -c requirements/development.lock pyproject.toml -o requirements/production.lock $(ARGS)
	@uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --group pyproject.toml:peers -c requirements/runtime.lock -o requirements/peers.lock $(ARGS)

clean: ## Remove the files that the commands above have made
	rm -rf $(VENV) node_modules .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* db.sqlite3 .hypothesis

# Stamps: an install is repeated only if its lock has changed.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; add PYTHON=/path/to/python3")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock | $(VENV)/bin/python
	@echo "Installing into $(VENV) …"
	@{ $(PIP) install --progress-bar off $(LOCKED) -r requirements/runtime.lock 2>&1; echo "exit $$?"; } | $(SHOW_PROGRESS)
	@touch $@

node_modules/.installed: package-lock.json
	@echo "Installing into node_modules …"
	@npm ci --silent --no-audit --no-fund
	@touch $@

$(VENV)/.development: requirements/development.lock | $(VENV)/bin/python
	@echo "Installing into $(VENV), with the tools of development …"
	@{ $(PIP) install --progress-bar off $(LOCKED) -r requirements/development.lock 2>&1; echo "exit $$?"; } | $(SHOW_PROGRESS)
	@touch $@ $(VENV)/.runtime
