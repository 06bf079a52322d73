# `make` prints what there is to make.  Everything is installed into .venv, from
# requirements.txt; nothing outside this folder is touched.  Needs GNU make >= 3.81.

VENV = .venv
RUN = $(VENV)/bin/python
SITE = _build/html
PORT = 8000

# What a user has set for other programs must not change what runs here.
unexport PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONSTARTUP PYTHONWARNINGS MPLBACKEND
# Nor what lies in the home folder, which need not be writable.
export IPYTHONDIR = $(CURDIR)/$(VENV)/ipython
export JUPYTER_CONFIG_DIR = $(CURDIR)/$(VENV)/home/jupyter/config
export JUPYTER_DATA_DIR = $(CURDIR)/$(VENV)/home/jupyter/data
export JUPYTER_RUNTIME_DIR = $(CURDIR)/$(VENV)/home/jupyter/runtime
export MPLCONFIGDIR = $(CURDIR)/$(VENV)/home/matplotlib
# ONNX Runtime would look up a foreign host, during `make book` too.
ORT_DISABLE_TELEMETRY ?= 1
export ORT_DISABLE_TELEMETRY

# Sets $$found to an interpreter that fits, has pip for the new environment, and really
# starts: pyenv, for one, puts a python3.12 on the PATH that only says it isn't there.
# A Python that is newer than the tested ones is taken when there is no other.
FITS = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3,
PYTHONS = python3 python3.14 python3.13 python3.12 python3.11
FIND_PYTHON = found=; \
  for newest in 14 99; do \
    for python in $(if $(PYTHON),"$$PYTHON",$(PYTHONS) $(RUN)); do \
      if [ -z "$$found" ] && "$$python" -c "$(FITS) $$newest))" >/dev/null 2>&1; \
        then found=$$python; fi; \
    done; \
  done; \
  if [ -z "$$found" ]; then \
    echo 'No Python found that fits: it takes 3.11 to 3.14, with venv and pip (Debian,'; \
    echo "Ubuntu: apt install python3-venv).  Tried: $${PYTHON:-$(PYTHONS)}."; \
    echo 'To name one: make PYTHON=/path/to/python book'; \
    exit 1; \
  fi
export PYTHON

.PHONY: help
help:
	@echo 'make book        build the site: $(SITE)/index.html'
	@echo 'make zip         build the site and pack it: _build/*.zip, with its checksum'
	@echo 'make test        run the tests; options for pytest: ARGS="--device cuda -k lens"'
	@echo '                 ARGS=--all runs the slow ones, too'
	@echo 'make test-timm   run the tests of the models in timm, in .venv-timm (5 GB)'
	@echo 'make serve       build the site and serve it on http://localhost:$(PORT)'
	@echo 'make weights     train the networks of vip_tutorial/networks/weights anew (a minute)'
	@echo 'make measurements  repeat the experiments of vip_tutorial/experiments/results (hours)'
	@echo 'make bench       time the code and the pages; prints, asserts nothing'
	@echo 'make lint        check the code; `make format` mends what it can'
	@echo 'make notebooks   strip the outputs of book/*.ipynb and renew their first cell'
	@echo 'make pins        write requirements.txt from requirements.in, with uv'
	@echo 'make colab-check run every notebook with the versions of Google Colab (5 GB)'
	@echo 'make repo URL=https://github.com/YOUR-NAME/YOUR-FORK'
	@echo '                 point the project at your fork'
	@echo 'make clean       remove what was built; the environments $(VENV)* stay'
	@echo
	@echo 'The first `make book` or `make test` sets up $(VENV) by itself.  It takes the'
	@echo 'first of python3, python3.14, ... python3.11 that is Python 3.11 to 3.14;'
	@echo '`make PYTHON=/path/to/python book` takes yours.'

# --- Set-up -------------------------------------------------------------------------

.PHONY: setup
setup:
	@$(FIND_PYTHON); "$$found" tools/environment.py $(if $(PYTHON),--asked)

# --- What there is to make ----------------------------------------------------------

