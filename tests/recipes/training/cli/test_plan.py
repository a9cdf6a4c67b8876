"""`unifer-train plan`: two ways to name a configuration, text or JSON, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytest.importorskip("verl")

from recipes.training.cli.main import main
from tests.recipes.training.cli.refusals import check_refusal

ROWS = ["--rows", "1000"]
ROLLOUT = "actor_rollout_ref.rollout"


def test_the_plan_is_for_people_or_programs(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["plan", "grpo", "7b", "trainer.n_gpus_per_node=8", *ROWS]
    assert main(given) == 0
    text = capsys.readouterr().out
    assert "31 of 256 sequences" in text
    assert "memory of a GPU, GiB" in text
    assert "(assumed)" in text
    assert "dynamic sampling" not in text
    assert main(["plan", "grpo", "--json", "--config", "7b", *given[3:]]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["steps"], found["problems"]) == (31, [])
    assert found["gpu"]["update"]["weights"] == 4 * found["parameters"] // 8
    assert main([*given, "algorithm=dapo", "--sampled", "4.5"]) == 0
    assert "4.5 prompts sampled for one that is trained on" in capsys.readouterr().out


def test_what_does_not_fit_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "sft", "7b", "--json", *ROWS]) == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)["problems"]) == 1
    assert "give offload=host" in said.err


def test_rows_and_tokens_are_counted_where_they_are_at_hand(
    drawn_rows: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = drawn_rows / "rlvr" / "train-00000.parquet"
    given = [f"data.train_files={file}", f"actor_rollout_ref.model.path={tiny_model}"]
    assert main(["plan", "grpo", "tiny", "--json", "data.train_batch_size=8",
                 "actor_rollout_ref.actor.ppo_mini_batch_size=8", *given]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == pq.read_metadata(file).num_rows
    assert f"counted in {found['rows']} rows" in found["assumptions"]["tokens of a row"]
    assert found["gpu"] == {}
    assert found["hours"] is None


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["grpo"], 1, "no configuration is given: unifer-train plan grpo 7b"),
        (["grpo", "a=b"], 1, "no configuration is given"),
        (["grpo", "3b", "--config", "7b"], 1, "3b and --config 7b both name a configuration"),
        (["grpo", "7b"], 1, "data.train_files is not given: give it, or --rows N"),
        (["grpo", "7b", "data.train_files=no.parquet"], 1, "no.parquet is not a file"),
        (["sft", "7b", *ROWS, "model.path=/nowhere"], 1, "/nowhere has no config.json here"),
        (["sft", "7b", "--rows", "none"], 2, "'none': give a whole number of 1 or more"),
        (["sft", "7b", "--disk", "nan"], 2, "'nan': give a number above 0"),
        (["sft", "7b", "--gpu-memory", "-1"], 2, "'-1': give a number above 0"),
        (["grpo", "7b", *ROWS, "--sampled", "2"], 1, "this run samples each prompt once"),
        (["grpo", "7b", *ROWS, "--sampled", ".5", "algorithm=dapo"], 1, "--sampled 0.5 is below"),
        (["dpo", "7b"], 2, "invalid choice: 'dpo'"),
        (["grpo", "7b", *ROWS, "--response-tokens", "2000"], 1, "exceeds data.max_response_length"),
        (["sft", "7b", *ROWS, "--response-tokens", "9"], 1, "SFT samples no responses"),
        # What `check` refuses too.
        (["grpo", "7b", "--rows", "9"], 1, "data.train_files holds 9 rows, less than one batch"),
        (["grpo", "7b", *ROWS, "trainer.nnodes=3"], 1, "do not share out over 24 GPUs"),
        (["grpo", "7b", *ROWS, f"{ROLLOUT}.max_model_len=1000"], 1, "raise it to 2048"),
        (
            ["grpo", "7b", *ROWS, f"{ROLLOUT}.tensor_model_parallel_size=8"],
            1,
            "of the vision tower and the width of their layers; give 1, 2 or 4",
        ),
        # 71 tokens of text and 64 of the image; 16,384 of the largest image.
        (["grpo", "7b", *ROWS, "data.max_prompt_length=100"], 1, "a row takes 135 tokens (71 of"),
        (["grpo", "7b", *ROWS, "--image-side", "9999"], 1, "data.max_prompt_length=1024: raise it"),
        (["grpo", "7b", *ROWS, "--text-tokens", "5000"], 1, "a row takes 5,064 tokens"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_refusal(["plan", *arguments], status, message, capsys)
