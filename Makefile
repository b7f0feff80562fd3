# `make demo` and `make test` need nothing but Python 3.11 or later with venv, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= demo_data

.PHONY: demo test lint docs bench bench-store bench-bucket bench-pipeline bench-processes reproduce mutants ui clean

demo: $(VENV)/demo-installed
	$(BIN)/daydream demo $(DATA)

# A file's tests share what costs much: a server, a model, the tutorial as a reader does it.
test: $(VENV)/dev-installed
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder \
		--cov --cov-report=term:skip-covered

lint: $(VENV)/dev-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

docs: $(VENV)/dev-installed
	$(BIN)/python -m sphinx -W --keep-going docs build/docs

bench: bench-store bench-pipeline bench-processes bench-bucket

bench-store: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.store

bench-pipeline: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.pipeline

bench-bucket: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.bucket
	$(BIN)/python -m benchmarks.limits

bench-processes: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.processes

# What recorded judgments are known to say, computed by our methods.
reproduce: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.reproduce

mutants: $(VENV)/mutants-installed
	$(BIN)/python -m benchmarks.mutants

ui: $(VENV)/dev-installed
	mkdir -p $(DATA)/dagster_home
	DAYDREAM_DATA_ROOT=$(abspath $(DATA)) DAGSTER_HOME=$(abspath $(DATA))/dagster_home \
		PATH="$(abspath $(BIN)):$$PATH" $(BIN)/dg dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/demo-installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[local]"
	touch $@

$(VENV)/dev-installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[local,report,testing,ui]" --group dev --group docs
	touch $@

$(VENV)/mutants-installed: $(VENV)/dev-installed
	$(BIN)/python -m pip install --quiet --group mutants
	touch $@

clean:
	rm -rf $(VENV) build .mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