.PHONY: book
book: setup
	@$(VENV)/bin/jupyter-book build . -W -n --keep-going -q

.PHONY: serve
serve: book
	@echo 'http://localhost:$(PORT), until Ctrl-C'
	@$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

.PHONY: zip
zip: book
	@$(RUN) tools/zip_site.py $(SITE)

.PHONY: test
test: setup
	@$(RUN) -m pytest -n logical --maxprocesses 4 --dist load --maxschedchunk 6 $(ARGS)

# timm brings torchvision, which wants a torch of its own: an environment for them.
.PHONY: test-timm
test-timm:
	@$(FIND_PYTHON); [ -x .venv-timm/bin/python ] || "$$found" -m venv .venv-timm
	@.venv-timm/bin/python -m pip install -qq --disable-pip-version-check \
	  timm torchvision pytest hypothesis scikit-learn --editable .
	@.venv-timm/bin/python -m pytest tests/networks/test_timm.py $(ARGS)

.PHONY: weights
weights: setup
	@$(RUN) -m vip_tutorial.networks.pretrained

.PHONY: measurements
measurements: setup
	@$(RUN) -m vip_tutorial.experiments.branches
	@$(RUN) -m vip_tutorial.experiments.ablations
	@$(RUN) -m vip_tutorial.experiments.mixers
	@$(RUN) -m vip_tutorial.experiments.faults
	@$(RUN) -m vip_tutorial.experiments.brush
	@$(RUN) -m vip_tutorial.experiments.strokes
	@$(RUN) -m vip_tutorial.experiments.deployed
	@$(if $(GARMENTS),$(RUN) -m vip_tutorial.experiments.garments "$(GARMENTS)", \
	  echo 'Left out: garments, for want of GARMENTS=folder, see experiments/garments.py')
	@if $(RUN) -c 'import timm' 2>/dev/null; \
	  then $(RUN) -m vip_tutorial.experiments.beside; \
	  else echo 'Left out: beside, for want of timm: pip install timm'; fi

.PHONY: bench
bench: setup
	@$(RUN) tools/bench.py $(ARGS)

# Types and scripts are checked where `npm ci` has put the checkers; in CI they must be.
SCRIPTS = 'vip_tutorial/**/*.js' 'book/**/*.js'
.PHONY: lint
lint: setup
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@if [ -x node_modules/.bin/tsc ]; then \
	  node_modules/.bin/pyright && node_modules/.bin/tsc --project . && \
	  node_modules/.bin/prettier --check $(SCRIPTS); \
	else \
	  echo 'Left out, for want of `npm ci`: pyright (types), tsc and prettier (scripts)'; \
	  [ -z "$(NEED_NODE)" ]; \
	fi

.PHONY: format
format: setup
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .
	@[ ! -x node_modules/.bin/prettier ] || node_modules/.bin/prettier --write $(SCRIPTS)

# --- The notebooks and Colab --------------------------------------------------------

.PHONY: notebooks
notebooks: setup
	@$(RUN) tools/notebooks.py
	@$(RUN) tools/first_cell.py

.PHONY: colab-check
colab-check:
	@$(FIND_PYTHON); "$$found" tools/colab_check.py $(ARGS)

# Every pin of requirements.txt that still fits is kept.  PyTorch's CUDA libraries for
# Linux are left out: torch pins those itself, and builds without CUDA have none.
.PHONY: pins
pins:
	@command -v uv >/dev/null || { echo 'This needs uv: pip install uv'; exit 1; }
	@uv pip compile --universal --python-version 3.11 --quiet --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make pins' \
	  requirements.in -o requirements.txt
	@grep -Ev '^(cuda|nvidia|triton)|pypy' requirements.txt >requirements.tmp
	@mv requirements.tmp requirements.txt

# --- The repository -----------------------------------------------------------------

.PHONY: repo
repo:
	@$(FIND_PYTHON); "$$found" tools/repository.py "$$URL"

.PHONY: clean
clean:
	rm -rf _build build .pytest_cache .ruff_cache .hypothesis
	find . -name .venv\* -prune -o -name __pycache__ -prune -exec rm -rf {} +
