"""What a system answered, read from disk: prediction files and lmms-eval's sample logs.

A prediction file is JSONL, one object a line: `dataset`, `id`, `target`, and one of
`response` (the model's whole output) and `label` (already extracted by the system that wrote the
file), or `error: true` where there was no response.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unifer_tasks.answers import REQUEST_FAILED_PREFIX
from unifer_tasks.labels import UnknownDatasetError, label_space

MAX_LISTED = 20
"""Bad lines that an error lists one by one; the rest are counted."""


class PredictionError(Exception):
    """A prediction file has lines that cannot be scored; the message names each."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question and what a system made of it.

    Attributes:
        dataset: The dataset's key.
        id: The question's id in its dataset.
        target: The true label, in the dataset's own word.
        response: The model's whole output; None if `label` or `error` stands for it.
        label: The label that another program read, "" for none; None if `response` stands.
        error: True if the model was not heard.
    """

    dataset: str
    id: str
    target: str
    response: str | None = None
    label: str | None = None
    error: bool = False


def read_predictions(path: Path) -> list[Prediction]:
    """Reads a prediction file, all of it or nothing.

    Args:
        path: A JSONL file. Blank lines are passed over.

    Raises:
        PredictionError: Lines are malformed or repeat a question, or there is none.
        OSError: The file cannot be read.
    """
    predictions: list[Prediction] = []
    problems: list[str] = []
    first_line: dict[tuple[str, str], int] = {}
    for number, line in _lines(path):
        try:
            prediction = _parse(line)
            key = (prediction.dataset, prediction.id)
            if key in first_line:
                raise ValueError(f"repeats {key[0]} {key[1]!r} of line {first_line[key]}")
        except ValueError as error:
            problems.append(f"line {number}: {error}")
        else:
            first_line[key] = number
            predictions.append(prediction)
    if problems:
        listed = "\n  ".join(problems[:MAX_LISTED])
        more = len(problems) - MAX_LISTED
        tail = f"\n  and {more} more" if more > 0 else ""
        raise PredictionError(
            f"{path}: {len(problems)} of {len(problems) + len(predictions)} lines cannot be "
            f"scored; nothing was written\n  {listed}{tail}"
        )
    if not predictions:
        raise PredictionError(f"{path} holds no prediction")
    return predictions


Responses = dict[tuple[str, str], str]
"""(dataset, id) -> the model's whole output."""


def read_responses(path: Path) -> Responses:
    """Reads what a model said, from an lmms-eval output folder, a sample log or predictions.

    Args:
        path: A folder below which the sample logs of FERBench tasks lie (of several runs of a
            task the newest counts), one such log, or a prediction file.

    Raises:
        PredictionError: Nothing there can be replayed; the message says why.
        OSError: A file cannot be read.
    """
    if path.is_dir():
        logs = sorted(path.rglob("*_samples_ferbench_*.jsonl"), key=lambda log: log.name)
        newest = {_task_of_log(log): log for log in logs}
        if not newest:
            raise PredictionError(
                f"{path} holds no *_samples_ferbench_*.jsonl; run lmms-eval with --log_samples"
            )
        return {key: text for log in newest.values() for key, text in read_responses(log).items()}
    first = next(_lines(path), None)
    if first is None:
        raise PredictionError(f"{path} is empty")
    if b'"filtered_resps"' in first[1]:
        return _logged_responses(path)
    return {
        (prediction.dataset, prediction.id): _replayable(path, prediction)
        for prediction in read_predictions(path)
    }


def _task_of_log(path: Path) -> str:
    return path.stem.partition("_samples_")[2]


def _logged_responses(path: Path) -> Responses:
    responses: Responses = {}
    for number, line in _lines(path):
        try:
            sample = json.loads(line)
            record, response = sample["accuracy"], sample["filtered_resps"]
            key = (str(record["dataset"]), str(record["id"]))
        except (ValueError, KeyError, TypeError) as error:
            raise PredictionError(
                f"{path}, line {number}: no FERBench sample of lmms-eval ({error!r})"
            ) from None
        responses[key] = response if isinstance(response, str) else response[0]
    return responses


def _replayable(path: Path, prediction: Prediction) -> str:
    if prediction.error:
        return f"{REQUEST_FAILED_PREFIX} in {path.name}]"
    if prediction.response is None:
        raise PredictionError(
            f"{path}: {prediction.dataset} {prediction.id!r} has a label and no response; "
            "`ferbench score` scores labels"
        )
    return prediction.response


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, line


def _parse(line: bytes) -> Prediction:
    """Reads one line.

    Raises:
        ValueError: What is wrong with it.
    """
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError("is no JSON object")
    dataset = _string(row, "dataset")
    try:
        labels = label_space(dataset).labels
    except UnknownDatasetError as error:
        raise ValueError(str(error)) from None
    target = _string(row, "target")
    if target not in labels:
        raise ValueError(f"target {target!r} is no label of {dataset}: {', '.join(labels)}")
    failed = row.get("error", False)
    if not isinstance(failed, bool):
        raise ValueError("`error` must be true or false")
    response, label = (None, None) if failed else _answer(row)
    return Prediction(dataset, _id(row), target, response, label, failed)


def _answer(row: dict[str, Any]) -> tuple[str | None, str | None]:
    given = [key for key in ("response", "label") if key in row]
    if len(given) != 1:
        raise ValueError(
            "needs `response` or `label`" if not given else "has both `response` and `label`"
        )
    if given == ["label"]:
        # null is how an extractor says that it found nothing.
        return None, "" if row["label"] is None else _string(row, "label")
    return _string(row, "response"), None


def _id(row: dict[str, Any]) -> str:
    value = row.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _string(row, "id")


def _string(row: dict[str, Any], key: str) -> str:
    if key not in row:
        raise ValueError(f"lacks `{key}`")
    if not isinstance(row[key], str):
        raise ValueError(f"`{key}` must be a string, got {json.dumps(row[key])[:60]}")
    return str(row[key])
