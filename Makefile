# make demo      set up, draw the demo dataset, train on it, open the dashboard
# make test      set up, run every test
# make check     set up, lint, check formatting and types
# make dashboard set up, open the dashboard on the runs there are

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo dashboard test check clean

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
