# The two commands are `make demo` and `make test`. `make quick` runs the tests that take under two minutes together;
# `make check` is what CI runs besides the tests.
PYTHON ?= python3
# Python keeps what it compiles: otherwise every program of the tests would compile gradio and torch again.
export PYTHONDONTWRITEBYTECODE :=
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL ?= $(BIN)/python -m pip install
WORKERS ?= 2
# A worker that crashes ends the run: pytest-xdist 3.8 would wait for its replacement for ever.
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.PHONY: demo test quick check soak space format screenshots constraints audit sbom

demo: $(VENV)/demo-ready
	$(BIN)/python -m demo

test: $(VENV)/test-ready
	$(PYTEST)

quick: $(VENV)/test-ready
	$(PYTEST) -m "not slow and not browser"

check: $(VENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Decodes 20,000 mutated photos, sends 5,000 mutated calls, and lets 50 clients use a page for 10 minutes, and says what
# became of them; then the tests that take longest, whole.
soak: $(VENV)/test-ready
	$(BIN)/python -m tests.soak
	$(BIN)/python -m tests.mutated_calls
	$(BIN)/python -m tests.clients
	SOAK=1 $(PYTEST) tests/test_hostile_photos.py tests/test_no_photo_left.py tests/test_archive.py tests/test_cluster.py \
		tests/bench/test_bench.py tests/export/test_command.py tests/export/test_layers.py tests/demo/service/test_models.py \
		tests/test_read_only.py tests/test_without_network.py tests/camcore/test_interrupts.py \
		tests/camcore/study/inputs/test_sources.py tests/camcore/methods/test_parity_of_tokens.py

# Builds what a Hugging Face Space would, in .venv-space, starts it and measures it.
space: $(VENV)/test-ready
	$(BIN)/python -m tests.space

screenshots: $(VENV)/test-ready
	$(BIN)/python -m tests.browser.screenshots

format: $(VENV)/test-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes constraints.txt from what is installed.
constraints: $(VENV)/test-ready
	{ head -n 1 constraints.txt; $(BIN)/python -m tests.supply constraints; } > $(VENV)/constraints.txt
	cp $(VENV)/constraints.txt constraints.txt

# Known vulnerabilities, where the service that knows them can be reached, and licences.
audit: $(VENV)/test-ready $(VENV)-tools/ready
	.ci/audit $(VENV)-tools/bin/pip-audit
	$(BIN)/python -m tests.supply licences

# A bill of materials of what is installed.
sbom: $(VENV)/test-ready $(VENV)-tools/ready
	$(VENV)-tools/bin/cyclonedx-py environment $(BIN)/python --output-format JSON --output-file sbom.json

$(VENV)-tools/ready:
	$(PYTHON) -m venv $(VENV)-tools
	$(VENV)-tools/bin/python -m pip install "pip-audit>=2.9,<3" "cyclonedx-bom>=7,<8"
	touch $@

$(VENV)/demo-ready: requirements.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/test-ready: $(VENV)/demo-ready requirements-test.txt
	$(INSTALL) -r requirements.txt -r requirements-test.txt -c constraints.txt
	touch $@
