"""What would fail is told before anything is started."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

from recipes.launch import compose
from recipes.launch import main as launch
from recipes.preflight import PreflightError, preflight

Config = dict[str, Any]
TINY = REPOSITORY / "recipes" / "tiny_cpu"


@pytest.fixture
def grpo(drawn_rows: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    rows = drawn_rows / "rlvr"
    overrides = [
        f"data.train_files={rows / 'train-00000.parquet'}",
        f"data.val_files={rows / 'valid-00000.parquet'}",
        f"actor_rollout_ref.model.path={tiny_model}",
        "data.train_batch_size=4",
        "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=32",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=32",
    ]
    return compose(TINY / "grpo_tiny.yaml", overrides)


def problems(config: Config) -> str:
    with pytest.raises(PreflightError) as caught:
        preflight("grpo", config)
    return str(caught.value)


def test_a_sound_run_is_ready(grpo: Config) -> None:
    assert sorted(preflight("grpo", grpo).values()) == [4, 12]


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("data", "train_files"), "/nowhere/train.parquet", "is no file (data.train_files)"),
        (("data", "val_files"), None, "data.val_files is not given"),
        (("data", "train_batch_size"), 3, "does not share out over 5 GPUs"),
        (("actor_rollout_ref", "model", "path"), "/nowhere/model", "no config.json"),
        (("actor_rollout_ref", "model", "use_remove_padding"), True, "flash-attn"),
        (
            ("reward", "custom_reward_function", "reward_kwargs"),
            {"preset": "generous"},
            "unknown preset 'generous'; known: upstream, unifer, grounded",
        ),
        (
            ("reward", "custom_reward_function", "reward_kwargs"),
            {"weights": {"charm": 1}},
            "unknown terms charm",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    grpo: Config, where: tuple[str, ...], value: object, message: str
) -> None:
    broken = copy.deepcopy(grpo)
    if where[-1] == "train_batch_size":
        broken["trainer"]["n_gpus_per_node"] = 5
    place = broken
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    assert message in problems(broken)


def test_every_reason_is_told_at_once(grpo: Config) -> None:
    grpo["data"]["train_files"] = "/nowhere/a.parquet"
    grpo["data"]["val_files"] = "/nowhere/b.parquet"
    assert problems(grpo).count("is no file") == 2


def test_images_that_moved_are_one_reason_with_the_remedy(grpo: Config, tmp_path: Path) -> None:
    table = pq.read_table(grpo["data"]["train_files"])
    moved = [
        [{**i, "image": f"/moved{i['image']}"} for i in row] for row in table["images"].to_pylist()
    ]
    images = pa.array(moved, table.schema.field("images").type)
    path = tmp_path / "train.parquet"
    pq.write_table(table.set_column(table.column_names.index("images"), "images", images), path)
    grpo["data"]["train_files"] = str(path)
    found = problems(grpo)
    assert "12 images of" in found
    assert f"unifer-data rebase {tmp_path} --root NEW" in found
    assert found.count("\n") == 0


def test_the_command_says_why_and_starts_nothing(
    drawn_rows: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    run = tmp_path / "run"
    rows = tmp_path / "cot"
    shutil.copytree(drawn_rows / "cot", rows)
    (rows / "valid-00000.parquet").unlink()
    overrides = [
        f"data.train_files={rows / 'train-00000.parquet'}",
        f"data.val_files={rows / 'valid-00000.parquet'}",
        f"model.path={tiny_model}",
        f"trainer.default_local_dir={run}",
    ]
    assert launch(["sft", str(TINY / "sft_tiny.yaml"), *overrides]) == 1
    assert "valid-00000.parquet is no file" in capsys.readouterr().err
    assert not run.exists()
