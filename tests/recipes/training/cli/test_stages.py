"""`unifer-train sft`, `grpo` and `check`, from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.training.cli.main import main
from tests.conftest import run_command
from tests.recipes.trainer import data
from tests.recipes.training.cli.refusals import check_refusal

ROWS = {"sft": "cot", "grpo": "rlvr"}
MODEL = {"sft": "model", "grpo": "actor_rollout_ref.model"}
MORE = {"sft": [], "grpo": ["actor_rollout_ref.actor.ppo_mini_batch_size=4"]}


def overrides(stage: str, rows: Path, model: Path) -> list[str]:
    """Return a run of the large recipe with a tiny model, where there is no GPU."""
    return [
        *data(rows / ROWS[stage]), f"{MODEL[stage]}.path={model}",
        f"{MODEL[stage]}.use_remove_padding=false", "data.train_batch_size=4", *MORE[stage],
        f"+{MODEL[stage]}.override_config.attn_implementation=sdpa",
        "trainer.n_gpus_per_node=4", "trainer.device=cpu",
    ]  # fmt: skip


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_a_stage_checks_before_it_starts(
    stage: str, bin_folder: Path, drawn_rows: Path, tiny_model: Path, tmp_path: Path
) -> None:
    first, *rest = overrides(stage, drawn_rows, tiny_model)
    words = [stage, first, "--check", "--config", "7b", *rest]
    done = run_command([bin_folder / "unifer-train", *words], cwd=tmp_path)
    assert "ready" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_check_is_a_command_too(
    drawn_rows: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "mine.yaml"
    assert main(["cp", "grpo_7b", str(copy)]) == 0
    given = ["check", "grpo", "--config", str(copy)]
    assert main([*given, *overrides("grpo", drawn_rows, tiny_model)]) == 0
    assert "ready" in capsys.readouterr().out
    assert main(given) == 1
    assert "data.train_files is not given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["sft"], 2, "the following arguments are required: --config"),
        (["check", "dpo", "--config", "7b"], 2, "invalid choice: 'dpo'"),
        (["sft", "--config", "13b"], 1, "no configuration '13b' of SFT; give a YAML file or one"),
        (["grpo", "--config", "sft_7b"], 1, "or one of 3b, 7b, 32b, tiny"),
        (["grpo", "--config", "mine.yaml"], 1, "mine.yaml is not a file; give a YAML file or one"),
        (["sft", "--config", "7B"], 1, "data.train_files is not given"),
        (["sft", "--config", "7b", "--chek"], 1, "--chek is not an option of this command"),
        (["sft", "--config", "7b", "7b"], 1, "7b cannot be read: give KEY=VALUE"),
        (["rollouts", "RUN", "more"], 2, "unrecognized arguments: more"),
        (["rollouts", "RUN", "--lines", "0"], 2, "'0': give a whole number of 1 or more"),
    ],
)
def test_what_cannot_be_run_is_refused(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_refusal(arguments, status, message, capsys)


def test_a_configuration_of_the_other_stage_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cp", "sft_3b", str(tmp_path)]) == 0
    assert main(["grpo", "--config", str(tmp_path / "sft_3b.yaml"), "--check"]) == 1
    assert "configures SFT: run unifer-train sft" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["sft", "grpo", "check", "plan", "merge", "evaluate", "card", "rollouts", "ls", "cp"]
)
def test_every_command_says_what_it_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    usage, description, *_ = capsys.readouterr().out.split("\n\n")
    assert usage.startswith(f"usage: unifer-train {command}")
    assert description.endswith(".")
