"""Read the rows of a prediction file as typed predictions.

A row names `dataset`, `id` and `target`, and either `response` (the model's whole output) or
`label` (already extracted by the system that wrote the file); or, where no response was received,
`error`: true, or the message of the error.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from unifer_tasks.data.first_places import FirstPlaces
from unifer_tasks.data.prediction_files import Row, open_predictions, read_rows, title
from unifer_tasks.data.results_file import PredictionError as PredictionError
from unifer_tasks.protocol.labels import (
    LABEL_SPACES,
    UnknownDatasetError,
    canonical,
    dataset_key,
    label_space,
)
from unifer_tasks.support.counted import counted
from unifer_tasks.support.extras import MissingModuleError

MAX_LISTED = 20
"""Bad rows that an error lists one by one; the rest are counted."""

_GIVE = {
    "dataset": f"give one of {', '.join(LABEL_SPACES)}",
    "id": "give the question's id, a string or an integer",
    "target": "give the true label, in the dataset's word",
    "response": 'give the whole output as one string ("" for an empty one, `error`: true where '
    "none was received)",
    "label": "give the label's word, or null where none was found",
}
"""Column -> what belongs there."""

_NO_ERROR = frozenset({"", "0", "false", "n/a", "nan", "no", "none", "null"})


class BadRowsError(PredictionError):
    """Some rows of a file cannot be scored."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question and a system's answer to it.

    Attributes:
        dataset: The dataset's key.
        id: The question's id in its dataset.
        target: The true label, in the dataset's own word.
        response: The model's whole output; None if `label` or `error` is given instead.
        label: The label that another program read, "" for none; None if `response` is given.
        error: True if no response was received.
    """

    dataset: str
    id: str
    target: str
    response: str | None = None
    label: str | None = None
    error: bool = False


@dataclass(slots=True)
class Problems:
    """The rows of a file that cannot be scored.

    Attributes:
        unit: What a row is called there.
        remedy: What to do with them; a reason may say more.
        instead: What to do where there is no row at all.
        count: How many they are.
        listed: The first `MAX_LISTED` of them, each with its place and reason.
    """

    unit: str
    remedy: str = "Correct or remove"
    instead: str = "give a file with a row for each question"
    count: int = 0
    listed: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        """Count a row, by its place and reason."""
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(problem)

    def check(self, name: str, scored: int) -> None:
        """Check that a file that has been read can be scored.

        Args:
            name: The file's name.
            scored: How many of its other rows can be scored.

        Raises:
            BadRowsError: There are problems.
            PredictionError: There are neither problems nor rows.
        """
        if self.count:
            listed = "\n  ".join(self.listed)
            more = self.count - len(self.listed)
            tail = f"\n  and {more:,} more" if more else ""
            raise BadRowsError(
                f"{name}: {self.count:,} of {counted(self.count + scored, self.unit)} cannot be "
                f"scored; nothing was written. {self.remedy}:\n  {listed}{tail}"
            )
        if not scored:
            raise PredictionError(f"{name} holds no predictions; {self.instead}")


def read_predictions(path: Path) -> list[Prediction]:
    """Return what `iter_predictions` yields, all of it or nothing."""
    return list(iter_predictions(path))


def iter_predictions(path: Path, skip: Callable[[str], None] | None = None) -> Iterator[Prediction]:
    """Yield the predictions of a file, in memory that hardly grows with their number.

    Args:
        path: A file in a format of `unifer_tasks.data.prediction_files`; `-` is standard input.
        skip: Is given place and reason of each row that is left out because it is malformed or
            repeats a question. Without it, they are collected and raised at the end.

    Raises:
        PredictionError: No row can be scored, or some cannot and are not to be skipped, or the
            file is in another format or damaged. Of what was yielded before, nothing may be kept.
        MissingModuleError: The file is a workbook, and what reads these is not installed.
        OSError: The file cannot be read.
    """
    name = title(path)
    places = FirstPlaces()
    problems: Problems | None = None
    scored = 0
    with open_predictions(path) as file:
        try:
            for row in read_rows(file):
                problems = problems or Problems(row.unit)
                try:
                    prediction = _prediction(row, places)
                except ValueError as error:
                    problems.add(f"{row.place}: {error}")
                    if skip:
                        skip(f"{row.place}: {error}")
                else:
                    scored += 1
                    yield prediction
        except PredictionError as error:
            raise PredictionError(f"{name} {error}") from None
    problems = problems or Problems("row")
    if not skip or not problems.count:
        problems.check(name, scored)
    elif not scored:
        rows = counted(problems.count, problems.unit)
        raise PredictionError(f"{name}: none of {rows} can be scored")


def holds_predictions(path: Path) -> bool:
    """Return whether the first row of a file is a prediction."""
    try:
        with open_predictions(path) as file:
            as_prediction(next(read_rows(file)).values)
    except (StopIteration, ValueError, OSError, PredictionError, MissingModuleError):
        return False
    return True


def _prediction(row: Row, places: FirstPlaces) -> Prediction:
    if row.problem:
        raise ValueError(row.problem)
    found = as_prediction(row.values)
    first = places.setdefault(f"{found.dataset} {found.id}", row.number)
    if first != row.number:
        raise ValueError(
            f"repeats {found.dataset} {found.id!r} of {row.unit} {first:,}; keep one of the two"
        )
    return found


def as_prediction(row: Mapping[str, Any]) -> Prediction:
    """Turn the values of a row into a prediction.

    Raises:
        ValueError: What is wrong with it.
    """
    try:
        dataset = dataset_key(_string(row, "dataset"))
    except UnknownDatasetError as error:
        raise ValueError(f"{error}; give one of these") from None
    target = _target(dataset, _string(row, "target"))
    failed = _is_error(row.get("error"))
    response, label = (None, None) if failed else _answer(row)
    # A report holds a question for many models.
    return Prediction(dataset, sys.intern(_id(row)), target, response, label, failed)


@lru_cache(maxsize=1024)
def _target(dataset: str, word: str) -> str:
    """Return the label that a word is, in any case and by either of its names."""
    labels = label_space(dataset).labels
    named = {canonical(label): label for label in labels}
    target = word.strip().lower()
    if target not in labels:
        target = named.get(canonical(target), "")
    if not target:
        raise ValueError(
            f"target {word!r:.60} is not a label of {dataset}: {', '.join(labels)}; give one of "
            "these"
        )
    return target


def _is_error(value: object) -> bool:
    """Return whether a value marks a failed request; an error message does."""
    if isinstance(value, str):
        return value.strip().lower() not in _NO_ERROR
    if isinstance(value, float) and math.isnan(value):
        return False
    return bool(value)


def _answer(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    given = [key for key in ("response", "label") if key in row]
    if len(given) == 2:
        # What writes the rows of a table as objects gives every column.
        given = [key for key in given if row[key] is not None]
        if not given:
            raise ValueError(f"has null as `response` and as `label`; {_GIVE['response']}")
    if len(given) == 2:
        raise ValueError("has both `response` and `label`; leave one of them out")
    if not given:
        raise ValueError(f"needs `response` or `label`, {_has(row)}; {_GIVE['response']}")
    if given == ["label"]:
        # An extractor that found nothing writes null.
        return None, "" if row["label"] is None else _string(row, "label")
    return _string(row, "response"), None


def _id(row: Mapping[str, Any]) -> str:
    value = row.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    elif value != "":
        value = _string(row, "id")
    if not value:
        raise ValueError(f"has an empty `id`; {_GIVE['id']}")
    return value


def _string(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if isinstance(value, str):
        return value
    if key not in row:
        raise ValueError(f"lacks `{key}`, {_has(row)}; {_GIVE[key]}")
    shown = json.dumps(value, default=str)[:60]
    raise ValueError(f"`{key}` must be a string, got {shown}; {_GIVE[key]}")


def _has(row: Mapping[str, Any]) -> str:
    return f"has {', '.join(row)[:80]}" if row else "has nothing"
