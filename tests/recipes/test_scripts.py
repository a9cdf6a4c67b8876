"""The scripts of the recipe, with a tiny model in the place of a large one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_command

pytest.importorskip("verl")


SCRIPTS = REPOSITORY / "recipes" / "qwen2_5_vl"


def environment(bin_folder: Path, **more: str) -> dict[str, str]:
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "VERL_PLATFORM": "cpu", **more}


@pytest.mark.parametrize(
    ("stage", "rows", "model"),
    [("sft", "cot", "model"), ("grpo", "rlvr", "actor_rollout_ref.model")],
)
def test_a_stage_checks_before_it_starts(
    bin_folder: Path,
    drawn_rows: Path,
    tiny_model: Path,
    tmp_path: Path,
    stage: str,
    rows: str,
    model: str,
) -> None:
    command = [
        SCRIPTS / f"run_{stage}.sh", "7b", "--check",
        f"data.train_files={drawn_rows / rows / 'train-00000.parquet'}",
        f"data.val_files={drawn_rows / rows / 'valid-00000.parquet'}",
        f"{model}.path={tiny_model}", f"{model}.use_remove_padding=false",
        "trainer.n_gpus_per_node=4", f"trainer.default_local_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    done = run_command(command, env=environment(bin_folder), cwd=tmp_path)
    assert "ready" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_size_of_the_model_is_asked_for(bin_folder: Path) -> None:
    for script in ("run_sft.sh", "run_grpo.sh"):
        done = run_command([SCRIPTS / script], env=environment(bin_folder), status=1)
        assert "give the size of the model" in done.stderr


@pytest.mark.xdist_group("verl")
def test_a_model_is_evaluated(
    bin_folder: Path, tiny_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    env = environment(bin_folder, FERBENCH_DATA=str(stand_in))
    options = ["--gen_kwargs", "max_new_tokens=2"]
    out = tmp_path / "results"
    run_command([SCRIPTS / "evaluate.sh", tiny_model, out, *options], env=env, cwd=tmp_path)
    assert len(list(out.rglob("*_samples_ferbench_*.jsonl"))) == 4
