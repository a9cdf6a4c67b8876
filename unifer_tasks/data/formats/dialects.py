"""What other programs write: their names for our columns, and files that hold no predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from unifer_tasks.data.formats.rows import Row
from unifer_tasks.support.records import RecordError

VLMEVALKIT = frozenset({"index", "question", "answer", "prediction"})
"""Columns of what VLMEvalKit writes after our export."""

_VLMEVALKIT_FAILED = "Failed to obtain answer"

_INSPECT_JOURNAL = "_journal/"
"""A folder in each .eval file of inspect_ai, which is a zip file."""

_INSPECT = "is a log of inspect_ai; write its samples as rows of dataset, id, target, response"

_OTHERS = {
    "filtered_resps": "is a sample log of lmms-eval; `ferbench report` scores it, under the name "
    "that lmms-eval gave it (DATE_samples_TASK.jsonl)",
    "model_response": "holds results of the paper's scripts; `ferbench report` scores them",
    "results": "holds scores and no answers; give `ferbench report` the folder with the logs",
    "eval": _INSPECT,
}
"""Keys of objects that hold no prediction -> what these are, and what to do."""


def other_kind(values: Mapping[str, Any]) -> str | None:
    """Say what an object is that holds no prediction, and what to do; None if it may be one."""
    if "dataset" in values:
        return None
    return next((instead for key, instead in _OTHERS.items() if key in values), None)


def other_archive(members: Iterable[str]) -> str | None:
    """Say what a zip file with these members is, and what to do; None if it may be a workbook."""
    return _INSPECT if any(name.startswith(_INSPECT_JOURNAL) for name in members) else None


def is_of_vlmevalkit(values: Mapping[str, Any]) -> bool:
    """Return whether a row is one of VLMEvalKit's."""
    return values.keys() >= VLMEVALKIT and "target" not in values


def in_our_names(row: Row) -> Row:
    """Return a row with its values under the names of a prediction file's columns.

    Raises:
        RecordError: VLMEvalKit asked with lettered options.
    """
    values = row.values
    if not is_of_vlmevalkit(values):
        return row
    if values.keys() & {"A", "a"}:
        raise RecordError(
            "has lettered options, which is not FERBench's question; run VLMEvalKit on what "
            "`unifer-data export vlmevalkit --form open` writes"
        )
    answer = values["prediction"]
    named = {**values, "target": values["answer"]}
    if _VLMEVALKIT_FAILED in str(answer):
        named["error"] = True
    else:
        named["response"] = "" if answer is None else answer
    theirs = {"target": "answer", "response": "prediction"}
    spelled = {ours: row.spelled.get(name, name) for ours, name in theirs.items()}
    return replace(row, values=named, spelled={**row.spelled, **spelled})
