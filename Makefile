# `make` prints what there is to make.  Everything is installed into .venv, from
# requirements.txt; nothing outside this folder is touched.  Needs GNU make >= 3.81.

VENV = .venv
RUN = $(VENV)/bin/python
READY = $(VENV)/.ready
SITE = _build/html
PORT = 8000

# ONNX Runtime would look up a foreign host, during `make book` too.
ORT_DISABLE_TELEMETRY ?= 1
export ORT_DISABLE_TELEMETRY

# Sets $$found to an interpreter that fits, has pip for the new environment, and really
# starts: pyenv, for one, puts a python3.12 on the PATH that only says it isn't there.
FITS = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
FIND_PYTHON = found=; \
  for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
    if "$$python" -c '$(FITS)' >/dev/null 2>&1; then found=$$python; break; fi; \
  done; \
  if [ -z "$$found" ]; then \
    echo 'No Python found that fits: it takes 3.11, 3.12 or 3.13, with venv and pip'; \
    echo '(Debian, Ubuntu: apt install python3-venv).  Tried: $(PYTHON) python3 python3.13'; \
    echo 'python3.12 python3.11.  To name another: make PYTHON=/path/to/python book'; \
    exit 1; \
  fi

.PHONY: help
help:
	@echo 'make book        build the site: $(SITE)/index.html'
	@echo 'make test        run the tests; options for pytest: ARGS="--device cuda -k lens"'
	@echo '                 ARGS=--all runs the slow ones, too'
	@echo 'make test-timm   run the tests of the models in timm, in .venv-timm (5 GB)'
	@echo 'make serve       build the site and serve it on http://localhost:$(PORT)'
	@echo 'make weights     train the networks of vip_tutorial/weights anew (a minute)'
	@echo 'make measurements  repeat the experiments of vip_tutorial/measured (hours)'
	@echo 'make bench       time the code and the pages; prints, asserts nothing'
	@echo 'make lint        check the Python code; `make format` mends what it can'
	@echo 'make notebooks   strip the outputs of book/*.ipynb and renew their first cell'
	@echo 'make colab-check run every notebook with the versions of Google Colab (5 GB)'
	@echo 'make repo URL=https://github.com/YOUR-NAME/YOUR-FORK'
	@echo '                 point the project at your fork'
	@echo 'make clean       remove what was built; the environments $(VENV)* stay'
	@echo
	@echo 'The first `make book` or `make test` sets up $(VENV) by itself.  It takes the'
	@echo 'first of python3, python3.13, python3.12, python3.11 that is Python 3.11 to'
	@echo '3.13; `make PYTHON=/path/to/python book` takes yours.'

# --- Set-up -------------------------------------------------------------------------

.PHONY: setup
setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@if ! $(RUN) -c '$(FITS)' >/dev/null 2>&1 || ! $(RUN) -m pip -V >/dev/null 2>&1; then \
	  $(FIND_PYTHON); \
	  rm -rf $(VENV); \
	  "$$found" -m venv $(VENV); \
	fi
	@echo "Setting up $(VENV) with $$($(RUN) -V).  The first time this downloads PyTorch and"
	@echo "the book's tools and takes some minutes."
	@$(RUN) -m pip install -qq --disable-pip-version-check -r requirements.txt
	@$(RUN) -m pip install -qq --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@

# --- What there is to make ----------------------------------------------------------

.PHONY: book
book: $(READY)
	@$(VENV)/bin/jupyter-book build . -W -n --keep-going -q

.PHONY: serve
serve: book
	@echo 'http://localhost:$(PORT), until Ctrl-C'
	@$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

.PHONY: test
test: $(READY)
	@$(RUN) -m pytest -n logical --maxprocesses 4 --dist worksteal $(ARGS)

# timm brings torchvision, which wants a torch of its own: an environment for them.
.PHONY: test-timm
test-timm:
	@$(FIND_PYTHON); [ -x .venv-timm/bin/python ] || "$$found" -m venv .venv-timm
	@.venv-timm/bin/python -m pip install -qq --disable-pip-version-check \
	  timm torchvision pytest hypothesis scikit-learn --editable .
	@.venv-timm/bin/python -m pytest tests/test_timm.py $(ARGS)

.PHONY: weights
weights: $(READY)
	@$(RUN) -m vip_tutorial.bundled

.PHONY: measurements
measurements: $(READY)
	@$(RUN) -m vip_tutorial.branch_experiment
	@$(RUN) -m vip_tutorial.ablations
	@$(RUN) -m vip_tutorial.beyond.experiments

.PHONY: bench
bench: $(READY)
	@$(RUN) tools/bench.py $(ARGS)

.PHONY: lint
lint: $(READY)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

.PHONY: format
format: $(READY)
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

# --- The notebooks and Colab --------------------------------------------------------

.PHONY: notebooks
notebooks: $(READY)
	@$(RUN) tools/notebooks.py
	@$(RUN) tools/first_cell.py

.PHONY: colab-check
colab-check:
	@$(FIND_PYTHON); "$$found" tools/colab_check.py $(ARGS)

# --- The repository -----------------------------------------------------------------

.PHONY: repo
repo:
	@$(FIND_PYTHON); "$$found" tools/repository.py "$$URL"

.PHONY: clean
clean:
	rm -rf _build build .pytest_cache .ruff_cache .hypothesis
	find . -name .venv\* -prune -o -name __pycache__ -prune -exec rm -rf {} +
