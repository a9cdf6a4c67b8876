"""The slurm script under a real slurm: two nodes, side by side on this machine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.conftest import REPOSITORY, run_command
from tests.machine import kill_all
from tests.recipes.trainer import Trainers, data, run_long

pytest.importorskip("verl")

from recipes.tiny_cpu.environment import ENVIRONMENT
from recipes.training.launch.launcher import LOG_NAME
from recipes.training.runs.metrics import read_metrics

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="gives a node a host name of its own, as root"),
    pytest.mark.skipif(shutil.which("slurmctld") is None, reason="slurm is not installed"),
]

DAEMONS = ("slurmd", "slurmctld", "munged")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 Port={first} Gres=gpu:1
NodeName={second} NodeAddr=127.0.0.1 Port={other} Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES
"""


@pytest.fixture(scope="module")
def slurm(ports: list[int]) -> Iterator[Mapping[str, str]]:
    """Two nodes of one GPU each, which is /dev/null; the environment of those who use them."""
    host = os.uname().nodename.partition(".")[0]
    # The first by name is the one that torchrun meets at, and has to resolve.
    second = f"{host}-2"
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
    controller, first, other, *_ = ports
    settings = {"folder": folder, "host": host, "second": second, "controller": controller}
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(**settings, first=first, other=other))
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    for name in ("state", host, second):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o400)
    key.write_bytes(secrets.token_bytes(1024))
    env = {"SLURM_CONF": str(configuration)}
    try:
        files = {"key-file": key.name, "socket": "munge.socket", "pid-file": "munged.pid",
                 "log-file": "munged.log", "seed-file": "munge.seed"}  # fmt: skip
        places = [f"--{option}={folder / name}" for option, name in files.items()]
        run_command(["munged", "--force", *places])
        run_command(["slurmctld", "-f", configuration], env=env)
        run_command(["slurmd", "-N", host, "-f", configuration], env=env)
        # The launchers of two machines hold a run's folder under their host's names.
        start = f"hostname {second} && exec slurmd -N {second} -f {configuration}"
        run_command(["unshare", "--uts", "sh", "-c", start], env=env)
        until_idle(2, env)
        yield env
    finally:
        kill_all(
            process
            for process in psutil.process_iter(["name", "cmdline"])
            if process.info["name"] in DAEMONS
            and str(folder) in " ".join(process.info["cmdline"] or [])
        )
        shutil.rmtree(folder, ignore_errors=True)


def until_idle(nodes: int, env: Mapping[str, str]) -> None:
    ends = time.monotonic() + 60
    while True:
        states = run_command(["sinfo", "-h", "-N", "-o", "%t"], env=env, status=None).stdout.split()
        if states == ["idle"] * nodes:
            return
        assert time.monotonic() < ends, states
        time.sleep(0.5)


def as_overrides(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Return what a tiny configuration changes of its base, as overrides of a command line."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from as_overrides(value, f"{prefix}{key}.")
        else:
            yield f"++{prefix}{key}={json.dumps(value) if isinstance(value, list) else value}"


def submit(
    slurm: Mapping[str, str],
    bin_folder: Path,
    output: Path,
    *job: str | Path,
    status: int = 0,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Submit a job as the README says and wait for it; fail with its output."""
    sbatch = ["sbatch", "--wait", "--gpus-per-node=1", f"--output={output}"]
    env = {
        **ENVIRONMENT,
        **slurm,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        # The second node's name leads nowhere.
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    try:
        return run_long([*sbatch, *job], env, status=status)
    finally:
        print(output.read_text()[-8000:] if output.exists() else "the job wrote nothing")


def test_sft_joins_two_nodes(
    slurm: Mapping[str, str], bin_folder: Path, trainers: Trainers, drawn_rows: Path,
    tiny_model: Path, tmp_path: Path,
) -> None:  # fmt: skip
    out, output = tmp_path / "run", tmp_path / "job.out"
    tiny = yaml.safe_load((REPOSITORY / "recipes" / "tiny_cpu" / "sft_tiny.yaml").read_text())
    changes = {key: tiny[key] for key in tiny.keys() - {"defaults"}}
    submit(
        slurm, bin_folder, output, "--nodes=2", "recipes/qwen2_5_vl/slurm.sbatch",
        "sft", "--config", "7b", *as_overrides(changes), *data(drawn_rows / "cot"),
        f"model.path={tiny_model}", f"trainer.default_local_dir={out}",
        "trainer.total_training_steps=2",
        "data.train_batch_size=4", "data.micro_batch_size_per_gpu=2",
        # torchrun's own variable. A launcher is started: its host's name is its node's.
        PYTHON_EXEC=str(trainers.server.python),
    )  # fmt: skip
    # A launcher on each node.
    assert output.read_text().count(f"done: {out / 'global_step_2'}") == 2
    shards = (out / "global_step_2").glob("model_world_size_2_rank_*.pt")
    assert len(list(shards)) == 2
    assert list(read_metrics(out)) == [1, 2]
    assert (out / f"node1-{LOG_NAME}").exists()


def test_a_job_that_fails_is_told_to_slurm(
    slurm: Mapping[str, str], bin_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "job.out"
    job = ["recipes/qwen2_5_vl/slurm.sbatch", "sft", "--config", "7b"]
    job.append(f"trainer.default_local_dir={tmp_path}")
    submit(slurm, bin_folder, output, *job, status=1)
    assert "data.train_files is not given" in output.read_text()
