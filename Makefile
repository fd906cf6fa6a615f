PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test slow coverage check fmt bench pictures docs clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	@# on all processors, without the libraries' tests; some ship templates that are no Python
	-@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib
	@$(BIN)/python -m compileall -q -x '/[.]' .
	@touch $@

demo: install
	$(BIN)/python cli.py optimize extraction

test: install
	$(BIN)/pytest -n auto --dist worksteal

slow: install
	$(BIN)/pytest -m slow

coverage: install
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright

fmt: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# every bench in a short form, which shows that it works; --help of each says how to measure with it
bench: install
	$(BIN)/python -m bench.adjusted --promotions 5 --rows 60
	$(BIN)/python -m bench.power --rows 30 --pairs 20
	$(BIN)/python -m bench.gate --pairs 4 --rows 60
	$(BIN)/python -m bench.placebo --seeds 1 --budget 100 --rows 80
	$(BIN)/python -m bench.optimizers --seeds 1 --budget 60 --optimizers bootstrap,metaprompt
	$(BIN)/python -m bench.search --seeds 2 --noise 0.1 --budget 600
	$(BIN)/python -m bench.forecast --runs 2
	$(BIN)/python -m bench.record --candidates 20 --times 1
	$(BIN)/python -m bench.throughput --rows 64 --workers 8 --latency 0.05 --times 1
	$(BIN)/python -m bench.caps --caps 2 --workers 1,8
	$(BIN)/python -m bench.shop --trials 1 "Check limits first"
	$(BIN)/python -m bench.matrix --rows 12 --seeds 1 --kills 1
	$(BIN)/python -m bench.scale --rows 2000
	$(BIN)/python -m bench.kill --kills 2 --per-run 2
	$(BIN)/python -m bench.sequential --rates 0.6 --runs 500 --bets 10
	$(BIN)/python -m bench.sessions --sessions 20000
	$(BIN)/python -m bench.learning --sessions 5000

# the README's pictures from real runs, where there is a Chromium
pictures: install
	$(BIN)/python -m bench.pictures

docs: install
	$(BIN)/typer cli.py utils docs --name 'python cli.py' --output docs/cli.md

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* build *.egg-info
