# make demo: the environment, a simulated stack, its restoration, and what was gained
# make test: the environment with the test extra, and the tests, one process a core
# make gpu: on a machine with a GPU, holds it against the CPU and writes docs/gpu.md
# make docs: the documentation as a site in build/site, without a warning
# make lint: formatter, linter and type checker

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/demo

.PHONY: demo test lint gpu docs clean

demo: $(VENV)/run.stamp
	$(BIN)/burst simulate --image camera --level medium --frames 100 --size 271 --seed 0 --out $(OUT)/stack.npy
	$(BIN)/burst run --stack $(OUT)/stack.npy --out $(OUT)
	$(BIN)/burst score --stack $(OUT)/stack.npy --truth $(OUT)/stack.truth.npz --restored $(OUT)/stack/restored.npy

test: $(VENV)/test.stamp
	OMP_NUM_THREADS=1 GOMP_SPINCOUNT=10000 $(BIN)/python -m pytest -n auto --dist worksteal --durations=10

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gpu: $(VENV)/test.stamp
	$(BIN)/burst bench --suite gpu --out out/gpu --write docs/gpu.md

docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) out build dist

$(VENV)/run.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

$(VENV)/docs.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@
