"""Read the answers of a run from disk: lmms-eval's sample logs, and whatever can be replayed."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unifer_tasks.data.asked import AskedQuestion, asked_questions
from unifer_tasks.data.formats.json_rows import parse_object
from unifer_tasks.data.logs import Log, find_log, logs_of_one_run, task_of_log
from unifer_tasks.data.manifest import DATA_VARIABLE
from unifer_tasks.data.prediction_files import title
from unifer_tasks.data.predictions import (
    Prediction,
    PredictionError,
    Problems,
    as_prediction,
    read_predictions,
)
from unifer_tasks.data.results_file import RESULTS
from unifer_tasks.protocol.answers.outcomes import REQUEST_FAILED_PREFIX
from unifer_tasks.protocol.variants.listed import BASE, TASKS, Variant, task_name
from unifer_tasks.support.records import RecordError, require_file

_GIVE = "give a sample log of lmms-eval, or a prediction file"

_SPELLED = {"dataset": "accuracy.dataset", "id": "accuracy.id", "target": "accuracy.gold"}
"""Column of a prediction -> the key of a sample that holds it."""

Responses = dict[tuple[str, str, int], tuple[str, ...]]
"""(dataset, id, permutation of the candidates) -> what the model said, once for each time that
it was asked."""


@dataclass(frozen=True, slots=True)
class LoggedSample:
    """A line of a sample log of lmms-eval.

    Attributes:
        answers: The question with each response to it, one unless lmms-eval was run with
            `--repeats`; a request that failed has lmms-eval's note as its response (see
            `answers.request_failed`).
        question: The text that was asked.
        permutation: Which order of the candidates was asked, from 0.
    """

    answers: tuple[Prediction, ...]
    question: str
    permutation: int

    @property
    def prediction(self) -> Prediction:
        """The question with the first response to it."""
        return self.answers[0]

    @property
    def key(self) -> tuple[str, str, int]:
        """Dataset, id and order of the candidates, which no other sample of a log shares."""
        return self.prediction.dataset, self.prediction.id, self.permutation


@dataclass(frozen=True, slots=True)
class SampleLog:
    """lmms-eval's log of one task.

    Attributes:
        samples: In the log's order; no question twice under the same order of candidates.
        cut_off: True if the last line breaks off, as when a run is killed; it is left out.
    """

    samples: tuple[LoggedSample, ...]
    cut_off: bool


def read_sample_log(path: Path, variant: Variant = BASE) -> SampleLog:
    """Read a sample log of a FERBench task, up to where it breaks off if it does.

    Args:
        path: The log.
        variant: Whose samples it is to hold.

    Raises:
        PredictionError: Lines are malformed, of another variant or repeat a question, or there
            is none; or the log is one of `--predict_only` and its data is not at hand.
        OSError: The file cannot be read.
    """
    _require_file(path)
    cut_off = _breaks_off(path)
    lines = _LoggedLines(path, variant)
    first_line: dict[tuple[str, str, int], int] = {}
    samples: list[LoggedSample] = []
    problems = Problems(
        "line",
        remedy="Restore the log as lmms-eval wrote it, or run the task again",
        instead="remove the log, which a run left that was interrupted, or run the task again",
    )
    for number, line in _lines(path):
        if cut_off and not line.endswith(b"\n"):
            continue
        try:
            sample = lines.parse(line)
            if (first := first_line.setdefault(sample.key, number)) != number:
                raise ValueError(f"repeats {sample.key[0]} {sample.key[1]!r} of line {first}")
        except ValueError as error:
            problems.add(f"line {number:,}: {error}")
        else:
            samples.append(sample)
    problems.check(title(path), len(samples))
    return SampleLog(tuple(samples), cut_off)


def holds_no_sample(path: Path) -> bool:
    """Return whether a log has no whole line, as a run leaves that is killed early."""
    first = next(_lines(path), None)
    return first is None or (not first[1].endswith(b"\n") and _breaks_off(path))


def _require_file(path: Path) -> None:
    try:
        require_file(path)
    except RecordError as error:
        raise PredictionError(f"{title(path)} {error}; {_GIVE}") from None


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


def read_responses(
    path: Path, variant: Variant = BASE, note: Callable[[str], None] = lambda _: None
) -> Responses:
    """Read what a model said, from an lmms-eval output folder, a sample log or predictions.

    Args:
        path: A folder below which the sample logs of FERBench tasks lie (of several runs of a
            task the newest counts), the results file of one run, one such log, or a prediction
            file.
        variant: Whose responses; in a folder, logs of others are ignored.
        note: Receives what must not be overlooked, such as older runs.

    Raises:
        PredictionError: Nothing there can be replayed, or it is of several models or of runs
            that differ; the message says why.
        OSError: A file cannot be read.
    """
    if path.is_dir() or path.match(RESULTS):
        logs, older = logs_of_one_run(path, variant)
        if older:
            note(older)
        return {
            key: texts
            for log in logs.values()
            for key, texts in _logged_responses(log.path, variant).items()
        }
    _require_file(path)
    first = next(_lines(path), None)
    if first is None:
        raise PredictionError(f"{title(path)} is empty; {_GIVE}")
    if b'"filtered_resps"' in first[1]:
        return _logged_responses(path, variant)
    return {
        (prediction.dataset, prediction.id, 0): (_replayable(path, prediction),)
        for prediction in read_predictions(path)
    }


def _logged_responses(path: Path, variant: Variant) -> Responses:
    log = read_sample_log(path, variant)
    if log.cut_off:
        raise PredictionError(
            f"{title(path)} breaks off in its last line, since the run was interrupted; remove the "
            "line, or run the task again"
        )
    return {
        (row.prediction.dataset, row.prediction.id, row.permutation): tuple(
            answer.response or "" for answer in row.answers
        )
        for row in log.samples
    }


def _replayable(path: Path, prediction: Prediction) -> str:
    if prediction.error:
        return f"{REQUEST_FAILED_PREFIX} in {path.name}]"
    if prediction.response is None:
        raise PredictionError(
            f"{title(path)}: {prediction.dataset} {prediction.id!r} has a label and no response; "
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


class _LoggedLines:
    """Reads the lines of one sample log.

    Args:
        path: The log.
        variant: Whose samples it is to hold.
    """

    def __init__(self, path: Path, variant: Variant) -> None:
        self._path = path
        self._variant = variant

    def parse(self, line: bytes) -> LoggedSample:
        """Read one line.

        Raises:
            ValueError: What is wrong with it.
        """
        sample = parse_object(line)
        if "accuracy" not in sample and "bypass" in sample:
            dataset, asked = self._asked(sample)
        else:
            dataset, asked = self._recorded(sample)
        row = {"dataset": dataset, "id": asked.id, "target": asked.target}
        key, responses = _responses(sample)
        spelled = {**_SPELLED, "response": key}
        answers = tuple(as_prediction({**row, "response": text}, spelled) for text in responses)
        if not answers:
            raise ValueError("has no response")
        return LoggedSample(answers, sys.intern(asked.text), asked.permutation)

    def _recorded(self, sample: dict[str, Any]) -> tuple[str, AskedQuestion]:
        """Read which question it was from our own record."""
        try:
            record, question = sample["accuracy"], str(sample["input"])
            variant = record.get("variant", BASE.key)
            asked = AskedQuestion(
                record["id"], record["gold"], record.get("permutation", 0), question
            )
            dataset = record["dataset"]
        except (KeyError, TypeError, AttributeError) as error:
            raise _no_sample(error) from None
        if variant != self._variant.key:
            raise _other_variant(variant, self._variant)
        last = self._variant.n_orders - 1
        if type(asked.permutation) is not int or not 0 <= asked.permutation <= last:
            raise ValueError(
                f"has {asked.permutation!r:.60} as `permutation`, which must be an integer from 0 "
                f"to {last}"
            )
        named = TASKS.get(task_of_log(self._path))
        if named is not None and dataset != named[1]:
            raise ValueError(
                f"is of {dataset!r:.60}, in a log of {named[1]}; name the log as lmms-eval did"
            )
        return dataset, asked

    def _asked(self, sample: dict[str, Any]) -> tuple[str, AskedQuestion]:
        """Find out which question it was by its number, for `--predict_only`."""
        log = self._log
        if log.variant is not self._variant:
            raise _other_variant(log.variant.key, self._variant)
        number, target = sample.get("doc_id"), sample.get("target")
        if not isinstance(number, int) or not 0 <= number < len(self._questions):
            raise ValueError(f"has no question's number as `doc_id`, but {number!r}")
        asked = self._questions[number]
        if target != asked.target:
            raise ValueError(
                f"is of other data: question {number} there has the label {asked.target!r}, "
                f"here {target!r}; set {DATA_VARIABLE} to the data that was asked"
            )
        return log.dataset, AskedQuestion(
            asked.id, asked.target, asked.permutation, str(sample.get("input", asked.text))
        )

    @cached_property
    def _log(self) -> Log:
        return find_log(self._path)

    @cached_property
    def _questions(self) -> tuple[AskedQuestion, ...]:
        return asked_questions(self._log)


def _responses(sample: dict[str, Any]) -> tuple[str, Sequence[Any]]:
    """Return the responses of a sample, as many as the question was asked times, and their key."""
    try:
        scored = sample["filtered_resps"]
        # What lmms-eval's own filter leaves of several answers is the first.
        every = sample.get("resps", scored)
        if isinstance(scored, str):
            repeated = isinstance(every, list) and len(every) > 1
            return ("resps", every) if repeated else ("filtered_resps", (scored,))
        return "filtered_resps", [*(scored if isinstance(scored[0], str) else scored[0])]
    except (KeyError, IndexError, TypeError) as error:
        raise _no_sample(error) from None


def _other_variant(found: str, expected: Variant) -> ValueError:
    return ValueError(
        f"is of the variant {found!r:.60}, not of {expected.key}; give a log of "
        f"{task_name('*', expected)}, named as lmms-eval did"
    )


def _no_sample(error: Exception) -> ValueError:
    return ValueError(
        f"is not a FERBench sample of lmms-eval ({error!r}); give a log of {task_name('*')} that "
        "was written with --log_samples"
    )
