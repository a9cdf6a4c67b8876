"""What the tests that run verl's trainers have in common."""

from __future__ import annotations

import socket
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import REPOSITORY, run_command

if TYPE_CHECKING:
    import torch

PRINTED: deque[str] = deque(maxlen=2)
"""The ends of what the last commands printed: the report of a failed test shows them."""


def run_for(
    minutes: float,
    command: Sequence[object],
    env: Mapping[str, str] | None = None,
    status: int = 0,
) -> subprocess.CompletedProcess[str]:
    """Run a command from the repository's root, and end it if it takes longer."""
    timed = ["timeout", "--kill-after=20", f"{minutes}m", *command]
    done = run_command(timed, env=env, cwd=REPOSITORY, status=status)
    PRINTED.append(f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}")
    return done


def free_ports(n: int) -> list[int]:
    """Return ports of this machine that nothing listens on."""
    sockets = [socket.create_server(("", 0)) for _ in range(n)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def data(folder: Path) -> list[str]:
    """Return overrides that name the rows of a folder."""
    return [
        f"data.train_files={folder / 'train-00000.parquet'}",
        f"data.val_files={folder / 'valid-00000.parquet'}",
    ]


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
