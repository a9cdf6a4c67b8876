"""The script for slurm, with stubs in the place of slurm's commands."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_command

pytest.importorskip("verl")


SCRIPT = REPOSITORY / "recipes" / "qwen2_5_vl" / "slurm.sbatch"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the stage: sft or grpo"),
        (["sft"], "SLURM_NNODES: unbound variable"),
    ],
)
def test_what_the_script_needs_is_asked_for(arguments: list[str], message: str) -> None:
    done = run_command(["bash", SCRIPT, *arguments], status=None)
    assert done.returncode != 0
    assert message in done.stderr


def test_the_script_is_sound() -> None:
    run_command(["bash", "-n", SCRIPT])
    assert "set -euo pipefail" in SCRIPT.read_text()


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
        script.write_bytes(SCRIPT.read_bytes())
        env = {
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(self.folder),
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
        ("sft", 'bash -c NODE_RANK=$SLURM_NODEID exec "$@" sft {run}'),
        (
            "grpo",
            "ray symmetric-run --address node7:6379 --min-nodes 2 --num-cpus 96 --num-gpus 8 -- "
            'env RAY_ADDRESS=node7:6379 bash -c echo >"$0" && exec "$@" MARK {run}',
        ),
    ],
)
def test_slurm_starts_a_stage_on_every_node(stage: str, started: str, tmp_path: Path) -> None:
    done = Allocation(tmp_path).run(stage, "--config", "7b", "optim.lr=1e-6")
    run = (
        f"unifer-train {stage} --config 7b optim.lr=1e-6 trainer.nnodes=2 trainer.n_gpus_per_node=8"
    )
    shown = re.sub(rf"{re.escape(str(tmp_path))}/tmp\.\w+", "MARK", done.stdout.strip())
    on_nodes = "srun --kill-on-bad-exit env -u ROCR_VISIBLE_DEVICES"
    assert shown == f"{on_nodes} {started.format(run=run)}"
    assert not list(tmp_path.glob("tmp.*"))


def test_a_ray_that_does_not_start_fails_the_job(tmp_path: Path) -> None:
    done = Allocation(tmp_path).run("grpo", "--config", "7b", ray_starts=False, status=1)
    assert "ray did not start on node7" in done.stderr


def test_slurm_knows_two_stages(tmp_path: Path) -> None:
    assert "dpo is not a stage" in Allocation(tmp_path).run("dpo", status=2).stderr
