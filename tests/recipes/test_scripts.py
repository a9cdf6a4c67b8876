"""The scripts of the recipe, with a tiny model in the place of a large one."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
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


@pytest.mark.parametrize("size", ["13b", "7", "--check", "data.train_files=/a/b.parquet"])
@pytest.mark.parametrize("script", ["run_sft.sh", "run_grpo.sh"])
def test_a_size_that_there_is_not_names_those_there_are(
    bin_folder: Path, script: str, size: str
) -> None:
    done = run_command([SCRIPTS / script, size], env=environment(bin_folder), status=1)
    assert f"there is no size {size.lower()!r}" in done.stderr
    assert "give one of 3b, 7b, 32b" in done.stderr


def test_a_size_may_be_written_large(bin_folder: Path) -> None:
    done = run_command([SCRIPTS / "run_sft.sh", "7B"], env=environment(bin_folder), status=1)
    assert "data.train_files is not given" in done.stderr


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("merge.sh", [], "give the checkpoint: RUN/global_step_N"),
        ("merge.sh", ["RUN"], "give the folder to write"),
        ("evaluate.sh", [], "give the model"),
        ("evaluate.sh", ["MODEL"], "give the folder to write"),
        ("evaluate.sh", ["MODEL", "OUT"], "give the benchmark folder: export FERBENCH_DATA=DIR"),
        ("slurm.sbatch", [], "give the stage: sft or grpo"),
        ("slurm.sbatch", ["sft"], "give the size of the model"),
        ("slurm.sbatch", ["sft", "7b"], "this file is for sbatch"),
    ],
)
def test_what_a_script_needs_is_asked_for(script: str, arguments: list[str], message: str) -> None:
    env = {"PATH": os.environ["PATH"], "FERBENCH_DATA": "", "SLURM_SUBMIT_DIR": ""}
    done = run_command(["bash", SCRIPTS / script, *arguments], env=env, status=None)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize(
    ("path", "model", "message"),
    [
        ("/usr/bin:/bin", "MODEL", "ferbench is not installed: in a clone of UniFER, pip install"),
        (None, "a,b", "reads a comma in 'a,b' as the end of the path"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    bin_folder: Path, path: str | None, model: str, message: str
) -> None:
    env = {"PATH": path or environment(bin_folder)["PATH"], "FERBENCH_DATA": "DIR"}
    done = run_command([SCRIPTS / "evaluate.sh", model, "OUT"], env=env, status=1)
    assert message in done.stderr


def test_a_job_is_submitted_from_the_root(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "SLURM_SUBMIT_DIR": str(tmp_path)}
    done = run_command(["bash", SCRIPTS / "slurm.sbatch", "sft", "7b"], env=env, status=2)
    assert f"{tmp_path} is not the root of the repository" in done.stderr


def test_scripts_are_sound() -> None:
    scripts = sorted(path for path in SCRIPTS.iterdir() if path.suffix in {".sh", ".sbatch"})
    assert len(scripts) == 5
    for script in scripts:
        run_command(["bash", "-n", script])
        assert "set -euo pipefail" in script.read_text()


@dataclass(frozen=True, slots=True)
class Allocation:
    """What slurm gives a job, with stubs in the place of its commands."""

    folder: Path

    def run(
        self, *arguments: str, ray_starts: bool = True, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        stubs = {
            # The launcher's mark is all that tells whether `ray symmetric-run` came to it.
            "srun": 'echo srun "$@"; for word; do case $word in */tmp.*) '
            f"{'echo >$word' if ray_starts else 'true'};; esac; done",
            "scontrol": "printf 'node7\\nnode8\\n'",
        }
        for name, body in stubs.items():
            (self.folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (self.folder / name).chmod(0o755)
        # slurm copies the file before it runs it.
        script = self.folder / "slurm_script"
        script.write_bytes((SCRIPTS / "slurm.sbatch").read_bytes())
        env = {
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(self.folder),
            "SLURM_SUBMIT_DIR": str(REPOSITORY),
            "SLURM_NNODES": "2",
            "SLURM_GPUS_ON_NODE": "8",
            "SLURM_CPUS_ON_NODE": "96",
            "SLURM_JOB_NODELIST": "node[7-8]",
        }
        return run_command(["bash", script, *arguments], env=env, status=status)


# test_slurm.py has the script under a real slurm.
@pytest.mark.parametrize(
    ("stage", "started"),
    [
        ("sft", 'bash -c NODE_RANK=$SLURM_NODEID exec "$@" run_sft {run}'),
        (
            "grpo",
            "ray symmetric-run --address node7:6379 --min-nodes 2 --num-cpus 96 --num-gpus 8 -- "
            'env RAY_ADDRESS=node7:6379 bash -c echo >"$0" && exec "$@" MARK {run}',
        ),
    ],
)
def test_slurm_starts_a_stage_on_every_node(stage: str, started: str, tmp_path: Path) -> None:
    done = Allocation(tmp_path).run(stage, "7b", "optim.lr=1e-6")
    run = (
        f"{SCRIPTS / f'run_{stage}.sh'} 7b optim.lr=1e-6 trainer.nnodes=2 trainer.n_gpus_per_node=8"
    )
    shown = re.sub(r"\S+/tmp\.\w+", "MARK", done.stdout.strip())
    on_nodes = "srun --kill-on-bad-exit env -u ROCR_VISIBLE_DEVICES"
    assert shown == f"{on_nodes} {started.format(run=run)}"
    assert not list(tmp_path.glob("tmp.*"))


def test_a_ray_that_does_not_start_fails_the_job(tmp_path: Path) -> None:
    done = Allocation(tmp_path).run("grpo", "7b", ray_starts=False, status=1)
    assert "ray did not start on node7" in done.stderr


def test_slurm_knows_two_stages(tmp_path: Path) -> None:
    assert "dpo is no stage" in Allocation(tmp_path).run("dpo", "7b", status=2).stderr


def test_a_model_is_evaluated(
    bin_folder: Path, tiny_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    env = environment(bin_folder, FERBENCH_DATA=str(stand_in))
    options = ["--gen_kwargs", "max_new_tokens=2"]
    out = tmp_path / "results"
    run_command([SCRIPTS / "evaluate.sh", tiny_model, out, *options], env=env, cwd=tmp_path)
    assert len(list(out.rglob("*_samples_ferbench_*.jsonl"))) == 4
