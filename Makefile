# make run    install the core into .venv, recognise the examples, write report.html
# make test   install the test extra, run the whole suite in two processes
# make check  lint, format, types, house rules (part of make test)
# make dev    install every extra
# make results    write docs/results.md and docs/results/ from benchmarks/results/*.json
# make artefacts  write the golden features, learn the codec's basis, train the shipped models,
#                 write the packet vectors (hours; needs the corpora in SERKIT_CORPORA)

PYTHON ?= python3
BIN := .venv/bin
MODELS := emodb7 ravdess8 tiny tiny-mel
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: run test check dev results artefacts clean

run: .venv/.core
	$(BIN)/serkit predict examples/*.flac --report report.html
	@echo "Open report.html to see the recordings."

test: .venv/.test
	$(MAKE) check
	$(BIN)/python -m pytest --cov --numprocesses 2 --dist loadfile

check: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/make_results.py --check

dev: .venv/.dev

results: .venv/.core
	$(BIN)/python benchmarks/make_results.py

artefacts: .venv/.test
	$(BIN)/python tools/golden_features.py
	$(BIN)/python tools/learn_basis.py ravdess nemo tess
	set -e; for model in $(MODELS); do \
	  $(BIN)/serkit train models/$$model -o src/serkit/models/$$model.safetensors; \
	done
	$(BIN)/python tools/packet_vectors.py

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "serkit needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 ..."; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "Python's venv is missing; install it with: sudo apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.core: .venv/bin/python pyproject.toml
	$(PIP) -e .
	@touch $@

# Torch comes first and pinned: another package would pull in a build of several gigabytes.
.venv/.test: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) -c constraints.txt torch
	$(PIP) -c constraints.txt -e '.[test]'
	@touch $@ .venv/.core

.venv/.dev: .venv/.test
	$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv report.html
