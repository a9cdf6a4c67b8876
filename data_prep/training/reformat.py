"""Training rows that ask for another response format: the same images, labels and rationales.

A teacher's rationales are written once, for the benchmark's format; a recipe that answers first, or
without reasoning, trains on these rows with the question of its format and the blocks of a response
in its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data_prep.errors import BuildError, reading_parquet
from data_prep.outputs.rebase import map_rows
from data_prep.outputs.training_folder import (
    Shard,
    TrainingManifest,
    finished_manifest,
    open_folder,
    read_training_manifest,
    write_training_manifest,
)
from unifer_tasks.data.manifest import sha256
from unifer_tasks.protocol.formats import ResponseFormat, asked_format
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG, listed_labels
from unifer_tasks.support.files import atomic_write

_MESSAGES = {"rlvr": "prompt", "cot": "messages"}


@dataclass(frozen=True, slots=True)
class Reformatted:
    """What was written.

    Attributes:
        manifest: Of the new rows.
        unchanged: Responses that are as they were: without the format that their prompt asked for.
    """

    manifest: TrainingManifest
    unchanged: int


@dataclass(slots=True)
class _Tally:
    unchanged: int = 0


def reformat(rows: Path, out: Path, wanted: ResponseFormat) -> Reformatted:
    """Write rows that ask for a format; equal rows give equal bytes.

    Args:
        rows: A folder that `unifer-data rlvr`, `cot` or `drawn` wrote.
        out: The folder to write.
        wanted: The format.

    Raises:
        BuildError: A shard is missing, damaged, or holds a prompt that is not the benchmark's
            question; rows without rationales cannot be given any; or the folder holds something
            else.
        DataError: The manifest of the rows is absent or damaged.
    """
    manifest = read_training_manifest(rows)
    if out.resolve() == rows.resolve():
        raise BuildError(f"{out} holds the rows to read; choose another folder to write")
    read = [shard.sha256 for shards in manifest.shards.values() for shard in shards]
    recipe = {**manifest.recipe, "response_format": wanted.key, "rows": read}
    open_folder(out)
    finished_manifest(out, recipe)  # Refuses a folder of other rows.
    tally = _Tally()
    shards = {
        part: tuple(_reformatted(rows, out, shard, manifest.kind, wanted, tally) for shard in given)
        for part, given in manifest.shards.items()
    }
    written = replace(manifest, recipe=recipe, shards=shards)
    write_training_manifest(out, written)
    return Reformatted(written, tally.unchanged)


def _reformatted(
    rows: Path, out: Path, shard: Shard, kind: str, wanted: ResponseFormat, tally: _Tally
) -> Shard:
    source = rows / shard.path
    if not source.is_file():
        raise BuildError(f"{source} is missing; run the command that built it again")

    def changed(row: dict[str, Any]) -> dict[str, Any]:
        try:
            return _changed(row, kind, wanted, tally)
        except BuildError as error:
            row_id = row["extra_info"]["id"]
            raise BuildError(f"{source}: row {row['data_source']} {row_id}: {error}") from None

    with reading_parquet(source, "training rows"), atomic_write(out / shard.path) as partial:
        map_rows(source, partial, changed)
    return replace(shard, sha256=sha256(out / shard.path))


def _changed(
    row: dict[str, Any], kind: str, wanted: ResponseFormat, tally: _Tally
) -> dict[str, Any]:
    messages = row[_MESSAGES[kind]]
    user = messages[0]
    asked = asked_format(user["content"])
    if asked is None:
        raise BuildError("its prompt is not the benchmark's question, so none can take its place")
    labels = listed_labels(user["content"])
    user["content"] = user["content"].replace(asked.ask(labels), wanted.ask(labels))
    if kind == "rlvr":
        # Of another text.
        row["extra_info"]["n_prompt_tokens"] = None
        return row
    assistant = messages[1]
    if asked.is_kept(assistant["content"]):
        assistant["content"] = _in_format(asked.texts(assistant["content"]), wanted)
    else:
        tally.unchanged += 1
    return row


def _in_format(texts: Mapping[str, str], wanted: ResponseFormat) -> str:
    if THINK_TAG in wanted.blocks and THINK_TAG not in texts:
        raise BuildError("its response has no rationale, which the format asks for")
    return wanted.response(texts.get(THINK_TAG, ""), texts[ANSWER_TAG])
