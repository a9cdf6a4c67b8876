"""A training prompt is a benchmark question: the same tokens, the same pixels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

from data_prep.cli.main import main as unifer_data
from unifer_tasks.protocol.answers.formats import FORMATS

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
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS

model, *given = sys.argv[1:]
processor = AutoProcessor.from_pretrained(model)
config = OmegaConf.create(compose(Path("recipes/tiny_cpu/grpo_tiny.yaml"), []))

def inputs(messages, images):
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return processor(text=[text], images=images, return_tensors="pt")

for key, rows in zip(given[::2], given[1::2], strict=True):
    variant = VARIANTS.get(key, BASE)
    dataset = RLHFDataset(rows, processor.tokenizer, config.data, processor)
    table = pq.read_table(rows).to_pylist()
    assert len(dataset) == len(table)
    for row, item in zip(table, dataset, strict=True):
        messages = item["raw_prompt"]
        images, _ = asyncio.run(RLHFDataset.process_vision_info(messages, 14, config.data))
        trained = inputs(messages, images)
        doc = {
            "image": Image.open(row["images"][0]["image"]),
            "candidate_labels": row["extra_info"]["candidate_labels"],
        }
        text = utils.doc_to_text(doc, variant=variant)
        content = [{"type": "image"}, {"type": "text", "text": text}]
        visual = utils.doc_to_visual(doc, variant=variant)
        asked = inputs([{"role": "user", "content": content}], visual)
        assert torch.equal(trained.input_ids, asked.input_ids)
        assert torch.equal(trained.pixel_values, asked.pixel_values)
    print(key, "equal", len(table))
"""


def test_verl_asks_what_lmms_eval_asks(drawn_rows: Path, tiny_model: Path, tmp_path: Path) -> None:
    """In every response format: what is trained on is what its variant asks."""
    platform = {
        "VERL_PLATFORM": "cpu",
        "VERL_USE_EXTERNAL_MODULES": "recipes.tiny_cpu.cpu_platform",
    }
    env = {**os.environ, **platform, "PYTHONPATH": str(REPOSITORY)}
    given = []
    for key in FORMATS:
        out = tmp_path / key
        options = ["--format", key, "--out", str(out)]
        assert unifer_data(["reformat", str(drawn_rows / "rlvr"), *options]) == 0
        given += [key, str(out / "train-00000.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, str(tiny_model), *given],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
    )
    expected = [f"{key} equal 12" for key in FORMATS]
    found = [line for line in done.stdout.splitlines() if " equal " in line]
    assert found == expected, done.stderr[-3000:]
