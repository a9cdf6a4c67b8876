"""A run's LoRA settings: what verl would misread is refused before it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

from recipes.training.checks.adapters import Adapter, adapter_of, adapter_problems
from recipes.training.checks.preflight import Config, model_config
from recipes.training.launch.launcher import compose

Stage = Literal["sft", "grpo"]

PREFIX = {"sft": "model", "grpo": "actor_rollout_ref.model"}
STAGES: tuple[Stage, ...] = ("sft", "grpo")


def model(stage: Stage, path: Path, *settings: str) -> Config:
    config = REPOSITORY / "recipes" / "tiny_cpu" / f"{stage}_tiny.yaml"
    given = [f"path={path}", *settings]
    return model_config(stage, compose(config, [f"{PREFIX[stage]}.{s}" for s in given]))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], None),
        (["lora_rank=32"], Adapter(32, 16, "all-linear", ".*visual.*")),
        (
            ["lora_rank=8", "lora_alpha=32", "target_modules=[q_proj,v_proj]",
             "exclude_modules=null"],
            Adapter(8, 32, ("q_proj", "v_proj")),
        ),
    ],
)  # fmt: skip
def test_adapters_are_sound_and_leave_the_vision_tower_alone(
    stage: Stage, settings: list[str], expected: Adapter | None, seeing_model: Path
) -> None:
    found = model(stage, seeing_model, *settings)
    assert adapter_of(found) == expected
    assert list(adapter_problems(stage, found)) == []


BOTH = {
    "megatron's rank": (["lora.rank=8"], "lora.rank is read by verl's Megatron engine only"),
    "megatron's kind": (["lora_rank=8", "lora.type=dora"], "lora.type is read by .*Megatron"),
    "another adapter": (["lora_rank=8", "lora_adapter_path=a"], "lora_adapter_path=a.*merge it"),
    "another adapter, no rank": (["lora_adapter_path=a"], "lora_adapter_path=a.*merge it"),
    "no effect": (["lora_rank=8", "lora_alpha=0"], "lora_alpha=0 scales the adapter away"),
    "no such module": (["lora_rank=8", "target_modules=[nope]"], "finds no modules .*nope"),
    "all excluded": (["lora_rank=8", "exclude_modules='.*'"], "finds no modules .*excluded"),
    "no pattern": (["lora_rank=8", "exclude_modules='*visual'"], r"finds no modules .*\*visual"),
    "a tied head": (["lora_rank=8", "target_modules=[q_proj,lm_head]"], "adapts.* lm_head"),
    "tied embeddings": (["lora_rank=8", "target_modules=[embed_tokens]"], "adapts.* embed_tokens"),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("settings", "message"), BOTH.values(), ids=BOTH)
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings:UserWarning")
def test_what_verl_would_misread_is_refused(
    stage: Stage, settings: list[str], message: str, seeing_model: Path
) -> None:
    (problem,) = adapter_problems(stage, model(stage, seeing_model, *settings))
    assert PREFIX[stage] in problem
    assert_matches(message, problem)


VISION = {
    "all, none excluded": ["exclude_modules=null"],
    "another part excluded": ["exclude_modules=[down_proj]"],
    "the tower's own layers": ["target_modules=[qkv]", "exclude_modules=null"],
    "a pattern": ["target_modules='.*proj'", "exclude_modules=null"],
    "the connector": ["exclude_modules='.*blocks.*'"],
}


@pytest.mark.parametrize("settings", VISION.values(), ids=VISION)
def test_the_vision_tower_is_adapted_by_sft_alone(settings: list[str], seeing_model: Path) -> None:
    given = ["lora_rank=8", *settings]
    assert list(adapter_problems("sft", model("sft", seeing_model, *given))) == []
    (problem,) = adapter_problems("grpo", model("grpo", seeing_model, *given))
    assert_matches("such as model.visual.*vLLM ignores.*exclude_modules='.*visual.*'", problem)
    # Merged weights are all that vLLM is given then.
    merging = model("grpo", seeing_model, *given, "lora.merge=true")
    assert list(adapter_problems("grpo", merging)) == []


def test_a_rank_that_vllm_does_not_serve_is_refused(seeing_model: Path) -> None:
    given = model("grpo", seeing_model, "lora_rank=1024")
    (problem,) = adapter_problems("grpo", given)
    assert_matches("lora_rank=1024 is more than vLLM serves; give 512", problem)


def assert_matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text
