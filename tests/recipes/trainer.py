"""What the tests that run verl's trainers have in common."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING

from tests.conftest import REPOSITORY, run_command
from tests.forked import Forked
from tests.recipes.ray_workers import PYTHON_VARIABLE

if TYPE_CHECKING:
    import torch

PRINTED: deque[str] = deque(maxlen=2)
"""The ends of what the last commands printed: the report of a failed test shows them."""

LONGEST_MINUTES = 40
"""No run takes this long on the busiest machine; one that hangs would wait for CI's own limit."""

KILL_NONE: Mapping[str, str] = {"RAY_memory_monitor_refresh_ms": "0"}
"""What others use of the memory is no reason to kill a worker, as ray does at 95 %."""

LOADED = (
    "tensordict",
    "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
    "transformers.models.auto.processing_auto",
    "transformers.tokenization_mistral_common",
    "peft",
    "datasets",
    "fastapi",
    "hydra",
    "sklearn.metrics",
    "torch.distributed.run",
    "torchdata.stateful_dataloader",
    "uvicorn",
    "vllm.entrypoints.openai.responses.protocol",
    "vllm.model_executor.model_loader",
    "vllm.model_executor.models.qwen2_5_vl",
    "tests.recipes.without_ray",
)
"""What the processes of a run of verl import, but for ray and what imports it."""


@dataclass(frozen=True, slots=True)
class Trainers:
    """Runs of verl whose processes are forked from one that has imported."""

    server: Forked

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what makes ray fork its workers too, and kill none."""
        return {
            "RAY_RUNTIME_ENV_HOOK": "tests.recipes.ray_workers.fork_them",
            PYTHON_VARIABLE: str(self.server.python),
            **KILL_NONE,
        }

    def run(
        self, *words: object, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a console script, or `-m MODULE`, as `run_long` does."""
        command = self.server.command(*map(str, words))
        return run_long(command, {**self.environment, **(env or {})})


def run_long(
    command: Sequence[object], env: Mapping[str, str] | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command from the repository's root; end one that hangs, and show what it printed."""
    timed = ["timeout", "--kill-after=20", f"{LONGEST_MINUTES}m", *command]
    done = run_command(timed, env=env, cwd=REPOSITORY, status=status)
    PRINTED.append(f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}")
    return done


def data(folder: Path) -> list[str]:
    """Return overrides that name the rows of a folder."""
    return [
        f"data.train_files={folder / 'train-00000.parquet'}",
        f"data.val_files={folder / 'valid-00000.parquet'}",
    ]


def assert_learns(*steps: Mapping[str, float]) -> None:
    """Check the metrics of steps: rollouts were of the trainer's weights and gave a gradient."""
    for step in steps:
        assert step["training/rollout_actor_probs_pearson_corr"] > 0.999, pformat(step)
        assert step["actor/grad_norm"] > 0, pformat(step)


def weights(model: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a model in float32."""
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    loaded = Qwen2_5_VLForConditionalGeneration.from_pretrained(model, dtype=torch.float32)
    return dict(loaded.named_parameters())


def assert_moved_but_vision(before: Path, after: Path) -> None:
    """Check that training moved every weight of a model but those of its vision tower."""
    import torch

    first, last = weights(before), weights(after)
    assert first.keys() == last.keys()
    for name, weight in first.items():
        assert torch.equal(weight, last[name]) == (".visual." in name), name
