"""A folder whose weights do not cover the model's parameters is told from one whose do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from unifer_tasks.harness.models.weights import WeightsError, loading_problems, weight_problems

Weights = dict[str, torch.Tensor]

SINGLE = "model.safetensors"


@pytest.fixture
def checkpoint(seeing_model: Path, tmp_path: Path) -> Path:
    """Copy a trained checkpoint in the hub's layout: `visual.*`, `model.layers.*`, tied head."""
    return shutil.copytree(seeing_model, tmp_path / "checkpoint")


def rewrite(folder: Path, change: Callable[[Weights], Weights]) -> None:
    save_file(change(load_file(folder / SINGLE)), folder / SINGLE, {"format": "pt"})


def edit_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def shard(folder: Path) -> None:
    """Split the weights over two files with an index."""
    weights = load_file(folder / SINGLE)
    names = sorted(weights)
    files = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in files.items():
        save_file({name: weights[name] for name in held}, folder / file, {"format": "pt"})
    index = {"weight_map": {name: file for file, held in files.items() for name in held}}
    (folder / f"{SINGLE}.index.json").write_text(json.dumps(index))
    (folder / SINGLE).unlink()


def lose_a_shard(folder: Path) -> None:
    shard(folder)
    (folder / "b.safetensors").unlink()


def to_torch(folder: Path) -> None:
    torch.save(load_file(folder / SINGLE), folder / "pytorch_model.bin")
    (folder / SINGLE).unlink()


def new_name(name: str) -> str:
    """Return the name by which transformers 5 holds a weight."""
    if name.startswith("visual."):
        return f"model.{name}"
    return name.replace("model.", "model.language_model.", 1)


def to_peft(name: str) -> str:
    """Return the name by which a LoRA run of verl saves a weight."""
    base = f"base_model.model.{new_name(name)}"
    return base.replace("q_proj.weight", "q_proj.base_layer.weight")


def untie(folder: Path) -> None:
    edit_config(folder, tie_word_embeddings=False)
    config = json.loads((folder / "config.json").read_text())
    edit_config(folder, text_config={**config["text_config"], "tie_word_embeddings": False})


def with_head(weights: Weights) -> Weights:
    return {**weights, "lm_head.weight": weights["model.embed_tokens.weight"].clone()}


def untied_with_head(folder: Path) -> None:
    untie(folder)
    rewrite(folder, with_head)


WHOLE: dict[str, Callable[[Path], None]] = {
    "the hub's names": lambda folder: None,
    "the names of transformers 5": lambda folder: rewrite(
        folder, lambda weights: {new_name(name): tensor for name, tensor in weights.items()}
    ),
    "shards": shard,
    "pytorch_model.bin": to_torch,
    "a tied head that is there all the same": lambda folder: rewrite(folder, with_head),
    "a head of its own": untied_with_head,
    "a precision of its own": lambda folder: rewrite(
        folder, lambda weights: {name: tensor.float() for name, tensor in weights.items()}
    ),
}


@pytest.mark.parametrize("change", WHOLE.values(), ids=WHOLE)
def test_a_whole_model_has_no_problems(checkpoint: Path, change: Callable[[Path], None]) -> None:
    change(checkpoint)
    assert list(weight_problems(checkpoint)) == []


def without(*parts: str) -> Callable[[Path], None]:
    def change(weights: Weights) -> Weights:
        return {n: t for n, t in weights.items() if not any(part in n for part in parts)}

    return lambda folder: rewrite(folder, change)


def adapter_only(folder: Path) -> None:
    (folder / SINGLE).rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")


def pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1500000\n"
    (folder / SINGLE).write_text(text)


def index_pointer(folder: Path) -> None:
    pointer(folder)
    (folder / SINGLE).rename(folder / f"{SINGLE}.index.json")


