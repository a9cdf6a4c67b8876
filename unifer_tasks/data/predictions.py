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
from types import MappingProxyType
from typing import Any

from unifer_tasks.data.first_places import FirstPlaces
from unifer_tasks.data.formats.rows import Row
from unifer_tasks.data.formats.sniffing import read_rows
from unifer_tasks.data.prediction_files import open_predictions, title
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
from unifer_tasks.support.records import RecordError

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
        path: A file in a format of `unifer_tasks.data.formats`; `-` is standard input.
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
        except RecordError as error:
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
            row = next(read_rows(file))
            as_prediction(row.values, row.spelled)
    except (StopIteration, ValueError, OSError, PredictionError, MissingModuleError):
        return False
    return True


def _prediction(row: Row, places: FirstPlaces) -> Prediction:
    if row.problem:
        raise ValueError(row.problem)
    found = as_prediction(row.values, row.spelled)
    first = places.setdefault(f"{found.dataset} {found.id}", row.number)
    if first != row.number:
        raise ValueError(
            f"repeats {found.dataset} {found.id!r} of {row.unit} {first:,}; keep one of the two"
        )
    return found


def as_prediction(
    values: Mapping[str, Any], spelled: Mapping[str, str] = MappingProxyType({})
) -> Prediction:
    """Turn the values of a row into a prediction.

    Args:
        values: By column of a prediction file; others are ignored.
        spelled: Column -> its name in the file, for messages, where that differs.

    Raises:
        ValueError: What is wrong with it.
    """
    row = _Values(values, spelled)
    try:
        dataset = dataset_key(row.text("dataset"))
    except UnknownDatasetError as error:
        raise ValueError(f"{error}; give one of these") from None
    word = row.text("target")
    target = _target(dataset, word)
    if target is None:
        raise ValueError(
            f"{row.name('target')} {word!r:.60} is not a label of {dataset}: "
            f"{', '.join(label_space(dataset).labels)}; give one of these"
        )
    failed = _is_error(values.get("error"))
    response, label = (None, None) if failed else _answer(row)
    # A report holds a question for many models.
    return Prediction(dataset, sys.intern(_id(row)), target, response, label, failed)


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a row by column, and how its file spells the columns."""

    by_column: Mapping[str, Any]
    spelled: Mapping[str, str]

    def name(self, column: str) -> str:
        return self.spelled.get(column, column)

    def text(self, column: str) -> str:
        """Return the text in a column.

        Raises:
            ValueError: There is none.
        """
        value = self.by_column.get(column)
        if isinstance(value, str):
            return value
        name = self.name(column)
        if column not in self.by_column:
            raise ValueError(f"lacks `{name}`, {self.what_it_has}; {_GIVE[column]}")
        shown = json.dumps(value, default=str)[:60]
        raise ValueError(f"`{name}` must be a string, got {shown}; {_GIVE[column]}")

    @property
    def what_it_has(self) -> str:
        # Several columns may come from one of the file's.
        names = ", ".join(dict.fromkeys(map(self.name, self.by_column)))
        return f"has {names[:80]}" if names else "has nothing"


@lru_cache(maxsize=1024)
def _target(dataset: str, word: str) -> str | None:
    """Return the label that a word is, in any case and by either of its names; None for none."""
    labels = label_space(dataset).labels
    target = word.strip().lower()
    if target in labels:
        return target
    return {canonical(label): label for label in labels}.get(canonical(target))


def _is_error(value: object) -> bool:
    """Return whether a value marks a failed request; an error message does."""
    if isinstance(value, str):
        return value.strip().lower() not in _NO_ERROR
    if isinstance(value, float) and math.isnan(value):
        return False
    return bool(value)


def _answer(row: _Values) -> tuple[str | None, str | None]:
    values = row.by_column
    given = [key for key in ("response", "label") if key in values]
    names = [f"`{row.name(key)}`" for key in given]
    if len(given) == 2:
        # What writes the rows of a table as objects gives every column.
        given = [key for key in given if values[key] is not None]
        if not given:
            raise ValueError(f"has null as {' and as '.join(names)}; {_GIVE['response']}")
    if len(given) == 2:
        raise ValueError(f"has both {' and '.join(names)}; leave one of them out")
    if not given and "response" in row.spelled:
        given = ["response"]
    if not given:
        raise ValueError(f"needs `response` or `label`, {row.what_it_has}; {_GIVE['response']}")
    if given == ["label"]:
        # An extractor that found nothing writes null.
        return None, "" if values["label"] is None else row.text("label")
    return row.text("response"), None


def _id(row: _Values) -> str:
    value = row.by_column.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    elif value != "":
        value = row.text("id")
    if not value:
        raise ValueError(f"has an empty `{row.name('id')}`; {_GIVE['id']}")
    return value
