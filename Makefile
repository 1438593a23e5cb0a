PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install check test e2e e2e-vscode e2e-js-debug e2e-nvim bench browser proof-compare proof-planted proof-profiles proof-console

install: $(BIN)/fclocal

$(BIN)/fclocal: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check emulator tests/unit
	$(BIN)/mypy
	$(BIN)/lint-imports

# Most of a test is waiting for processes, so that two cores have time for five at once. What takes long comes first
# (tests/conftest.py).
test: install
	$(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder

e2e: install
	$(BIN)/python -m pytest tests/e2e

# Needs Node.js 20 with its headers, a C++ compiler and Chromium.
e2e-vscode: install
	sh tests/vscode/install.sh build/vscode
	PYTHONPATH=$(CURDIR) node tests/vscode/flow.mjs build/vscode $(abspath $(BIN))/python $(PICTURES)

# js-debug, VS Code's debugger for Node.js, out of the same code-server: 42 MB from npm, nothing is compiled.
JS_DEBUG := build/ms-vscode.js-debug/src/extension.js
CODE_SERVER = code-server@$(shell node -p "require('./tests/vscode/package.json').dependencies['code-server']")

$(JS_DEBUG): tests/vscode/package.json
	mkdir -p build
	cd build && archive=$$(npm pack --silent $(CODE_SERVER)) && \
	  tar -xzmf "$$archive" --strip-components=4 package/lib/vscode/extensions/ms-vscode.js-debug && rm "$$archive"

e2e-js-debug: install $(JS_DEBUG)
	$(BIN)/python -m pytest -rs tests/e2e/debug/test_node_js_debug.py

# Needs Neovim from 0.7 on. nvim-dap is GPL: it is fetched where it is wanted, and never kept in this repository.
NVIM_DAP ?= https://github.com/mfussenegger/nvim-dap
NVIM_DAP_VERSION ?= 0.6.0

build/nvim-dap/lua/dap.lua:
	git clone --quiet --depth 1 --branch $(NVIM_DAP_VERSION) $(NVIM_DAP) build/nvim-dap

e2e-nvim: install build/nvim-dap/lua/dap.lua
	$(BIN)/python -m pytest -rs tests/e2e/debug/test_nvim.py

bench: install
	$(BIN)/python -m bench $(BENCH)

# The same code is never called different, 10 % more is found: 20 comparisons each. Some minutes on a quiet machine.
proof-compare: install
	$(BIN)/python -m bench.proof_compare

# Minutes, on a machine that does nothing else.
proof-planted: install
	$(BIN)/python -m bench.proof_planted

# What docs/profiles.md claims, measured: a cold page cache, a share's speed, half a core. Some minutes.
proof-profiles: install
	$(BIN)/python -m bench.proof_profiles

# The console and the reports in Chromium; `make browser PICTURES=docs/images` keeps what they look like.
browser: install
	PICTURES=$(PICTURES) $(BIN)/python -m pytest tests/browser

# That 95 of 100 frames of the timeline take less than 50 ms while 5,000 invocations are in it and come.
proof-console: install
	FCLOCAL_PROOF=1 $(BIN)/python -m pytest -s tests/browser/test_console_live.py -k smooth
