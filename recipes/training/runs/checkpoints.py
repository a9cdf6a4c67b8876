"""Which of a run's checkpoints are whole, so that a run resumes from one that is.

verl resumes from the step that `latest_checkpointed_iteration.txt` names. The GRPO trainer does
not write that file atomically: killed then, it fails on an empty one at every start. And if the
folder named is gone, it silently trains from the start. Both are repaired or refused here.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from unifer_tasks.support.files import atomic_write

TRACKER = "latest_checkpointed_iteration.txt"

_STEP = re.compile(r"global_step_(0|[1-9][0-9]*)")
_SHARD = re.compile(r"(model|optim|extra_state)_world_size_(\d+)_rank_(\d+)\.pt")


class CheckpointError(Exception):
    """A run cannot be resumed from its checkpoints."""


def is_checkpoint(folder: Path) -> bool:
    """Return whether a folder has the name that verl gives a checkpoint, `global_step_N`.

    Copies beside it (`global_step_100_hf`, `.bak`) have not, nor has a link to one of another step.
    """
    return bool(_STEP.fullmatch(folder.name)) and folder.resolve().name == folder.name


def step_of(checkpoint: Path) -> int:
    """Return the step of a folder that `is_checkpoint`."""
    return int(checkpoint.name.rpartition("_")[2])


def whole_checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints below a run's folder that were written to their end, by step."""
    return [step for step in _steps(run) if not any(damage(step))]


def newest_checkpoint(run: Path) -> Path | None:
    """Return the newest whole checkpoint below a run's folder; None if there is none."""
    return max(whole_checkpoints(run), key=step_of, default=None)


def damage(checkpoint: Path) -> Iterator[str]:
    """Yield what a checkpoint of SFT or GRPO lacks.

    verl writes the shards of every rank, then the Hugging Face folder, then the state of the data
    loader: `data.pt` by GRPO, `data_RANK.pt` by SFT. A shard is a zip archive, whose directory is
    at its end.
    """
    folder, found = sharded(checkpoint), _shards(checkpoint)
    sizes = {int(shard[2]) for shard in found}
    if len(sizes) != 1:
        yield f"{folder} holds " + (f"shards of {sorted(sizes)} ranks" if sizes else "no shards")
        return
    (size,) = sizes
    shards = [
        folder / f"{kind}_world_size_{size}_rank_{rank}.pt"
        for kind in sorted({"model", *(shard[1] for shard in found)})
        for rank in range(size)
    ]
    loaders = (
        [checkpoint / "data.pt"]
        if folder != checkpoint
        else [checkpoint / f"data_{rank}.pt" for rank in range(size)]
    )
    for path in [*shards, *loaders]:
        if not zipfile.is_zipfile(path):
            yield f"{path} is {'cut off' if path.exists() else 'missing'}"


def world_size(checkpoint: Path) -> int:
    """Return how many ranks wrote a whole checkpoint."""
    return int(_shards(checkpoint)[0][2])


def _shards(checkpoint: Path) -> list[re.Match[str]]:
    """Return kind, world size and rank of each shard, as its name says."""
    matches = (_SHARD.fullmatch(path.name) for path in sharded(checkpoint).glob("*.pt"))
    return [match for match in matches if match]


def resumable(run: Path, n_gpus: int) -> Path | None:
    """Return the checkpoint that a run is resumed from: the newest whole one.

    Args:
        run: The run's folder (`trainer.default_local_dir`).
        n_gpus: Ranks of the run to come.

    Returns:
        None where the run starts from the beginning.

    Raises:
        CheckpointError: verl would start from the beginning although the folder says that it
            had come further, or the checkpoint was written by another number of ranks.
    """
    newest = newest_checkpoint(run)
    tracker = run / TRACKER
    if newest is None:
        if tracker.exists():
            reasons = [next(damage(step)) for step in _steps(run)] or ["no global_step_* is there"]
            raise CheckpointError(
                f"{tracker} exists, but {run} holds no whole checkpoint: {'; '.join(reasons)}. On "
                "several nodes it must lie on storage that all of them share. To start from the "
                "beginning, remove it or give another trainer.default_local_dir"
            )
        return None
    wrote = world_size(newest)
    if wrote != n_gpus:
        raise CheckpointError(
            f"{newest} was written by {wrote} GPUs and this run has {n_gpus}: give as many, or "
            "start from its huggingface/ folder in another trainer.default_local_dir"
        )
    return newest


def name_newest(checkpoint: Path) -> None:
    """Make verl resume from a checkpoint; say so if it would have resumed from another."""
    tracker, text = checkpoint.parent / TRACKER, str(step_of(checkpoint))
    if not tracker.exists() or tracker.read_text("utf-8", "replace").strip() != text:
        print(f"{TRACKER} now names step {text}, the newest whole checkpoint", flush=True)
        with atomic_write(tracker) as partial:
            partial.write_text(text, encoding="utf-8")


def _steps(run: Path) -> list[Path]:
    steps = (path for path in run.glob("global_step_*") if path.is_dir() and is_checkpoint(path))
    return sorted(steps, key=step_of)


def sharded(checkpoint: Path) -> Path:
    """Return where a checkpoint's shards lie: in `actor` by GRPO, at the top by SFT."""
    return actor if (actor := checkpoint / "actor").is_dir() else checkpoint
