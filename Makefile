# Each target sets up .venv first (once) and runs a command that is written in tools/bootstrap.py, which also works
# without make: python3 tools/bootstrap.py reproduce
# Choose another Python with PYTHON=python3.12, pass words on with ARGS="...".

PYTHON ?= python3
ARGS ?=
BOOTSTRAP = @$(PYTHON) tools/bootstrap.py

.PHONY: help setup reproduce test check lab

help:
	@echo "make setup      install everything into .venv"
	@echo "make reproduce  run every notebook on the bundled synthetic data and write reports/synthetic/"
	@echo "make test       run the tests with coverage   (ARGS=\"-k explant --no-cov\" runs a part)"
	@echo "make check      run ruff and mypy"
	@echo "make lab        open the notebooks in JupyterLab"
	@echo
	@echo "Each sets up what it needs. Own data: .venv/bin/fbss run --study FILE"

setup reproduce test check lab:
	$(BOOTSTRAP) $@ $(ARGS)
