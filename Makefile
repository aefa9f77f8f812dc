# Two commands: `make serve` and `make test`. Both do all their own set-up.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Compiled dependencies outlive a checkout: the language model's engine alone takes a quarter of an hour to build.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/shopclerk
export CARGO_TARGET_DIR ?= $(CACHE)/target
export SHOPCLERK_MODELS ?= $(CACHE)/models
DATA ?= data
LISTEN ?= 127.0.0.1:8080
PREFIX ?= /usr/local
BIN := $(CARGO_TARGET_DIR)/release/shopclerk
VENV := $(CACHE)/venv
PEFT_VENV := $(CACHE)/peft-venv
PEFT := $(CACHE)/peft-reference
MODEL := smollm2-135m-instruct

# The tests are run by `make test` as a whole or not at all: what they need and do not find is a failure there. 0 makes them say
# that they were skipped instead, e.g. for those who may not mount a small disk.
SHOPCLERK_REQUIRE ?= 1
unit browser: export SHOPCLERK_REQUIRE := $(SHOPCLERK_REQUIRE)

.PHONY: help serve test setup setup-test pages build install model quick lint licences venv unit browser openai peft learn soak bench clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

serve: build model ## Set everything up and serve the demo shop
	@mkdir -p $(DATA) && { [ -e $(DATA)/models ] || ln -s "$(SHOPCLERK_MODELS)" $(DATA)/models; }
	@echo "The demo shop: http://$(LISTEN)/demo/"
	"$(BIN)" --data $(DATA) serve --listen $(LISTEN)

test: setup-test lint build model unit openai browser ## Set everything up and run every test

setup: ## Check for the tools to build and serve with, and install system packages where that is possible
	@.ci/setup serve

setup-test: ## The same for the tests
	@.ci/setup test

pages: setup ## Build the widget and the demo shop into static/dist
	cd static && { [ node_modules/.stamp -nt package-lock.json ] || { npm ci --no-audit --no-fund && touch node_modules/.stamp; }; }
	cd static && npm run --silent build

build: pages ## Build the binary
	cargo build --release --locked

# Each adapter is in a folder of its version; the program looks for them in `share` beside its `bin`.
install: build ## Install the program and its adapters under PREFIX (/usr/local); DESTDIR stages them
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 "$(BIN)" "$(DESTDIR)$(PREFIX)/bin/shopclerk"
	to="$(DESTDIR)$(PREFIX)/share/shopclerk"; for version in adapters/*/*/; do \
	  install -d "$$to/$$version"; install -m 644 "$$version"* "$$to/$$version"; \
	done

model: build ## Fetch the default model (once)
	@mkdir -p "$(SHOPCLERK_MODELS)"
	@tmp=$$(mktemp -d) && ln -s "$(SHOPCLERK_MODELS)" "$$tmp/models" && "$(BIN)" --data "$$tmp" model pull && rm -r "$$tmp"

lint: pages licences ## Formatting, clippy, licences
	cargo fmt --check
	cargo clippy --locked --no-default-features --all-targets -- -D warnings

# Licences, bans and sources come from the lock file, advisories from RustSec's database on GitHub. A finding fails; what cannot be
# looked at here (exit code 1: no packages, no network) is said, and does not.
licences: ## What may be in the binary, with cargo-deny if it is there
	@if ! command -v cargo-deny >/dev/null; then \
	  echo "NOT CHECKED: licences, bans, sources, advisories (no cargo-deny; cargo install cargo-deny --locked)"; exit 0; \
	fi; \
	cargo deny --locked check bans licenses sources || { code=$$?; [ $$code = 1 ] || exit $$code; \
	  echo "NOT CHECKED: licences, bans, sources (the packages of Cargo.lock are not all here)"; }; \
	if cargo deny --locked fetch db >/dev/null 2>&1; then cargo deny --locked check advisories; \
	else echo "NOT CHECKED: advisories (their database at github.com/rustsec cannot be reached from here)"; fi

venv: ## A Python with what tests read our output with
	@[ -x "$(VENV)/bin/python" ] || python3 -m venv "$(VENV)"
	@"$(VENV)/bin/python" -c 'import openai, tensorboard' 2>/dev/null || "$(VENV)/bin/pip" install --quiet openai tensorboard setuptools

unit: build model venv ## Rust and TypeScript tests, with the real model
	SHOPCLERK_PYTHON="$${SHOPCLERK_PYTHON:-$(VENV)/bin/python}" cargo test --release --locked
	cd static && npm test --silent && npm run --silent size

openai: build model venv ## The official OpenAI client against our API
	SHOPCLERK_BIN="$(BIN)" "$(VENV)/bin/python" tests/openai_client.py

browser: build model ## A real Chromium against the real server and the real model
	cd static && SHOPCLERK_BIN="$(BIN)" npm run --silent browser

quick: ## The fast inner loop: no model
	cargo test --no-default-features

peft: build model ## Adapters to and from Python PEFT (fetches PyTorch: about 3 GB)
	@[ -x "$(PEFT_VENV)/bin/python" ] || python3 -m venv "$(PEFT_VENV)"
	@"$(PEFT_VENV)/bin/python" -c 'import torch, transformers, peft' 2>/dev/null || "$(PEFT_VENV)/bin/pip" install --quiet torch transformers peft
	"$(PEFT_VENV)/bin/python" tests/peft_reference.py "$(SHOPCLERK_MODELS)/$(MODEL)" "$(PEFT)"
	SHOPCLERK_PEFT="$(PEFT)" SHOPCLERK_PEFT_PYTHON="$(PEFT_VENV)/bin/python" cargo test --release --locked peft -- --nocapture

learn: build model ## One run over HTTP while somebody chats: DIALOGUES=file.jsonl, STEPS=4 for a short one
	$(if $(DIALOGUES),,$(error say which rows to train on: make learn DIALOGUES=dialogues.jsonl))
	SHOPCLERK_BIN="$(BIN)" python3 tests/learn.py $(if $(STEPS),--steps $(STEPS)) "$(DIALOGUES)"

soak: build model ## Crash tests, many more rounds, and 1,000 strange texts through the tools
	SHOPCLERK_SOAK=1 cargo test --release --locked store_ -- --nocapture
	SHOPCLERK_FUZZ=1000 cargo test --release --locked tools_engine -- --nocapture

bench: build model ## Figures of this machine; PYTHON with torch, transformers and peft adds their reference to tools and train
	@mkdir -p $(DATA) && { [ -e $(DATA)/models ] || ln -s "$(SHOPCLERK_MODELS)" $(DATA)/models; }
	for what in store sockets inbox chat swap; do "$(BIN)" --data $(DATA) bench $$what; done
	for what in tools train; do "$(BIN)" --data $(DATA) bench $$what $(if $(PYTHON),--python "$(PYTHON)"); done
	cd static && SHOPCLERK_BIN="$(BIN)" node ../tests/browser/bench-inbox.mjs

clean: ## Remove what was built here (the cache stays)
	rm -rf static/dist static/node_modules
