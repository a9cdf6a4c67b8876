"""The scripts of the recipe, with a tiny model in the place of a large one."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_command
from tests.forked import Forked

pytest.importorskip("verl")


SCRIPTS = REPOSITORY / "recipes" / "qwen2_5_vl"


def environment(bin_folder: Path, **more: str) -> dict[str, str]:
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, **more}


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("evaluate.sh", [], "give the model"),
        ("evaluate.sh", ["MODEL"], "give the folder to write"),
        ("evaluate.sh", ["MODEL", "OUT"], "give the benchmark folder: export FERBENCH_DATA=DIR"),
        ("slurm.sbatch", [], "give the stage: sft or grpo"),
        ("slurm.sbatch", ["sft"], "SLURM_NNODES: unbound variable"),
    ],
)
def test_what_a_script_needs_is_asked_for(script: str, arguments: list[str], message: str) -> None:
    env = {"PATH": os.environ["PATH"], "FERBENCH_DATA": ""}
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


def test_scripts_are_sound() -> None:
    scripts = sorted(path for path in SCRIPTS.iterdir() if path.suffix in {".sh", ".sbatch"})
    assert len(scripts) == 2
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
    shown = re.sub(r"\S+/tmp\.\w+", "MARK", done.stdout.strip())
    on_nodes = "srun --kill-on-bad-exit env -u ROCR_VISIBLE_DEVICES"
    assert shown == f"{on_nodes} {started.format(run=run)}"
    assert not list(tmp_path.glob("tmp.*"))


def test_a_ray_that_does_not_start_fails_the_job(tmp_path: Path) -> None:
    done = Allocation(tmp_path).run("grpo", "--config", "7b", ray_starts=False, status=1)
    assert "ray did not start on node7" in done.stderr


def test_slurm_knows_two_stages(tmp_path: Path) -> None:
    assert "dpo is not a stage" in Allocation(tmp_path).run("dpo", status=2).stderr


def test_a_model_is_evaluated(
    forked: Forked, tiny_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    env = {"PATH": forked.shadow(tmp_path / "bin", "ferbench"), "FERBENCH_DATA": str(stand_in)}
    options = ["--gen_kwargs", "max_new_tokens=2"]
    out = tmp_path / "results"
    run_command([SCRIPTS / "evaluate.sh", tiny_model, out, *options], env=env, cwd=tmp_path)
    assert len(list(out.rglob("*_samples_ferbench_*.jsonl"))) == 4
