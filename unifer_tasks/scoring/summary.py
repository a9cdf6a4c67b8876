"""Score a run, for `ferbench score` and the readers of its JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.answers.outcomes import Outcome, request_failed
from unifer_tasks.protocol.answers.strict import Answer, read_answer, read_label
from unifer_tasks.protocol.answers.upstream import UNKNOWN, read_upstream, read_upstream_label
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES, N_QUESTIONS
from unifer_tasks.scoring.intervals import Estimate, Interval
from unifer_tasks.scoring.metrics import (
    METRICS,
    ClassScores,
    Confusion,
    Reader,
    bootstrap,
    class_scores,
    dataset_confusion,
    mean_scores,
    pool,
    scores,
)

SCHEMA = 1

POOLED, MEAN = "pooled", "mean"
"""The scopes that are no single dataset."""

OUTCOMES: Mapping[Reader, tuple[str, ...]] = {
    "strict": tuple(outcome.value for outcome in Outcome),
    "upstream": (Outcome.ANSWERED.value, UNKNOWN, Outcome.REQUEST_FAILED.value),
}
"""Reader -> the outcomes that it knows."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One prediction as read by a reader.

    Attributes:
        prediction: What was read.
        answer: The strict reader's answer, its rationale included; None by the
            upstream reader.
        label: The candidate label; None where it could not be read.
        pooled_label: The label as the pooled score takes it; differs from `label` only where
            upstream's two evaluators of a dataset do.
        outcome: The outcome; upstream knows only answered, "unknown" and request-failed.
        counted: False if the reader leaves the question out of its denominator.
    """

    prediction: Prediction
    answer: Answer | None
    label: str | None
    pooled_label: str | None
    outcome: str
    counted: bool = True

    @property
    def is_right(self) -> bool:
        """Whether the label is the target."""
        return self.label == self.prediction.target


def read(
    prediction: Prediction, reader: Reader, answer: Callable[[str, str], Answer] = read_answer
) -> Reading:
    """Read one prediction.

    Args:
        prediction: The prediction.
        reader: "strict" or "upstream".
        answer: What the strict reader reads a response to a dataset's question with; a variant
            of the benchmark may have its own.
    """
    return _read_strict(prediction, answer) if reader == "strict" else _read_upstream(prediction)


def _read_strict(prediction: Prediction, read_response: Callable[[str, str], Answer]) -> Reading:
    if prediction.error:
        answer = Answer(None, Outcome.REQUEST_FAILED)
    elif prediction.response is not None:
        answer = read_response(prediction.response, prediction.dataset)
    else:
        answer = read_label(prediction.label or "", prediction.dataset)
    return Reading(prediction, answer, answer.label, answer.label, answer.outcome.value)


def _read_upstream(prediction: Prediction) -> Reading:
    dataset, response = prediction.dataset, prediction.response
    if prediction.error or (response is not None and request_failed(response)):
        return Reading(prediction, None, None, None, Outcome.REQUEST_FAILED.value, counted=False)
    if response is not None:
        own = read_upstream(response, dataset)
        pooled = own
        if LABEL_SPACES[dataset].upstream.spans_lines:
            # The evaluator of all datasets reads this one's blocks otherwise.
            pooled = read_upstream(response, dataset, pooled=True)
    else:
        own = pooled = read_upstream_label(prediction.label or "", dataset)
    outcome = UNKNOWN if own == UNKNOWN else Outcome.ANSWERED.value
    return Reading(prediction, None, own, pooled, outcome)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores in one scope. A score of nothing is None.

    Attributes:
        scores: Each of `METRICS`.
        intervals: Metric -> its interval; None if nothing was counted.
    """

    scores: Mapping[str, float | None]
    intervals: Mapping[str, Interval] | None

    def interval(self, metric: str) -> Interval | None:
        """Return a metric's interval; None if nothing was counted."""
        return self.intervals[metric] if self.intervals else None

    def estimate(self, metric: str) -> Estimate | None:
        """Return a metric with its interval; None if nothing was counted."""
        value, interval = self.scores[metric], self.interval(metric)
        return None if value is None or interval is None else Estimate(value, interval)


@dataclass(frozen=True, slots=True)
class DatasetScores(Scored):
    """The scores of one dataset, or of several pooled.

    Attributes:
        n: The answers that the reader counts.
        classes: Label -> its own scores.
        confusion: How often each true label was answered with each label.
        excluded: The answers that the reader leaves out of its denominator.
        outcomes: Outcome -> how many answers, excluded ones among them.
        targets: True label -> how many answers, excluded ones among them; 0 for another word.
        questions: How many the benchmark asks there; how many were asked where it asks none.
    """

    n: int
    classes: Mapping[str, ClassScores]
    confusion: Confusion
    excluded: int
    outcomes: Mapping[str, int]
    targets: Counter[str]
    questions: int

    @property
    def answers(self) -> int:
        """The number of answers, excluded ones among them."""
        return self.n + self.excluded

    def as_json(self) -> dict[str, Any]:
        """Return the scores as a file holds them."""
        square = np.vstack([self.confusion.counts, np.zeros_like(self.confusion.counts[:1])])
        return {
            "n": self.n,
            **self.scores,
            "classes": {label: asdict(row) for label, row in self.classes.items()},
            "confusion": {"labels": [*self.confusion.labels, UNKNOWN], "counts": square.tolist()},
            "intervals": self.intervals,
            "excluded": self.excluded,
            "outcomes": dict(self.outcomes),
            "questions": self.questions,
        }


