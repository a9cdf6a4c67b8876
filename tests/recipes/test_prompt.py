"""A training prompt is a benchmark question: the same tokens, the same pixels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")


COMPARE = """
import asyncio, sys
from pathlib import Path
import pyarrow.parquet as pq, torch
from PIL import Image
from omegaconf import OmegaConf
from transformers import AutoProcessor
from verl.utils.dataset.rl_dataset import RLHFDataset
from recipes.training.configuration.compose import compose
from unifer_tasks.ferbench import utils

rows, model = sys.argv[1:]
processor = AutoProcessor.from_pretrained(model)
config = OmegaConf.create(compose(Path("recipes/tiny_cpu/grpo_tiny.yaml"), []))
dataset = RLHFDataset(rows, processor.tokenizer, config.data, processor)
table = pq.read_table(rows).to_pylist()
assert len(dataset) == len(table)

def inputs(messages, images):
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return processor(text=[text], images=images, return_tensors="pt")

for row, item in zip(table, dataset, strict=True):
    messages = item["raw_prompt"]
    images, _ = asyncio.run(RLHFDataset.process_vision_info(messages, 14, config.data))
    trained = inputs(messages, images)
    doc = {
        "image": Image.open(row["images"][0]["image"]),
        "candidate_labels": row["extra_info"]["candidate_labels"],
    }
    content = [{"type": "image"}, {"type": "text", "text": utils.doc_to_text(doc)}]
    asked = inputs([{"role": "user", "content": content}], utils.doc_to_visual(doc))
    assert torch.equal(trained.input_ids, asked.input_ids)
    assert torch.equal(trained.pixel_values, asked.pixel_values)
print("equal", len(table))
"""


def test_verl_asks_what_lmms_eval_asks(
    drawn_rows: Path,
    tiny_model: Path,
) -> None:
    platform = {
        "VERL_PLATFORM": "cpu",
        "VERL_USE_EXTERNAL_MODULES": "recipes.tiny_cpu.cpu_platform",
    }
    env = {**os.environ, **platform, "PYTHONPATH": str(REPOSITORY)}
    rows = drawn_rows / "rlvr" / "train-00000.parquet"
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, str(rows), str(tiny_model)],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["equal 12"], done.stderr[-3000:]
