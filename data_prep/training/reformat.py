"""Training rows in another response format, with the same images, labels and rationales.

A teacher's rationales are written once, in the benchmark's format; a recipe that answers first, or
without reasoning, trains on these rows with its format's question and order of response blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.outputs.rebase import rewrite_shard
from data_prep.outputs.training_folder import (
    Shard,
    TrainingManifest,
    finished_manifest,
    open_folder,
    read_training_manifest,
    write_training_manifest,
)
from data_prep.support.errors import PreparationError
from unifer_tasks.protocol.answers.formats import ResponseFormat, asked_format
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG, listed_labels

_MESSAGES = {"rlvr": "prompt", "cot": "messages"}


def reformat(rows: Path, out: Path, wanted: ResponseFormat) -> tuple[TrainingManifest, int]:
    """Write rows in a format; equal rows give equal bytes.

    Returns:
        The manifest of the new rows, and the number of responses that were left unchanged, since
        they are not in the format of their prompt.

    Raises:
        PreparationError: A shard is missing, damaged, or holds a prompt that is not the benchmark's
            question; the format asks for rationales and the rows have none; or the folder holds
            something else.
        DataError: The manifest of the rows is missing or damaged.
    """
    manifest = read_training_manifest(rows)
    if out.resolve() == rows.resolve():
        raise PreparationError(f"{out} holds the rows to read; choose another folder to write")
    read = [shard.sha256 for shards in manifest.shards.values() for shard in shards]
    recipe = {**manifest.recipe, "response_format": wanted.key, "rows": read}
    open_folder(out)
    finished_manifest(out, recipe)  # Rejects a folder of other rows.
    unchanged = 0

    def rewritten(shard: Shard) -> Shard:
        def changed(row: dict[str, Any]) -> dict[str, Any]:
            nonlocal unchanged
            try:
                unchanged += not _change(row, manifest.kind, wanted)
            except PreparationError as error:
                name = f"{row['data_source']} {row['extra_info']['id']}"
                raise PreparationError(f"{rows / shard.path}: row {name}: {error}") from None
            return row

        return rewrite_shard(rows, out, shard, changed)

    shards = {part: tuple(map(rewritten, given)) for part, given in manifest.shards.items()}
    written = replace(manifest, recipe=recipe, shards=shards)
    write_training_manifest(out, written)
    return written, unchanged


def _change(row: dict[str, Any], kind: str, wanted: ResponseFormat) -> bool:
    """Put a row into a format; return whether its response, if it has one, could be read."""
    user, *answers = row[_MESSAGES[kind]]
    asked = asked_format(user["content"])
    if asked is None:
        raise PreparationError(
            "its prompt is not the benchmark's question, so none can take its place"
        )
    labels = listed_labels(user["content"])
    user["content"] = user["content"].replace(asked.ask(labels), wanted.ask(labels))
    if kind == "rlvr":
        # It was counted for the previous prompt.
        row["extra_info"]["n_prompt_tokens"] = None
        return True
    (answer,) = answers
    if not asked.is_kept(answer["content"]):
        return False
    answer["content"] = _in_format(asked.texts(answer["content"]), wanted)
    return True


def _in_format(texts: Mapping[str, str], wanted: ResponseFormat) -> str:
    if THINK_TAG in wanted.blocks and THINK_TAG not in texts:
        raise PreparationError("its response has no rationale, which the format asks for")
    return wanted.response(texts.get(THINK_TAG, ""), texts[ANSWER_TAG])
