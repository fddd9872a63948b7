# make demo | test | docs | test-cluster | torture | lint | test-peers | asan | fuzz | bench | wheel | clean
#
# Nothing is installed outside this folder: a command's environment is made when it is first asked
# for (.venv, and .venv-peers for the large ones), and brought up to date when the files that the
# package is built from have changed. PYTHON=python3.12 chooses the interpreter.

PYTHON ?= python3
JOBS ?= 2

# An environment is of one interpreter and one folder: a moved copy makes its own.
KEY := $(shell '$(PYTHON)' -c 'import os, sys, zlib; print("%d.%d-%08x" % (*sys.version_info[:2], zlib.crc32(os.getcwd().encode())))' 2>/dev/null)
RUN := .venv/run-$(KEY)
TEST := .venv/test-$(KEY)
CLUSTER := .venv/cluster-$(KEY)
AZURITE_VERSION := 3.35.0
AZURITE := .venv/azurite-$(AZURITE_VERSION)-$(KEY)
DEV := .venv/dev-$(KEY)
PEERS := .venv-peers/peers-$(KEY)
BENCH := .venv-bench/bench-$(KEY)
ASAN := .venv-asan/asan-$(KEY)
ASAN_TREE := build/asan
BUILT_FROM := pyproject.toml setup.py tools/setup_venv.sh $(wildcard ext/* fastconv/*.pxd)
BIN := .venv/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-cluster torture docs test-peers asan $(ASAN_TREE) fuzz fuzz-smoke fuzz-merge bench lint lint-ruff lint-format lint-types
.PHONY: test-architecture wheel clean

help:
	@echo 'make demo        a small ImageNet made, converted and looked at, from nothing'
	@echo 'make test        every test but those that need TensorFlow, PyTorch and the like'
	@echo 'make test-cluster  those with Dask, and with a real S3 server that fails on demand'
	@echo 'make torture     every call to the file system failed, 200 kills, disks that fill up'
	@echo 'make test-peers  those: what is written, read by every reader that is promised'
	@echo 'make lint        ruff, its format, and mypy --strict'
	@echo 'make docs        every command in the documentation run; its site in build/site, the manual pages in build/man'
	@echo 'make asan        the tests of the compiled code, that code under AddressSanitizer and UBSan'
	@echo 'make fuzz        the compiled code fuzzed under sanitizers, by clang; FUZZ_SECONDS=600 for each part'
	@echo 'make fuzz-smoke  the same, a minute for each'
	@echo 'make bench       fastconv beside a copy and beside other tools, into bench/RESULTS.md'
	@echo 'make wheel       the distributions in dist/, the wheel tried in an empty environment'
	@echo 'make clean       remove what these made, the environments with it'

# A stamp's environment serves those with fewer extras too, so their stamps are touched as well.
$(RUN) $(TEST) $(CLUSTER) $(DEV) $(PEERS) $(BENCH) $(ASAN): $(BUILT_FROM)
	@PYTHON='$(PYTHON)' tools/setup_venv.sh $(@D) '$(KEY)'
	@echo 'installing fastconv$(EXTRAS) in $(@D) …'
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check --no-input -e '$(or $(FROM),.)$(EXTRAS)'
	@$(if $(ALONE),$(@D)/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-deps -r $(ALONE))
	@touch $(SERVES)

$(RUN): SERVES = $(RUN)
$(TEST): EXTRAS = [test]
$(TEST): SERVES = $(RUN) $(TEST)
$(CLUSTER): EXTRAS = [test,cluster]
$(CLUSTER): SERVES = $(RUN) $(TEST) $(CLUSTER)
$(DEV): EXTRAS = [test,dev,docs]
$(DEV): SERVES = $(RUN) $(TEST) $(DEV)
$(PEERS): EXTRAS = [test,peers]
$(PEERS): SERVES = $(PEERS)
$(PEERS): ALONE = tests/peers/without_dependencies.txt
$(PEERS): tests/peers/without_dependencies.txt
$(BENCH): EXTRAS = [bench]
$(BENCH): SERVES = $(BENCH)
# Compiled modules lie beside the sources, so those with sanitizers in them get sources of their own.
$(ASAN): FROM = ./$(ASAN_TREE)
$(ASAN): EXTRAS = [test]
$(ASAN): SERVES = $(ASAN)
$(ASAN): export FASTCONV_SANITIZERS = address,undefined
$(ASAN): | $(ASAN_TREE)

# Azure's emulator is a package of npm's; where there is no npm, its tests say that they are left out.
$(AZURITE): $(CLUSTER)
	@command -v npm >/dev/null || { echo 'without npm, the tests of Azure are left out'; exit 0; }; \
	    echo 'installing azurite $(AZURITE_VERSION) in $(@D)/azurite …'; \
	    npm install --silent --no-audit --no-fund --prefix $(@D)/azurite azurite@$(AZURITE_VERSION) && touch $@

demo: $(RUN)
	@$(BIN)/python tools/demo.py demo

test: $(TEST)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-cluster: $(CLUSTER) $(AZURITE)
	$(BIN)/python -m pytest -m 'cluster and not torture' -n $(JOBS) --dist loadfile tests/cluster tests/test_store_paths.py tests/test_docs.py $(ARGS)

torture: $(CLUSTER)
	$(BIN)/python -m pytest -m torture -n $(JOBS) --dist worksteal $(ARGS)

test-peers: $(PEERS)
	.venv-peers/bin/python -m pytest -m peers tests/peers tests/test_docs.py $(ARGS)

$(ASAN_TREE):
	@tools/run_sanitized.sh copy $@

asan: $(ASAN)
	@tools/run_sanitized.sh test $(ASAN_TREE) .venv-asan/bin/python -n $(JOBS) --dist worksteal $(ARGS)

fuzz fuzz-smoke fuzz-merge:
	@$(MAKE) --no-print-directory -C fuzz $@

bench: $(BENCH)
	.venv-bench/bin/python -m bench.run $(ARGS)

lint: lint-ruff lint-format lint-types

lint-ruff: $(DEV)
	$(BIN)/python -m ruff check

lint-format: $(DEV)
	$(BIN)/python -m ruff format --check

lint-types: $(DEV)
	$(BIN)/python -m mypy --strict

docs: $(DEV)
	rm -rf build/site build/man
	$(BIN)/python -m sphinx -q -E -W --keep-going -n -c docs -d build/doctrees . build/site
	$(BIN)/python tools/make_man.py build/man
	$(BIN)/python -m pytest -m docs -n $(JOBS) --dist worksteal tests/test_docs.py $(ARGS)

test-architecture: $(TEST)
	$(BIN)/python -m pytest -q tests/test_architecture.py

wheel: $(DEV)
	@PYTHON='$(PYTHON)' $(BIN)/python tools/check_wheel.py dist

clean:
	rm -rf .venv .venv-peers .venv-bench .venv-asan demo build dist fuzz/findings *.egg-info fastconv/*.so
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find fastconv tests tools bench fuzz -name __pycache__ -type d -prune -exec rm -rf {} +
