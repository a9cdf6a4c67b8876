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
    ("stage", "rows", "model", "more"),
    [
        ("sft", "cot", "model", []),
        (
            "grpo",
            "rlvr",
            "actor_rollout_ref.model",
            ["actor_rollout_ref.actor.ppo_mini_batch_size=4"],
        ),
    ],
)
def test_a_stage_checks_before_it_starts(
    bin_folder: Path,
    drawn_rows: Path,
    tiny_model: Path,
    tmp_path: Path,
    stage: str,
    rows: str,
    model: str,
    more: list[str],
) -> None:
    command = [
        SCRIPTS / f"run_{stage}.sh", "7b", "--check",
        f"data.train_files={drawn_rows / rows / 'train-00000.parquet'}",
        f"data.val_files={drawn_rows / rows / 'valid-00000.parquet'}",
        f"{model}.path={tiny_model}", f"{model}.use_remove_padding=false",
        "data.train_batch_size=4", *more, "trainer.n_gpus_per_node=4",
        f"trainer.default_local_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    done = run_command(command, env=environment(bin_folder), cwd=tmp_path)
    assert "ready" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_size_of_the_model_is_asked_for(bin_folder: Path) -> None:
    for script in ("run_sft.sh", "run_grpo.sh"):
        done = run_command([SCRIPTS / script], env=environment(bin_folder), status=1)
        assert "give the size of the model" in done.stderr


def test_scripts_are_sound() -> None:
    scripts = sorted(path for path in SCRIPTS.iterdir() if path.suffix in {".sh", ".sbatch"})
    assert len(scripts) == 5
    for script in scripts:
        run_command(["bash", "-n", script])
        assert "set -euo pipefail" in script.read_text()


@pytest.mark.parametrize(
    ("arguments", "started"),
    [
        (
            ["sft", "7b", "optim.lr=1e-6"],
            'srun --kill-on-bad-exit bash -c NODE_RANK=$SLURM_NODEID exec "$@" run_sft {run}',
        ),
        (
            ["grpo", "7b", "optim.lr=1e-6"],
            "srun --kill-on-bad-exit ray symmetric-run --address node7:6379 --min-nodes 2 -- "
            "env RAY_ADDRESS=node7:6379 {run}",
        ),
    ],
)
def test_slurm_starts_a_stage_on_every_node(
    arguments: list[str], started: str, tmp_path: Path
) -> None:
    # What slurm has on its nodes.
    stubs = {"srun": 'echo srun "$@"', "scontrol": "printf 'node7\\nnode8\\n'"}
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    allocation = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(REPOSITORY),
        "SLURM_NNODES": "2",
        "SLURM_GPUS_ON_NODE": "8",
        "SLURM_JOB_NODELIST": "node[7-8]",
    }
    # slurm copies the file before it runs it.
    script = tmp_path / "slurm_script"
    script.write_bytes((SCRIPTS / "slurm.sbatch").read_bytes())
    done = run_command(["bash", script, *arguments], env=allocation)
    run = (
        f"{SCRIPTS / f'run_{arguments[0]}.sh'} 7b optim.lr=1e-6 trainer.nnodes=2 "
        "trainer.n_gpus_per_node=8"
    )
    assert done.stdout.strip() == started.format(run=run)
    wrong = run_command(["bash", script, "dpo", "7b"], env=allocation, status=2)
    assert "dpo is no stage" in wrong.stderr


def test_a_model_is_evaluated(
    bin_folder: Path, tiny_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    env = environment(bin_folder, FERBENCH_DATA=str(stand_in))
    options = ["--gen_kwargs", "max_new_tokens=2"]
    out = tmp_path / "results"
    run_command([SCRIPTS / "evaluate.sh", tiny_model, out, *options], env=env, cwd=tmp_path)
    assert len(list(out.rglob("*_samples_ferbench_*.jsonl"))) == 4
