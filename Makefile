# The commands of segtrain's developers and first-time users; `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Two OpenMP threads that spin on busy cores are several times slower than one.
TEST_ENV := OMP_NUM_THREADS=1 NO_ALBUMENTATIONS_UPDATE=1 WANDB_MODE=offline

.PHONY: help install demo test test-all lint types floors check

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	touch $@

install: $(INSTALLED) ## make the environment (VENV= chooses its folder)

demo: $(INSTALLED) ## train on made-up cells with noisy masks, in under 2 minutes on 2 CPU cores
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python train.py model=unet loss=dice noise=curriculum

test: $(INSTALLED) ## the tests, slow ones left out
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow'

test-all: $(INSTALLED) ## all tests
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(INSTALLED) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## mypy
	$(BIN)/mypy

floors: $(INSTALLED) ## who may import whom
	$(BIN)/lint-imports

check: lint types floors test ## everything that has to pass
