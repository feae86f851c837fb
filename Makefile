# Two commands do all: `make run` and `make test`. `make help` lists the rest.
PORT ?= 8000
DATA ?= .data
PYTEST ?= -n 3
SEED ?= 1
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run up-local demo cdnow test faults fuzz plans lint types kafka bench soak lock migration settings environment

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Run everything in one process, with the sandbox (PORT=8000, DATA=.data)
	@bin/environment run
	@exec $(BIN)/peyvand run --port $(PORT) --data $(DATA)

demo: ## Play the story against what `make run` or `make up-local` started (ARGS="--cdnow" feeds the CDNOW purchases)
	@bin/environment $(if $(findstring --cdnow,$(ARGS)),dev,run)
	@$(BIN)/peyvand demo --url http://127.0.0.1:$(PORT) --token-file $(DATA)/token $(ARGS)

up-local: ## Run it distributed, each process by itself, without Docker: Kafka, PostgreSQL, nginx (PORT, DATA)
	@bin/environment dev
	@exec $(BIN)/peyvand up-local --port $(PORT) --data $(DATA) $(ARGS)

test: environment ## Run the whole suite (PYTEST="-n 3 -k name" narrows it)
	@mkdir -p .build; status=0; $(BIN)/pytest $(PYTEST) || status=$$?; echo $$status > .build/test.status; exit $$status

fuzz: environment ## Try every operation of every API with a thousand examples (EXAMPLES=1000 ARGS="-k leads")
	@EXAMPLES=$(or $(EXAMPLES),1000) $(BIN)/pytest tests/fuzz -m fuzz_long -s -p no:cacheprovider $(ARGS)

plans: environment ## Ask every list at a million rows a table, and say what reads out of proportion (ROWS=1000000)
	@ROWS=$(or $(ROWS),1000000) $(BIN)/pytest tests/plans -m plans_long -s -p no:cacheprovider $(ARGS)

faults: environment ## Kill, freeze and starve deployments under load, then compare all (SEED=1 MINUTES=4 ARGS="-k kafka")
	@# A folder of its own: another run of pytest would close the usual one to the user that PostgreSQL runs as.
	@SEED=$(SEED) MINUTES=$(or $(MINUTES),4) $(BIN)/pytest tests -m faults_long -s -p no:cacheprovider \
		--basetemp=/tmp/peyvand-faults $(ARGS)

lint: environment ## Check style and who imports whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-cache

types: environment ## Check types
	@$(BIN)/mypy .

bench: environment ## Measure against yardsticks, at most 15 minutes (ONLY="relay purchases" narrows)
	@$(BIN)/python -m tests.benchmarks $(ONLY)

soak: environment ## Load for MINUTES=10 at half of the highest rate, and say whether anything grows
	@$(BIN)/python -m tests.benchmarks soak --minutes $(or $(MINUTES),10)

kafka: environment ## Run a Kafka broker without Docker, until Ctrl-C
	@exec $(BIN)/peyvand kafka --data $(DATA)

lock: ## Resolve the packages anew and write the locks
	@bin/lock

migration: environment ## Write a migration from the models: service=leads message="add a column"
	@$(BIN)/peyvand migration $(service) "$(message)"

settings: environment ## Write docs/settings.md from the code
	@$(BIN)/peyvand settings

environment:
	@bin/environment dev
