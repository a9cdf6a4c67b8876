"""The merged weights of a LoRA checkpoint answer as the model that peft wraps; see `test_lora`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("verl")

from peft import get_peft_model
from transformers import Qwen2_5_VLForConditionalGeneration as Model

from recipes.training.configuration.adapter import Adapter
from recipes.training.results.adapter_merger import AdapterError, merge_adapter
from unifer_tasks.harness.models.weights import weight_problems

DECODER = Adapter(8, 16, "all-linear", ".*visual.*")

Weights = dict[str, torch.Tensor]


def logits(model: Any) -> torch.Tensor:
    """Return what a model says to a line of text and a face of noise.

    In float64, in which two ways to compute the same differ by nothing that matters.
    """
    model = model.double()
    noise = torch.Generator().manual_seed(1)
    vision = model.config.vision_config
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    grid = torch.tensor([[1, 4, 4]])
    n_tokens = 16 // vision.spatial_merge_size**2
    image = torch.full((1, n_tokens), model.config.image_token_id)
    text = torch.arange(100, 130).unsqueeze(0)
    tokens = torch.cat([text, image, text], dim=1)
    with torch.no_grad():
        found: torch.Tensor = model(
            input_ids=tokens,
            mm_token_type_ids=(tokens == model.config.image_token_id).int(),
            pixel_values=torch.randn(16, width, generator=noise).double(),
            image_grid_thw=grid,
        ).logits
    return found


def trained(base: Path, adapter: Adapter, scale: float = 0.01) -> Any:
    """Make a stand-in for a trained model: a base with an adapter of noise."""
    noise = torch.Generator().manual_seed(2)
    model = get_peft_model(Model.from_pretrained(base, dtype=torch.float32), adapter.peft()).eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = scale * torch.randn(weight.shape, generator=noise)
    return model


def write_shards(folder: Path, base: Path, weights: Weights, adapter: Adapter) -> Path:
    """Write a checkpoint of one rank as verl does."""
    shutil.copytree(base, folder / "huggingface")
    (folder / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": 1}))
    torch.save(weights, folder / "model_world_size_1_rank_0.pt")
    meta = {"r": adapter.rank, "lora_alpha": adapter.alpha, "task_type": "CAUSAL_LM"}
    (folder / "lora_train_meta.json").write_text(json.dumps(meta))
    return folder


@pytest.mark.parametrize(
    ("adapter", "alone"),
    [
        (DECODER, False),
        (DECODER, True),
        (Adapter(4, 64, ("q_proj", "v_proj")), False),
        (Adapter(8, 8, "all-linear"), False),
        (Adapter(2, 16, r".*layers\.1\..*_proj", ("down_proj",)), False),
    ],
    ids=["decoder", "save_lora_only", "two modules, alpha 64", "vision tower too", "patterns"],
)
def test_a_merged_model_says_what_the_trained_one_says(
    adapter: Adapter, alone: bool, seeing_model: Path, tmp_path: Path
) -> None:
    model = trained(seeing_model, adapter)
    weights = {n: t for n, t in model.state_dict().items() if not alone or ".lora_" in n}
    shards = write_shards(tmp_path / "actor", seeing_model, weights, adapter)
    out = tmp_path / "merged"
    assert merge_adapter(shards, out, adapter, str(seeing_model)) > 0
    assert list(weight_problems(out)) == []
    merged = Model.from_pretrained(out, dtype=torch.float32).eval()
    expected = logits(model)
    assert (logits(merged) - expected).abs().max() < 1e-5
    base = Model.from_pretrained(seeing_model, dtype=torch.float32).eval()
    assert (logits(base) - expected).abs().max() > 1e-3
    for name in ("tokenizer.json", "processor_config.json", "generation_config.json"):
        assert (out / name).read_bytes() == (seeing_model / name).read_bytes()
    assert not (out / "lora_adapter").exists()


OTHERS = {
    "another rank": (Adapter(4, 16, "all-linear", ".*visual.*"), "rank 4"),
    "another alpha": (Adapter(8, 32, "all-linear", ".*visual.*"), "lora_alpha 16"),
    "other modules": (Adapter(8, 16, "all-linear"), "visual"),
    "fewer modules": (Adapter(8, 16, ("q_proj",)), "proj.lora_"),
}


@pytest.mark.parametrize(("recorded", "message"), OTHERS.values(), ids=OTHERS)
def test_an_adapter_that_the_run_did_not_record_is_refused(
    recorded: Adapter, message: str, seeing_model: Path, tmp_path: Path
) -> None:
    weights = trained(seeing_model, DECODER).state_dict()
    shards = write_shards(tmp_path / "actor", seeing_model, weights, DECODER)
    with pytest.raises(AdapterError, match=f"not of the adapter.*{message}"):
        merge_adapter(shards, tmp_path / "merged", recorded, str(seeing_model))


def test_an_adapter_that_learned_nothing_is_refused(seeing_model: Path, tmp_path: Path) -> None:
    weights = trained(seeing_model, DECODER, scale=0).state_dict()
    shards = write_shards(tmp_path / "actor", seeing_model, weights, DECODER)
    with pytest.raises(AdapterError, match="changes no weight"):
        merge_adapter(shards, tmp_path / "merged", DECODER, str(seeing_model))


def test_weights_of_the_base_that_are_missing_are_named(seeing_model: Path, tmp_path: Path) -> None:
    weights = trained(seeing_model, DECODER).state_dict()
    del weights["base_model.model.model.visual.merger.ln_q.weight"]
    shards = write_shards(tmp_path / "actor", seeing_model, weights, DECODER)
    with pytest.raises(AdapterError, match=r"visual.merger.ln_q.weight"):
        merge_adapter(shards, tmp_path / "merged", DECODER, str(seeing_model))
