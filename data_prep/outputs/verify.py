"""Check an output against its manifest, and against verl's own readers."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data_prep.images.inspection import inspect
from data_prep.outputs.rebase import rebase_command
from data_prep.outputs.row_checks import image_problems, row_problems, shard_problem
from data_prep.outputs.training_folder import (
    TrainingManifest,
    by_label,
    read_training_manifest,
    shard_path,
)
from data_prep.support.errors import PreparationError
from data_prep.support.parallel import ordered_map
from unifer_tasks.data import contents
from unifer_tasks.data.manifest import (
    DataError,
    Manifest,
    dataset_path,
    read_manifest,
    sha256,
)
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS
from unifer_tasks.support.counted import counted
from unifer_tasks.support.extras import TRAIN


@dataclass(frozen=True, slots=True)
class Limits:
    """Token limits that verl is given.

    Attributes:
        prompt: Of a GRPO row's prompt with its image (`data.max_prompt_length`).
        conversation: Of a whole SFT row (`data.max_length`).
    """

    prompt: int = 4096
    conversation: int = 4096


Problems = list[list[str]]
"""Lists of problems, one list per kind."""


def verify_benchmark(root: Path, jobs: int | None = None) -> tuple[Manifest, Problems]:
    """Check a benchmark folder: hashes, label counts, and that every image can be decoded.

    Raises:
        DataError: The manifest is missing or damaged.
    """
    manifest = read_manifest(root)
    problems: Problems = []
    for dataset, file in manifest.datasets.items():
        try:
            path = dataset_path(root, manifest, dataset)
        except DataError as error:
            problems.append([str(error)])
            continue
        if sha256(path) != file.sha256:
            problems.append([f"{path} is not the file that its manifest lists; build it again"])
            continue
        problems.append(
            list(contents.problems(path, dataset, file))
            or [
                f"{path}: {row_id} {fault}; build it again"
                for row_id, fault in ordered_map(_fault, _encoded(path), jobs)
                if fault is not None
            ]
        )
    return manifest, [kind for kind in problems if kind]


def verify_rows(root: Path, jobs: int | None = None) -> tuple[TrainingManifest, Problems]:
    """Check a folder of training rows: hashes, ids, labels, and that every image is the original.

    Raises:
        DataError: The manifest is missing or damaged.
    """
    manifest = read_training_manifest(root)
    files = []
    for part in dict.fromkeys((*manifest.shards, *manifest.counts_out)):
        for shard in manifest.shards.get(part, ()):
            try:
                path = shard_path(root, shard)
            except DataError as error:
                files.append(str(error))
                continue
            if sha256(path) != shard.sha256:
                files.append(f"{path} is not the file that its manifest lists; build it again")
            elif problem := shard_problem(path, shard, manifest.kind):
                files.append(f"{path} {problem}; build it again")
        n = sum(by_label(manifest.counts_out.get(part, {})).values())
        if n != manifest.rows(part):
            files.append(
                f"{root}: {counted(manifest.rows(part), f'{part} row')}, its labels count {n:,}"
            )
    kinds = [files] if files else [kind for kind in row_problems(root, manifest) if kind]
    gone = [
        f"{folder} is missing; if the images have moved: {rebase_command(root)}"
        for folder in missing_roots(manifest)
    ]
    if not gone and not kinds:
        gone = image_problems(root, manifest, jobs)
    return manifest, [*kinds, gone] if gone else kinds


def unlisted(root: Path, listed: Iterable[str]) -> list[Path]:
    """Return the parquet files of a folder that its manifest does not list, so are not checked."""
    known = {root / path for path in listed}
    folders = {root, *(path.parent for path in known)}
    return sorted({path for folder in folders for path in folder.glob("*.parquet")} - known)


def missing_roots(manifest: TrainingManifest) -> list[str]:
    """Return the image folders that do not exist."""
    return [root for root in dict.fromkeys(manifest.roots.values()) if not Path(root).is_dir()]


def verify_with_verl(root: Path, model: str, limits: Limits) -> Iterator[str]:
    """Read the rows with verl's own datasets and yield the problems.

    Every row is read, tokenized and compared with its limit: verl itself silently drops rows that
    raise or are too long.

    Raises:
        PreparationError: verl is not installed.
    """
    manifest = read_training_manifest(root)
    for part, shards in manifest.shards.items():
        if not shards:
            continue
        dataset = _verl_dataset(
            manifest.kind, [str(root / shard.path) for shard in shards], model, limits
        )
        expected = manifest.rows(part)
        if len(dataset) != expected:
            taken = counted(expected, f"{part} row")
            yield f"{root}: {taken} in the folder, of which verl takes {len(dataset):,}"
        most = 0
        for index in range(len(dataset)):
            try:
                row = dataset[index]
            except (ValueError, OSError, AssertionError, KeyError, TypeError) as error:
                yield f"{root}: {part} row {index}: verl cannot read it: {error}"
                continue
            if manifest.kind == "cot":
                most = max(most, len(row["input_ids"]))
        if most > limits.conversation:
            yield f"{root}: a {part} row has {most:,} tokens, the limit is {limits.conversation:,}"


def _verl_dataset(kind: str, files: list[str], model: str, limits: Limits) -> Any:
    # verl filters in forked processes, where a tokenizer that was used before would hang.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from transformers import AutoProcessor

        rl = importlib.import_module("verl.utils.dataset.rl_dataset")
        sft = importlib.import_module("verl.utils.dataset.multiturn_sft_dataset")
    except ImportError as error:
        raise PreparationError(
            f"reading rows as verl does needs verl ({error}): {TRAIN.install}"
        ) from None
    processor = AutoProcessor.from_pretrained(model, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS)
    if kind == "cot":
        config: dict[str, Any] = {"pad_mode": "no_padding", "max_length": limits.conversation}
        return sft.MultiTurnSFTDataset(files, processor.tokenizer, config, processor)
    config = {"max_prompt_length": limits.prompt, "filter_overlong_prompts": True}
    return rl.RLHFDataset(files, processor.tokenizer, config, processor)


def _encoded(path: Path) -> Iterator[tuple[str, bytes]]:
    for batch in pq.ParquetFile(path).iter_batches(256, columns=["id", "image"]):
        for row in batch.to_pylist():
            yield row["id"], row["image"]["bytes"]


def _fault(encoded: tuple[str, bytes]) -> tuple[str, str | None]:
    row_id, data = encoded
    return row_id, inspect(data).fault
