"""Numbers that follow other settings: wherever these are given, and in verl's own process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("verl")

import yaml

from recipes.training.configuration.compose import read_settings
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.registry import copy_file
from recipes.training.configuration.settings import ConfigurationError
from tests.conftest import run_command

RUN = "trainer.default_local_dir=/tmp/run"
CONTEXT = "actor_rollout_ref.rollout.max_model_len"
MINI = "actor_rollout_ref.actor.ppo_mini_batch_size"
BUFFER = "reward.reward_kwargs.overlong_buffer_cfg.len"
LENGTH = "reward.reward_kwargs.max_resp_len"
SHORT = ["data.max_prompt_length=300", "data.max_response_length=512"]


@pytest.mark.parametrize(
    ("config", "overrides", "values"),
    [
        ("7b", [], {CONTEXT: 2048, MINI: 32}),
        ("7b", SHORT, {CONTEXT: 812}),
        ("7b", [*SHORT, f"{CONTEXT}=4096"], {CONTEXT: 4096}),
        ("7b", [f"{CONTEXT}=${{unifer.sum:${{data.max_prompt_length}},8}}"], {CONTEXT: 1032}),
        ("7b", ["algorithm=dapo"], {BUFFER: 205, LENGTH: 1024, MINI: 8}),
        ("7b", ["algorithm=cispo", *SHORT], {BUFFER: 102, LENGTH: 512, MINI: 8}),
        ("7b", ["algorithm=dapo", "data.max_response_length=4096"], {BUFFER: 819, CONTEXT: 5120}),
        ("7b", ["algorithm=dapo", "data.max_response_length=1"], {BUFFER: 1, CONTEXT: 1025}),
        ("7b", ["algorithm=dapo", f"{BUFFER}=99", *SHORT], {BUFFER: 99}),
        ("7b", ["algorithm=gspo", "data.train_batch_size=512"], {MINI: 128}),
        ("7b", ["algorithm=sapo", "data.train_batch_size=2"], {MINI: 1}),
        ("7b", ["data.train_batch_size=128"], {MINI: 128}),
        ("tiny", ["algorithm=dapo"], {BUFFER: 13, LENGTH: 64, CONTEXT: 192, MINI: 4}),
    ],
)
def test_what_verl_reads(config: str, overrides: list[str], values: dict[str, int]) -> None:
    settings = read_settings("grpo", config, [RUN, *overrides])
    assert {key: value_at(settings.verl, key) for key in values} == values


def test_verl_computes_them_without_unifer_train(tmp_path: Path) -> None:
    """Of a copy, as the README says."""
    copy_file("grpo_7b", tmp_path / "mine.yaml")
    words = [
        sys.executable, "-m", "verl.trainer.main_ppo", "--config-path", tmp_path,
        "--config-name", "mine",
        "hydra.searchpath=[pkg://verl.trainer.config,pkg://recipes.qwen2_5_vl]",
        RUN, "algorithm=dapo", *SHORT, "--cfg", "job", "--resolve",
    ]  # fmt: skip
    composed = yaml.safe_load(run_command(words, cwd=tmp_path).stdout)
    expected = {CONTEXT: 812, MINI: 8, BUFFER: 102, LENGTH: 512}
    assert {key: value_at(composed, key) for key in expected} == expected


@pytest.mark.parametrize("value", ["many", "null", "1.5", "true"])
def test_a_file_whose_number_cannot_be_followed(value: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"defaults: [grpo_7b, _self_]\ndata:\n  max_response_length: {value}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_settings("grpo", str(file), [RUN])
    (problem,) = caught.value.problems
    assert problem.startswith(f"{file}: {CONTEXT} follows other settings, and of their values ")
    assert problem.endswith(" is not a whole number")
