"""A run's LoRA settings: what verl would misread is refused before it starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.training.checks.adapters import adapter_problems, module_problems
from recipes.training.configuration.adapter import Adapter
from recipes.training.configuration.compose import read_settings
from recipes.training.configuration.settings import STAGES, Settings, Stage

PREFIX = {"sft": "model", "grpo": "actor_rollout_ref.model"}


def run(stage: Stage, path: Path, *settings: str) -> Settings:
    given = [f"{PREFIX[stage]}.{setting}" for setting in (f"path={path}", *settings)]
    return read_settings(stage, "tiny", given)


def problems(found: Settings) -> list[str]:
    return [*adapter_problems(found), *module_problems(found)]


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
    found = run(stage, seeing_model, *settings)
    assert found.model.adapter == expected
    assert list(problems(found)) == []


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
    (problem,) = problems(run(stage, seeing_model, *settings))
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
    assert list(problems(run("sft", seeing_model, *given))) == []
    (problem,) = problems(run("grpo", seeing_model, *given))
    assert_matches("such as model.visual.*vLLM ignores.*exclude_modules='.*visual.*'", problem)
    # Merged weights are all that vLLM is given then.
    merging = run("grpo", seeing_model, *given, "lora.merge=true")
    assert list(problems(merging)) == []


def test_a_rank_that_vllm_does_not_serve_is_refused(seeing_model: Path) -> None:
    given = run("grpo", seeing_model, "lora_rank=1024")
    (problem,) = problems(given)
    assert_matches("lora_rank=1024 is more than vLLM serves; give 512", problem)


SUMMON = "actor_rollout_ref.rollout.layered_summon=true"


@pytest.mark.parametrize(
    ("settings", "is_refused"),
    [
        (["lora_rank=8"], True),
        (["lora_rank=8", "lora.merge=true"], False),
        ([], False),
    ],
)
def test_an_adapter_is_gathered_alone_only_where_vllm_has_the_base(
    settings: list[str], is_refused: bool, seeing_model: Path
) -> None:
    given = [f"{PREFIX['grpo']}.{setting}" for setting in (f"path={seeing_model}", *settings)]
    found = list(problems(read_settings("grpo", "tiny", [*given, SUMMON])))
    assert len(found) == is_refused
    if is_refused:
        assert_matches("load_format=dummy.*load_format=safetensors too", found[0])
        loaded = "actor_rollout_ref.rollout.load_format=safetensors"
        assert not [*problems(read_settings("grpo", "tiny", [*given, SUMMON, loaded]))]


def assert_matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text
