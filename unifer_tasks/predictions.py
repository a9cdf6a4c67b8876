"""What a system answered, read from disk: prediction files and lmms-eval's sample logs.

A prediction file is JSONL, one object a line: `dataset`, `id`, `target`, and one of
`response` (the model's whole output) and `label` (already extracted by the system that wrote the
file), or `error: true` where there was no response.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from unifer_tasks.answers import REQUEST_FAILED_PREFIX
from unifer_tasks.labels import LABEL_SPACES, UnknownDatasetError, label_space
from unifer_tasks.variants import BASE, Variant, task_name

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
    return _collect(path, _parse, lambda prediction: (prediction.dataset, prediction.id))


@dataclass(frozen=True, slots=True)
class LoggedSample:
    """A line of a sample log of lmms-eval.

    Attributes:
        prediction: The question and the response; a request that failed has lmms-eval's note as
            its response (see `answers.request_failed`).
        question: The text that was asked.
        permutation: Which order of the candidates was asked, from 0.
    """

    prediction: Prediction
    question: str
    permutation: int


@dataclass(frozen=True, slots=True)
class SampleLog:
    """What lmms-eval logged of one task.

    Attributes:
        samples: In the log's order; no question twice under the same order of candidates.
        cut_off: True if the last line breaks off, as when a run is killed; it is left out.
    """

    samples: tuple[LoggedSample, ...]
    cut_off: bool


def read_sample_log(path: Path, variant: Variant = BASE) -> SampleLog:
    """Reads a sample log of a FERBench task, up to where it breaks off if it does.

    Args:
        path: The log.
        variant: Whose samples it is to hold.

    Raises:
        PredictionError: Lines are malformed, of another variant or repeat a question, or there
            is none.
        OSError: The file cannot be read.
    """
    cut_off = _breaks_off(path)
    samples = _collect(
        path,
        partial(_parse_logged, variant=variant),
        lambda sample: (sample.prediction.dataset, sample.prediction.id, sample.permutation),
        cut_off=cut_off,
    )
    return SampleLog(tuple(samples), cut_off)


_Line = TypeVar("_Line")


def _collect(
    path: Path,
    parse: Callable[[bytes], _Line],
    key: Callable[[_Line], tuple[Hashable, ...]],
    *,
    cut_off: bool = False,
) -> list[_Line]:
    """Parses the lines of a file; all of it, but for a last line that is cut off, or nothing."""
    parsed: list[_Line] = []
    problems: list[str] = []
    first_line: dict[tuple[Hashable, ...], int] = {}
    for number, line in _lines(path):
        if cut_off and not line.endswith(b"\n"):
            continue
        try:
            row = parse(line)
            if (found := key(row)) in first_line:
                raise ValueError(f"repeats {found[0]} {found[1]!r} of line {first_line[found]}")
        except ValueError as error:
            problems.append(f"line {number}: {error}")
        else:
            first_line[found] = number
            parsed.append(row)
    if problems:
        listed = "\n  ".join(problems[:MAX_LISTED])
        more = len(problems) - MAX_LISTED
        tail = f"\n  and {more} more" if more > 0 else ""
        raise PredictionError(
            f"{path}: {len(problems)} of {len(problems) + len(parsed)} lines cannot be "
            f"scored; nothing was written\n  {listed}{tail}"
        )
    if not parsed:
        raise PredictionError(f"{path} holds no prediction")
    return parsed


def _breaks_off(path: Path) -> bool:
    with path.open("rb") as file:
        last = next(iter(deque(file, maxlen=1)), b"\n")
    if last.endswith(b"\n"):
        return False
    try:
        json.loads(last)
    except (ValueError, RecursionError):
        return True
    return False


Responses = dict[tuple[str, str, int], str]
"""(dataset, id, permutation of the candidates) -> the model's whole output."""


def read_responses(path: Path, variant: Variant = BASE) -> Responses:
    """Reads what a model said, from an lmms-eval output folder, a sample log or predictions.

    Args:
        path: A folder below which the sample logs of FERBench tasks lie (of several runs of a
            task the newest counts), one such log, or a prediction file.
        variant: Whose responses; in a folder, logs of others are passed over.

    Raises:
        PredictionError: Nothing there can be replayed; the message says why.
        OSError: A file cannot be read.
    """
    if path.is_dir():
        tasks = {task_name(dataset, variant) for dataset in LABEL_SPACES}
        logs = sorted(path.rglob("*_samples_*.jsonl"), key=lambda log: log.name)
        newest = {task: log for log in logs if (task := task_of_log(log)) in tasks}
        if not newest:
            raise PredictionError(
                f"{path} holds no *_samples_{task_name('*', variant)}.jsonl; run lmms-eval with "
                "--log_samples"
            )
        return {
            key: text
            for log in newest.values()
            for key, text in read_responses(log, variant).items()
        }
    first = next(_lines(path), None)
    if first is None:
        raise PredictionError(f"{path} is empty")
    if b'"filtered_resps"' in first[1]:
        return _logged_responses(path, variant)
    return {
        (prediction.dataset, prediction.id, 0): _replayable(path, prediction)
        for prediction in read_predictions(path)
    }


def task_of_log(path: Path) -> str:
    """Returns the task whose samples a log of lmms-eval holds, by its name."""
    return path.stem.partition("_samples_")[2]


def _logged_responses(path: Path, variant: Variant) -> Responses:
    log = read_sample_log(path, variant)
    if log.cut_off:
        raise PredictionError(f"{path} breaks off in its last line: the run was interrupted")
    return {
        (row.prediction.dataset, row.prediction.id, row.permutation): row.prediction.response or ""
        for row in log.samples
    }


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
    return as_prediction(_object(line))


def _parse_logged(line: bytes, variant: Variant) -> LoggedSample:
    """Reads one line of a sample log.

    Raises:
        ValueError: What is wrong with it.
    """
    sample = _object(line)
    try:
        record, response = sample["accuracy"], sample["filtered_resps"]
        row = {"dataset": record["dataset"], "id": record["id"], "target": record["gold"]}
        text = response if isinstance(response, str) else response[0]
        question, permutation = str(sample["input"]), record.get("permutation", 0)
        logged = record.get("variant", BASE.key)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"is no FERBench sample of lmms-eval ({error!r})") from None
    if logged != variant.key:
        raise ValueError(f"a sample of the variant {logged}, not of {variant.key}")
    return LoggedSample(as_prediction({**row, "response": text}), sys.intern(question), permutation)


def _object(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError("is no JSON object")
    return row


def as_prediction(row: dict[str, Any]) -> Prediction:
    """Turns an object with the keys of a prediction file into a prediction.

    Raises:
        ValueError: What is wrong with it.
    """
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
    # A report holds the same questions for many models.
    dataset, id_, target = map(sys.intern, (dataset, _id(row), target))
    return Prediction(dataset, id_, target, response, label, failed)


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
