"""GRPO on a ray cluster of two nodes: submitted as a job, killed, resumed, merged."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.machine import kill_all
from tests.recipes.trainer import (
    KILL_NONE,
    LONGEST_MINUTES,
    Trainers,
    assert_learns,
    data,
    run_long,
)

pytest.importorskip("verl")

from recipes.training.launch.cleanup import RUN_VARIABLE, run_processes
from recipes.training.runs.checkpoints import TRACKER
from recipes.training.runs.metrics import read_metrics

pytestmark = pytest.mark.cluster

STEPS = 4


@dataclass(frozen=True, slots=True)
class Cluster:
    """A ray cluster, by the address that jobs are submitted to."""

    address: str
    bin_folder: Path
    environment: Mapping[str, str]

    def submit(self, *entrypoint: str) -> list[str | Path]:
        """Return the command line of a user's."""
        # No environment variable of this process reaches the nodes by itself; those that the
        # configuration needs, unifer-train gives them.
        env = json.dumps({"env_vars": {"OMP_NUM_THREADS": "1", **self.environment}})
        ray = ["ray", "job", "submit", "--address", self.address, "--runtime-env-json", env]
        return [self.bin_folder / ray[0], *ray[1:], "--", *entrypoint]


@pytest.fixture(scope="module")
def cluster(bin_folder: Path, trainers: Trainers, ports: list[int]) -> Iterator[Cluster]:
    """Two nodes of one logical GPU each, side by side on this machine."""
    # Sockets lie in here, whose paths may have a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    head, client, jobs, *agents = ports
    # With a token that a first run left in the home folder, `ray start` refuses a second node.
    env = {"RAY_AUTH_MODE": "disabled", RUN_VARIABLE: str(folder), **KILL_NONE}
    sizes = ["--num-cpus=16", "--num-gpus=1", f"--object-store-memory={200 << 20}"]
    roles = [
        [
            "--head",
            f"--port={head}",
            f"--ray-client-server-port={client}",
            f"--dashboard-port={jobs}",
        ],
        [f"--address=127.0.0.1:{head}"],
    ]
    try:
        for number, (role, agent) in enumerate(zip(roles, agents, strict=True)):
            start: list[str | Path] = [bin_folder / "ray", "start", *role, *sizes]
            # Of one range, both nodes would offer their workers the same ports.
            first = 10_000 + 5_000 * number
            places = [
                f"--temp-dir={folder / str(number)}",
                f"--dashboard-agent-listen-port={agent}",
                f"--min-worker-port={first}",
                f"--max-worker-port={first + 4_999}",
            ]
            run_long([*start, *places], env)
        yield Cluster(f"http://127.0.0.1:{jobs}", bin_folder, trainers.environment)
    finally:
        # `ray stop` would end every other ray on this machine too.
        kill_all(run_processes(folder))
        shutil.rmtree(folder, ignore_errors=True)


def test_a_killed_job_goes_on_and_its_shards_merge(
    cluster: Cluster, drawn_rows: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import Qwen2_5_VLForConditionalGeneration

    out, merged = tmp_path / "run", tmp_path / "merged"
    reward = "reward.custom_reward_function.reward_kwargs"
    model = "actor_rollout_ref"
    job = cluster.submit(
        str(cluster.bin_folder / "unifer-train"), "grpo", "--config", "tiny",
        *data(drawn_rows / "rlvr"), f"{model}.model.path={tiny_model}",
        f"trainer.default_local_dir={out}", "trainer.nnodes=2",
        "data.train_batch_size=4", "data.max_response_length=64",
        f"{model}.actor.ppo_mini_batch_size=4", f"{model}.actor.ppo_micro_batch_size_per_gpu=16",
        f"{model}.ref.log_prob_micro_batch_size_per_gpu=16",
        f"{model}.rollout.log_prob_micro_batch_size_per_gpu=16",
        "trainer.total_epochs=2", f"trainer.total_training_steps={STEPS}", "trainer.save_freq=1",
        "trainer.val_before_train=false", f"trainer.test_freq={STEPS}",
        # What an untrained model says earns nothing, but some of it is shorter.
        f"{reward}.preset=upstream", f"+{reward}.weights={{brevity:1.0}}",
        f"+{reward}.free_words=18", f"+{reward}.most_words=60",
    )  # fmt: skip

    first = until_killed(job, out)
    reached = int((out / TRACKER).read_text())
    assert 1 <= reached < STEPS
    second = run_long(job).stdout
    assert f"done: {out / f'global_step_{STEPS}'}" in second
    taken = sorted({int(step) for step in re.findall(r"step:(\d+) - ", second)})
    assert taken == list(range(taken[0], STEPS + 1))
    assert taken[0] > reached
    assert "train dataset size: 12, val dataset size: 4" in second
    assert "acc/mean@1" in second
    assert "Error in _run_prompt" not in first + second
    steps = read_metrics(out)
    # A step whose checkpoint was written need not have been logged when the kill came.
    assert {1, *taken} <= steps.keys()
    assert_learns(*steps.values())
    assert all(math.isfinite(step["actor/kl_loss"]) for step in steps.values())
    assert not run_processes(out)

    newest = out / f"global_step_{STEPS}"
    assert len(list((newest / "actor").glob("model_world_size_2_rank_*.pt"))) == 2
    run_long([cluster.bin_folder / "unifer-train", "merge", newest, merged])
    Qwen2_5_VLForConditionalGeneration.from_pretrained(merged)
    written = (merged / "README.md").read_text()
    assert "Trained on synthetic faces" in written
    assert f"## GRPO, {STEPS} steps" in written
    assert "upstream_accuracy 1, upstream_format 1, brevity 1" in written


def until_killed(job: list[str | Path], out: Path) -> str:
    """Submit the job and kill it on its node once there is a checkpoint; what was told."""
    ends = time.monotonic() + LONGEST_MINUTES * 60
    with subprocess.Popen(
        list(map(str, job)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as submission:
        while not (out / TRACKER).exists() or not any(
            path.stat().st_size for path in (out / "metrics").glob("*.jsonl")
        ):
            assert submission.poll() is None, submission.communicate()[0][-4000:]
            assert time.monotonic() < ends
            time.sleep(0.5)
        # Its trainer too, which would go on to the end; the actors are ray's to end.
        killed = launcher(out, Path(job[0]).parent)
        kill_all([killed, *killed.children(recursive=True)])
        return submission.communicate(timeout=LONGEST_MINUTES * 60)[0]


def launcher(out: Path, bin_folder: Path) -> psutil.Process:
    """Return the process of `unifer-train` that works in a folder."""
    # The submission and the job's shell have these words in their command lines too.
    (found,) = [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[1:2] == [str(bin_folder / "unifer-train")]
        and f"trainer.default_local_dir={out}" in process.info["cmdline"]
    ]
    return found
