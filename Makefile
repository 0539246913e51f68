# make demo      set up, draw the demo dataset, train on it, open the dashboard
# make test      set up, run every test
# make check     set up, lint, check formatting and types
# make dashboard set up, open the dashboard on the runs there are
#
# make test-oldest, test-newest, test-locked
#                run every test with the oldest or the newest versions that the requirements allow, or with the locked
#                ones, in an environment that is thrown away; PYTHON=python3.13 chooses the Python
# make reliability
#                the long part of docs/reliability.md
# make lock      write requirements.lock anew: the newest versions that the requirements allow
# make audit     look the locked versions up among the known vulnerabilities

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo dashboard test check clean test-oldest test-newest test-locked reliability lock audit

demo: .venv/installed
	$(BIN)/python train.py --demo
	$(BIN)/streamlit run dashboard/app.py

dashboard: .venv/installed
	$(BIN)/streamlit run dashboard/app.py

test: .venv/installed-dev
	$(BIN)/python -m pytest

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-oldest: OPTIONS := --resolution lowest-direct
test-newest: OPTIONS := --resolution highest
test-locked: OPTIONS := --with-requirements requirements.lock
# Compiled beforehand, or each training of a test would compile TensorFlow for a minute while the test waits for it.
test-oldest test-newest test-locked: .venv/installed-dev
	$(BIN)/uv run --no-project --isolated --compile-bytecode --python $(PYTHON) $(OPTIONS) \
	    --with-requirements requirements-dev.txt python -m pytest

# The load goes by itself, since it measures how long visitors wait.
reliability: .venv/installed-dev
	$(BIN)/python -m pytest --thorough tests/test_hostile_photos.py tests/test_hostile_tables.py \
	    tests/test_faulty_disks.py tests/test_faulty_dashboard.py tests/test_doors.py tests/test_browser_hostile.py
	$(BIN)/python -m pytest --thorough -m thorough
	$(BIN)/python -m benchmarks.kills
	$(BIN)/python -m benchmarks.load

# One version of each package for all Pythons and systems; only then is what was tested what others get.
lock: .venv/installed-dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --upgrade --generate-hashes \
	    --no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock requirements.txt

# --strict: what could not be looked up fails, or it would pass for harmless.
audit: .venv/installed-dev
	$(BIN)/uv tool run --from 'pip-audit>=2.9,<3' pip-audit --strict --disable-pip \
	    --vulnerability-service osv --requirement requirements.lock

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	    "Expected Python 3.11, 3.12 or 3.13; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt .venv/bin/python
	@echo "Installing into .venv, about 2.8 GB; this takes minutes."
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@
