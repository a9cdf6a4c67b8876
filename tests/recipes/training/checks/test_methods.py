"""A frozen vision tower and offloaded activations: what verl would train otherwise is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.training.checks.methods import FROZEN_VISION, method_problems
from recipes.training.configuration.compose import read_settings
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.settings import STAGES, Stage

MODEL = {"sft": "model", "grpo": "actor_rollout_ref.model"}
STRATEGY = {"sft": "engine.strategy=fsdp", "grpo": "actor_rollout_ref.actor.strategy=fsdp"}


def problems(stage: Stage, model: Path, *overrides: str) -> list[str]:
    given = [f"{MODEL[stage]}.path={model}", "trainer.default_local_dir=/run", *overrides]
    return list(method_problems(read_settings(stage, "tiny", given)))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ()),
        (["method=frozen_vision", "offload=host"], ()),
        (["method=lora", "offload=host"], ()),
        (["offload=activations"], ("without gradient checkpointing",)),
        (["offload=activations", "checkpoint"], ()),
        (["offload=activations", "checkpoint", "method=lora"], ("loses count of the layers",)),
        (
            ["offload=activations", "method=frozen_vision"],
            ("without gradient checkpointing", "loses count of the layers"),
        ),
        (["method=frozen_vision", "fsdp1"], ("frozen and trained weights into one",)),
        (["method=lora", "fsdp1"], ()),
    ],
)
def test_methods_and_offloads(
    stage: Stage, overrides: list[str], expected: tuple[str, ...], seeing_model: Path
) -> None:
    names = {
        "checkpoint": f"{MODEL[stage]}.enable_gradient_checkpointing=true",
        "fsdp1": STRATEGY[stage],
    }
    found = problems(stage, seeing_model, *(names.get(each, each) for each in overrides))
    assert len(found) == len(expected)
    assert all(text in problem for text, problem in zip(expected, found, strict=True))


def test_another_models_vision_tower_is_not_frozen(seeing_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(seeing_model, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "model_type": "qwen3_vl"}))
    (problem,) = problems("sft", model, "method=frozen_vision")
    assert f"{model} is a qwen3_vl; give method=lora" in problem


@pytest.mark.parametrize("stage", STAGES)
def test_the_method_names_the_module_that_freezes(stage: Stage) -> None:
    settings = read_settings(
        stage, "7b", ["trainer.default_local_dir=/run", "method=frozen_vision"]
    )
    assert value_at(settings.verl, f"{MODEL[stage]}.external_lib") == FROZEN_VISION
