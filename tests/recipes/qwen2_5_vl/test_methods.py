"""Methods, offload levels and response formats by name, and the configurations for one GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

from recipes.training.checks.preflight import preflight
from recipes.training.configuration.compose import compose, read_settings
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.registry import CHOICES, find_configuration
from recipes.training.configuration.settings import STAGES, Stage
from unifer_rewards.presets import make_reward
from unifer_tasks.protocol.answers.formats import FORMATS

RECIPES = REPOSITORY / "recipes" / "qwen2_5_vl"
MODEL = {"sft": "model", "grpo": "actor_rollout_ref.model"}
ENGINE = {"sft": "engine", "grpo": "actor_rollout_ref.actor.fsdp_config"}
RATE = {"sft": "optim.lr", "grpo": "actor_rollout_ref.actor.optim.lr"}

METHODS: dict[str, tuple[int, str | None, int]] = {
    # rank, what the workers import, the rate as a multiple of that of all weights
    "full": (0, None, 1),
    "lora": (32, None, 10),
    "frozen_vision": (0, "recipes.qwen2_5_vl.frozen_vision", 1),
}
OFFLOADS = {
    # optimizer, weights, everything, activations
    "none": (False, False, False, False),
    "optimizer": (True, False, False, False),
    "params": (True, True, False, False),
    "activations": (True, True, False, True),
    "host": (False, False, True, False),
}
OF_SFT = {**OFFLOADS, "activations": (False, False, False, True)}


def composed(stage: Stage, size: str, *overrides: str) -> dict[str, Any]:
    return compose(find_configuration(stage, size), overrides)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method(stage: Stage, method: str) -> None:
    config = composed(stage, "7b", f"method={method}")
    model = value_at(config, MODEL[stage])
    rank, module, times = METHODS[method]
    assert (model["lora_rank"], model["external_lib"]) == (rank, module)
    assert model["exclude_modules"] == ".*visual.*"
    if stage == "grpo":
        # vLLM has the base of an adapter from its files, as verl's documentation asks.
        loads = config["actor_rollout_ref"]["rollout"]["load_format"]
        assert loads == ("safetensors" if method == "lora" else "dummy")
    base = value_at(composed(stage, "7b"), RATE[stage])
    assert value_at(config, RATE[stage]) == pytest.approx(times * base)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("offload", OFFLOADS)
def test_an_offload_level(stage: Stage, offload: str) -> None:
    if stage == "sft" and offload in {"optimizer", "params"}:
        return  # SFT does nothing in which its state could wait.
    # The 32B configurations have levels of their own, which the name takes the place of.
    config = composed(stage, "32b", f"offload={offload}")
    engine, model = value_at(config, ENGINE[stage]), value_at(config, MODEL[stage])
    names = ("optimizer_offload", "param_offload", "offload_policy")
    found = (*(engine[name] for name in names), model["enable_activation_offload"])
    assert found == (OFFLOADS if stage == "grpo" else OF_SFT)[offload]


@pytest.mark.parametrize("key", FORMATS)
def test_a_recipe_pays_for_the_format_of_its_name(key: str) -> None:
    config = composed("grpo", "7b", f"format={key}")
    options = config["reward"]["custom_reward_function"]["reward_kwargs"]
    assert make_reward(**options).response_format == key
    (choice,) = (choice for choice in CHOICES if choice.name == "format")
    assert [file.name for file in choice.files] == sorted(FORMATS)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("size", ["3b_lora_1x24gb", "7b_lora_1x80gb", "3b_1x80gb"])
def test_one_gpu(stage: Stage, size: str) -> None:
    config = composed(stage, size)
    assert (config["trainer"]["n_gpus_per_node"], config["trainer"]["nnodes"]) == (1, 1)
    assert (value_at(config, f"{MODEL[stage]}.lora_rank") > 0) == ("lora" in size)
    if stage == "grpo":
        group = config["actor_rollout_ref"]
        tokens = group["actor"]["ppo_max_token_len_per_gpu"]
        for part in ("rollout", "ref"):
            assert group[part]["log_prob_max_token_len_per_gpu"] == tokens
        assert tokens >= group["rollout"]["max_model_len"]
        assert config["data"]["train_batch_size"] * group["rollout"]["n"] == 256
    else:
        assert config["data"]["max_token_len_per_gpu"] >= config["data"]["max_length"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("size", ["3b_lora_1x24gb", "7b_lora_1x80gb", "3b_1x80gb"])
def test_a_configuration_of_one_gpu_passes_the_checks(
    stage: Stage, size: str, drawn_rows: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    kind, model = {"sft": "cot", "grpo": "rlvr"}[stage], MODEL[stage]
    # A batch of each part, of rows that are there once.
    train, valid = (
        [str(drawn_rows / kind / f"{part}-00000.parquet")] * times
        for part, times in (("train", 3), ("valid", 4))
    )
    given = [
        f"data.train_files={train}", f"data.val_files={valid}", f"{model}.path={tiny_model}",
        f"{model}.use_remove_padding=false",
        f"+{model}.override_config.attn_implementation=sdpa",
    ]  # fmt: skip
    assert sum(preflight(read_settings(stage, size, given)).values()) == 12 + 4
