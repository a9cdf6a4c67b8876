# Everything goes into .venv; a change of the constraints or of pyproject.toml renews it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUT ?= out/demo

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v not in {(3, 11), (3, 12)} \
		and f"UniFER needs Python 3.11 or 3.12, {sys.executable} is {v[0]}.{v[1]}; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[eval,report,teacher,dev]'
	touch $@

# The real lmms-eval, all four datasets, on drawn faces and an untrained model: no download.
demo: $(INSTALLED)
	$(BIN)/ferbench tiny-model $(OUT)/model
	$(BIN)/unifer-data drawn --out $(OUT)/data --per-class 4
	FERBENCH_DATA=$(OUT)/data HF_HUB_OFFLINE=1 $(BIN)/ferbench lmms-eval --model unifer \
		--model_args pretrained=$(OUT)/model,device=cpu --batch_size 32 --tasks ferbench \
		--output_path $(OUT)/results --log_samples
	@echo
	@echo "Every question, response and reading: $(OUT)/results"
	@echo "The model is untrained and the faces are drawn: the pipeline is what you saw, no result."

test: $(INSTALLED) lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) out build dist *.egg-info
