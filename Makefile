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

.PHONY: demo test quick check soak space format screenshots

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
		tests/test_read_only.py tests/test_without_network.py \
		tests/camcore/study/inputs/test_sources.py tests/camcore/methods/test_parity_of_tokens.py

# Builds what a Hugging Face Space would, in .venv-space, starts it and measures it.
space: $(VENV)/test-ready
	$(BIN)/python -m tests.space

screenshots: $(VENV)/test-ready
	$(BIN)/python -m tests.browser.screenshots

format: $(VENV)/test-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/demo-ready: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements.txt
	touch $@

$(VENV)/test-ready: $(VENV)/demo-ready requirements-test.txt
	$(INSTALL) -r requirements.txt -r requirements-test.txt
	touch $@
