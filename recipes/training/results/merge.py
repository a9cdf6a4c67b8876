"""The sharded checkpoint of a run -> a Hugging Face folder with a model card.

The adapter of a LoRA run is folded into its base.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from recipes.training.configuration.adapter import Adapter
from recipes.training.results.card import check_scores, write_card
from recipes.training.results.publication import published
from recipes.training.runs.checkpoints import damage, newest_checkpoint, sharded
from recipes.training.runs.record import RECORD_NAME, find_record, write_record
from unifer_tasks.harness.models.weights import ADAPTER_CONFIG, weight_problems
from unifer_tasks.support.files import atomic_write
from unifer_tasks.support.locks import hold_file


class MergeError(Exception):
    """A checkpoint that cannot be merged."""


def merge(checkpoint: Path, out: Path, scores: Path | None = None) -> None:
    """Merge a checkpoint and write its card.

    Args:
        checkpoint: `RUN/global_step_N`, or a folder of it: `actor`, `huggingface`.
        out: The folder to write; whole or absent.
        scores: See `card.card`.

    Raises:
        MergeError: `out` exists, the checkpoint is damaged or belongs to no recorded run, its
            adapter is not that run's or is untrained, or verl's merger failed.
        CardError: See `card.card`.
        RecordError: See `record.find_record`.
        HoldError: Another merge writes `out`, or it cannot be written.
    """
    if out.exists():
        raise MergeError(f"{out} exists; choose another folder or remove it")
    step = _step(checkpoint)
    problems = list(damage(step))
    if problems:
        newest = newest_checkpoint(step.parent)
        other = "RUN/global_step_N" if newest is None else f"another one, such as {newest}"
        raise MergeError(f"{step} is not a whole checkpoint: {'; '.join(problems)}; give {other}")
    record = find_record(step)
    if record is None:
        raise MergeError(
            f"{step} lies in no run that unifer-train recorded: put {RECORD_NAME} of its run into "
            f"{step.parent}"
        )
    if scores is not None:
        check_scores(scores)
    with hold_file(out), atomic_write(out) as partial:
        # What a merge that was killed left.
        shutil.rmtree(partial, ignore_errors=True)
        if record.adapter is None:
            _merge_shards(sharded(step), partial)
        else:
            _merge_adapter(sharded(step), partial, record.adapter, record.model)
        record = published(record)
        write_record(partial, record)
        write_card(partial, record, scores)


def _step(given: Path) -> Path:
    """Return the folder of a checkpoint that was given by it or by a folder in it.

    Raises:
        MergeError: It is plainly something else.
    """
    step = given
    while step.name in {"actor", "huggingface"}:
        step = step.parent
    if not step.is_dir():
        raise MergeError(f"{step} is not a directory; give RUN/global_step_N")
    if (newest := newest_checkpoint(step)) is not None:
        raise MergeError(f"{step} is a run's folder; give one of its checkpoints, such as {newest}")
    if (step / ADAPTER_CONFIG).is_file():
        raise MergeError(
            f"{step} is an adapter and no checkpoint of a run: peft alone can merge it"
        )
    if (step / "config.json").is_file():
        raise MergeError(f"{step} is a Hugging Face folder already; give RUN/global_step_N")
    return step


def _merge_shards(shards: Path, out: Path) -> None:
    command = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp"]
    places = ["--local_dir", str(shards), "--target_dir", str(out)]
    status = subprocess.run([*command, *places], check=False).returncode
    if status or not (out / "config.json").is_file():
        raise MergeError(f"verl's merger exited {status} and left no whole model")


def _merge_adapter(shards: Path, out: Path, adapter: Adapter, base: str) -> None:
    from recipes.training.results.adapter_merger import AdapterError, merge_adapter

    try:
        change = merge_adapter(shards, out, adapter, base)
    except AdapterError as error:
        raise MergeError(str(error)) from error
    if problems := list(weight_problems(out)):
        raise MergeError("; ".join(problems))
    print(f"the adapter is folded in; it changes a weight by up to {change:.2g}")
