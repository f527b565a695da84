PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check style types architecture doctests docs notebook man bench bench-classical bench-gpu wheel-test clean

demo: $(VENV)/.run           ## fuse the bundled Landsat 8 scene
	$(BIN)/pansharpkit demo -o demo_output

test: $(VENV)/.dev           ## the whole test suite
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: style types architecture doctests  ## all four, side by side with make -j

style: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

architecture: $(VENV)/.dev
	PYTHONPATH=cli $(BIN)/lint-imports

doctests: $(VENV)/.dev
	$(BIN)/python -m pytest --doctest-modules pansharpkit cli -q -p no:cacheprovider

docs: $(VENV)/.dev           ## the documentation site, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebook: $(VENV)/.dev       ## run the notebook of the documentation again
	$(BIN)/python docs/notebook.py

man: $(VENV)/.run            ## the man page, made from the help: man -l build/man/pansharpkit.1
	mkdir -p build/man
	$(BIN)/python -m pansharpkit_cli.manpage > build/man/pansharpkit.1

# DATA is a folder of further scenes, ONLY a selection such as quick+untimed (make bench ONLY=all
# is the default; the list: benchmarks/bench.py --list), ROUNDS how often runs are timed.
ONLY   ?= all
ROUNDS ?= 3
bench:                       ## run the benchmarks, keep their results, render the tables; installs nothing
	@test -x $(BIN)/python || { echo "there is no $(VENV): run make test once"; exit 1; }
	$(BIN)/python benchmarks/bench.py --only $(ONLY) --rounds $(ROUNDS) $(if $(DATA),--data $(DATA))

bench-classical:             ## those of the classical methods, beside GDAL and OTB
	$(MAKE) bench ONLY=classical

bench-gpu: $(VENV)/.dev      ## speed, seams and agreement of the learned methods on a CUDA device
	$(BIN)/python benchmarks/bench_gpu.py

wheel-test: $(VENV)/.dev     ## the tests against the built wheel, away from the checkout
	PYTHON=$(abspath $(BIN)/python) bash tools/wheel_test.sh

clean:
	rm -rf $(VENV) build dist site demo_output

$(VENV)/.run: pyproject.toml constraints.txt
	@echo "an environment in $(VENV): minutes of silence, and over a gigabyte, for PyTorch above all"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[dev]'  # most is never imported
	touch $@ $(VENV)/.run