def cut_off(folder: Path) -> None:
    data = (folder / SINGLE).read_bytes()
    (folder / SINGLE).write_bytes(data[: len(data) // 2])


def narrower(weights: Weights) -> Weights:
    return {**weights, "model.norm.weight": weights["model.norm.weight"][:64].clone()}


def with_leftover(weights: Weights) -> Weights:
    return {**weights, "model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(8, 128)}


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "LoRA run of verl": (
        lambda folder: rewrite(
            folder, lambda weights: {to_peft(name): tensor for name, tensor in weights.items()}
        ),
        "LoRA adapter that was not merged.*merge it first: unifer-train merge",
    ),
    "whole weights and an adapter among them": (
        lambda folder: rewrite(folder, with_leftover),
        "not merged.*q_proj.lora_A.weight",
    ),
    "adapter alone": (adapter_only, r"is a LoRA adapter \(adapter_config.json\)"),
    "whole weights beside an adapter's config": (
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        r"is a LoRA adapter \(adapter_config.json\)",
    ),
    "no vision tower": (without("visual."), "no weights for model.visual.*random"),
    "no layer": (without("layers.1."), r"model.language_model.layers.1.*and 9 more"),
    "no embedding": (without("embed_tokens"), "embed_tokens"),
    "no head, untied": (untie, "lm_head.weight"),
    "another prefix": (
        lambda folder: rewrite(
            folder, lambda weights: {f"module.{name}": t for name, t in weights.items()}
        ),
        "no weights for .*module.model.embed_tokens.weight.*the model lacks",
    ),
    "another shape": (
        lambda folder: rewrite(folder, narrower),
        r"model.language_model.norm.weight in shape \(64,\).*\(128,\)",
    ),
    "deeper config": (
        lambda folder: edit_config(
            folder,
            vision_config={
                **json.loads((folder / "config.json").read_text())["vision_config"], "depth": 5,
            },
        ),
        "model.visual.blocks.4",
    ),
    "Git-LFS pointer": (pointer, "Git-LFS pointer.*git lfs pull"),
    "Git-LFS pointer in the index's place": (index_pointer, "Git-LFS pointer"),
    "cut off": (cut_off, "may be cut off"),
    "empty file": (lambda folder: (folder / SINGLE).write_bytes(b""), "cut off"),
    "a shard is missing": (lose_a_shard, r"names b.safetensors, not in"),
    "an index that is none": (
        lambda folder: (folder / SINGLE).rename(folder / f"{SINGLE}.index.json"),
        "index.json cannot be read",
    ),
    "no weights": (lambda folder: (folder / SINGLE).unlink(), "holds no weights"),
    "an unknown type": (
        lambda folder: edit_config(folder, model_type="no_such_model"), "no_such_model"
    ),
    "no generating model": (
        lambda folder: (folder / "config.json").write_text('{"model_type": "vit"}'),
        "does not generate text",
    ),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read"),
    "a config that is none": (
        lambda folder: (folder / "config.json").write_text("{"),
        "config.json cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_problem_is_one_sentence_with_a_remedy(
    checkpoint: Path, change: Callable[[Path], None], message: str
) -> None:
    change(checkpoint)
    (problem,) = weight_problems(checkpoint)
    assert re.search(message, problem), problem
    assert "\n" not in problem
    assert str(checkpoint) in problem


def test_the_remedy_names_the_runs_checkpoint(seeing_model: Path, tmp_path: Path) -> None:
    step = tmp_path / "run" / "global_step_7"
    folder = shutil.copytree(seeing_model, step / "actor" / "huggingface")
    adapter_only(folder)
    (problem,) = weight_problems(folder)
    assert problem.endswith(f"unifer-train merge {step} OUT")


@pytest.mark.parametrize(
    ("change", "message"),
    [BROKEN["LoRA run of verl"], BROKEN["no layer"], BROKEN["another shape"]],
    ids=["LoRA run of verl", "no layer", "another shape"],
)
def test_the_model_unifer_refuses_what_is_not_whole(
    checkpoint: Path, change: Callable[[Path], None], message: str
) -> None:
    pytest.importorskip("lmms_eval")
    from unifer_tasks.harness.models.unifer import UniFER

    change(checkpoint)
    with pytest.raises(WeightsError, match=message):
        UniFER(pretrained=str(checkpoint), device="cpu")


def test_what_a_loader_met_is_reported_for_a_hub_id_too() -> None:
    info = {"missing_keys": {"a", "b"}, "unexpected_keys": {"c"}, "mismatched_keys": set()}
    (problem,) = loading_problems("org/model", info)
    assert problem.startswith("org/model holds no weights for a, b, but c, which the model lacks")
    adapter = {**info, "unexpected_keys": {"base_model.model.a"}}
    (problem,) = loading_problems("org/model", adapter)
    assert "was not merged" in problem
