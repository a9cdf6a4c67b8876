"""Training rows in another response format, with the same images, labels and rationales.

A teacher's rationales are written once, in the benchmark's format; a recipe that answers first, or
without reasoning, trains on these rows with its format's question and order of response blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from data_prep.support.errors import BuildError
from unifer_tasks.protocol.answers.formats import ResponseFormat, asked_format
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG, listed_labels

_MESSAGES = {"rlvr": "prompt", "cot": "messages"}


@dataclass(frozen=True, slots=True)
class Reformatted:
    """The result of `reformat`.

    Attributes:
        manifest: The manifest of the new rows.
        unchanged: Responses left unchanged, since they are not in the format of their prompt.
    """

    manifest: TrainingManifest
    unchanged: int


def reformat(rows: Path, out: Path, wanted: ResponseFormat) -> Reformatted:
    """Write rows in a format; equal rows give equal bytes.

    Args:
        rows: A folder that `unifer-data rlvr`, `cot` or `drawn` wrote.
        out: The folder to write.
        wanted: The format.

    Raises:
        BuildError: A shard is missing, damaged, or holds a prompt that is not the benchmark's
            question; the format asks for rationales and the rows have none; or the folder holds
            something else.
        DataError: The manifest of the rows is missing or damaged.
    """
    manifest = read_training_manifest(rows)
    if out.resolve() == rows.resolve():
        raise BuildError(f"{out} holds the rows to read; choose another folder to write")
    read = [shard.sha256 for shards in manifest.shards.values() for shard in shards]
    recipe = {**manifest.recipe, "response_format": wanted.key, "rows": read}
    open_folder(out)
    finished_manifest(out, recipe)  # Rejects a folder of other rows.
    rewriting = _Rewriting(rows, out, manifest.kind, wanted)
    shards = {part: tuple(map(rewriting.shard, given)) for part, given in manifest.shards.items()}
    written = replace(manifest, recipe=recipe, shards=shards)
    write_training_manifest(out, written)
    return Reformatted(written, rewriting.unchanged)


@dataclass(slots=True)
class _Rewriting:
    """The rewriting of a folder's rows, and how many responses it has left unchanged."""

    rows: Path
    out: Path
    kind: str
    wanted: ResponseFormat
    unchanged: int = 0

    def shard(self, shard: Shard) -> Shard:
        def changed(row: dict[str, Any]) -> dict[str, Any]:
            try:
                self._change(row)
            except BuildError as error:
                name = f"{row['data_source']} {row['extra_info']['id']}"
                raise BuildError(f"{self.rows / shard.path}: row {name}: {error}") from None
            return row

        return rewrite_shard(self.rows, self.out, shard, changed)

    def _change(self, row: dict[str, Any]) -> None:
        user, *answers = row[_MESSAGES[self.kind]]
        asked = asked_format(user["content"])
        if asked is None:
            raise BuildError(
                "its prompt is not the benchmark's question, so none can take its place"
            )
        labels = listed_labels(user["content"])
        user["content"] = user["content"].replace(asked.ask(labels), self.wanted.ask(labels))
        if self.kind == "rlvr":
            # It was counted for the previous prompt.
            row["extra_info"]["n_prompt_tokens"] = None
        elif asked.is_kept(answers[0]["content"]):
            answers[0]["content"] = _in_format(asked.texts(answers[0]["content"]), self.wanted)
        else:
            self.unchanged += 1


def _in_format(texts: Mapping[str, str], wanted: ResponseFormat) -> str:
    if THINK_TAG in wanted.blocks and THINK_TAG not in texts:
        raise BuildError("its response has no rationale, which the format asks for")
    return wanted.response(texts.get(THINK_TAG, ""), texts[ANSWER_TAG])