@dataclass(frozen=True, slots=True)
class MeanScores(Scored):
    """The unweighted mean of datasets' scores.

    Attributes:
        datasets: The datasets that it is over.
    """

    datasets: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the scores as a file holds them."""
        return {**self.scores, "intervals": self.intervals, "datasets": list(self.datasets)}


@dataclass(frozen=True, slots=True)
class Summary:
    """A run, scored by one reader.

    Attributes:
        reader: The reader.
        complete: Whether each of FERBench's datasets has as many predictions of each label as the
            benchmark has questions.
        datasets: Dataset key -> its scores.
        pooled: The scores over all answers to FERBench's datasets, or to the others where a run
            has none of these.
        mean: The mean over the same datasets.
    """

    reader: Reader
    complete: bool
    datasets: Mapping[str, DatasetScores]
    pooled: DatasetScores
    mean: MeanScores

    def scope(self, name: str) -> DatasetScores | MeanScores | None:
        """Return the scores of a dataset, or "pooled" or "mean"; None of a dataset not asked."""
        if name == POOLED:
            return self.pooled
        return self.mean if name == MEAN else self.datasets.get(name)

    def as_json(self) -> dict[str, Any]:
        """Return the scores as a file holds them."""
        return {
            "schema": SCHEMA,
            "reader": self.reader,
            "complete": self.complete,
            "datasets": {dataset: part.as_json() for dataset, part in self.datasets.items()},
            "pooled": self.pooled.as_json(),
            "mean": self.mean.as_json(),
        }


class _Cell(NamedTuple):
    """What is counted of a reading."""

    dataset: str
    target: str
    label: str | None
    pooled_label: str | None
    outcome: str
    counted: bool


_Cells = Mapping[_Cell, int]


def score(readings: Iterable[Reading], reader: Reader) -> Summary:
    """Score a run, in memory that does not grow with its length.

    Args:
        readings: Every prediction of the run, read by `reader`; at least one.
        reader: "strict" or "upstream".
    """
    cells = Counter(
        _Cell(
            row.prediction.dataset,
            row.prediction.target,
            row.label,
            row.pooled_label,
            row.outcome,
            row.counted,
        )
        for row in readings
    )
    parts = {
        dataset: {cell: n for cell, n in cells.items() if cell.dataset == dataset}
        for dataset in LABEL_SPACES
    }
    parts = {dataset: part for dataset, part in parts.items() if part}
    own = {
        dataset: _confusion(dataset, part, lambda cell: cell.label)
        for dataset, part in parts.items()
    }
    poolable = {
        dataset: _confusion(dataset, part, lambda cell: cell.pooled_label)
        for dataset, part in parts.items()
    }
    pooled = pooled_datasets(parts)
    answered = {dataset: own[dataset] for dataset in pooled if own[dataset].n}
    others = {dataset: own[dataset] for dataset in parts if dataset not in pooled}
    intervals = bootstrap(answered, reader) if answered else None
    # The strict reader pools what it read, so one bootstrap gives both, as it often does of
    # the other.
    pools_as_read = all(np.array_equal(own[d].counts, poolable[d].counts) for d in answered)
    of_pool = intervals if pools_as_read else bootstrap({d: poolable[d] for d in answered}, reader)
    of_dataset = {
        **(intervals.datasets if intervals else {}),
        **{d: bootstrap({d: part}, reader).datasets[d] for d, part in others.items() if part.n},
    }
    datasets = {
        dataset: _section(
            own[dataset],
            part,
            reader,
            of_dataset.get(dataset),
            LABEL_SPACES[dataset].n_test or sum(part.values()),
        )
        for dataset, part in parts.items()
    }
    return Summary(
        reader,
        all(
            dataset in datasets and space.is_complete(datasets[dataset].targets)
            for dataset, space in FERBENCH.items()
        ),
        datasets,
        _section(
            pool(poolable[dataset] for dataset in pooled),
            {cell: n for cell, n in cells.items() if cell.dataset in pooled},
            reader,
            of_pool.pooled if of_pool else None,
            N_QUESTIONS
            if any(dataset in FERBENCH for dataset in pooled)
            else sum(datasets[dataset].questions for dataset in pooled),
        ),
        MeanScores(
            _numbers(mean_scores(scores(part, reader) for part in answered.values())),
            intervals.mean if intervals else None,
            tuple(answered),
        ),
    )


def pooled_datasets(datasets: Iterable[str]) -> list[str]:
    """Return which datasets are pooled: those of FERBench, or all where there is none of these."""
    found = list(datasets)
    return [dataset for dataset in found if dataset in FERBENCH] or found


def _confusion(dataset: str, cells: _Cells, label: Callable[[_Cell], str | None]) -> Confusion:
    pairs = Counter[tuple[str, str | None]]()
    for cell, n in cells.items():
        if cell.counted:
            pairs[cell.target, label(cell)] += n
    return dataset_confusion(dataset, pairs)


def _section(
    part: Confusion,
    cells: _Cells,
    reader: Reader,
    intervals: Mapping[str, Interval] | None,
    questions: int,
) -> DatasetScores:
    outcomes, targets = Counter[str](), Counter[str]()
    for cell, n in cells.items():
        outcomes[cell.outcome] += n
        targets[cell.target] += n
    return DatasetScores(
        n=part.n,
        scores=_numbers(scores(part, reader)),
        intervals=intervals,
        classes=class_scores(part),
        confusion=part,
        excluded=sum(n for cell, n in cells.items() if not cell.counted),
        outcomes={outcome: outcomes[outcome] for outcome in OUTCOMES[reader]},
        targets=targets,
        questions=questions,
    )


def _numbers(row: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(row[name]) else row[name] for name in METRICS}
