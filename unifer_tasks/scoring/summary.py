"""Predictions -> a scored run, for `ferbench score` and whatever reads its JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from unifer_tasks.protocol.answers import (
    UNKNOWN,
    Answer,
    Outcome,
    read_answer,
    read_label,
    read_upstream,
    read_upstream_label,
    request_failed,
)
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES, N_QUESTIONS
from unifer_tasks.scoring.metrics import (
    METRICS,
    Confusion,
    Reader,
    bootstrap,
    class_scores,
    dataset_confusion,
    mean_scores,
    pool,
    scores,
)
from unifer_tasks.scoring.predictions import Prediction

SCHEMA = 1

_OUTCOMES: Mapping[Reader, tuple[str, ...]] = {
    "strict": tuple(outcome.value for outcome in Outcome),
    "upstream": (Outcome.ANSWERED.value, UNKNOWN, Outcome.REQUEST_FAILED.value),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One prediction as a reader took it.

    Attributes:
        prediction: What was read.
        label: The candidate label; None where it could not be read.
        pooled_label: The label as the pooled score takes it; differs from `label` only where
            upstream's two evaluators of a dataset do.
        outcome: The outcome; upstream knows only answered, "unknown" and request-failed.
        counted: False if the reader leaves the question out of its denominator.
    """

    prediction: Prediction
    label: str | None
    pooled_label: str | None
    outcome: str
    counted: bool = True


def read(
    prediction: Prediction, reader: Reader, answer: Callable[[str, str], Answer] = read_answer
) -> Reading:
    """Reads one prediction.

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
    return Reading(prediction, answer.label, answer.label, answer.outcome.value)


def _read_upstream(prediction: Prediction) -> Reading:
    dataset, response = prediction.dataset, prediction.response
    if prediction.error or (response is not None and request_failed(response)):
        return Reading(prediction, None, None, Outcome.REQUEST_FAILED.value, counted=False)
    if response is not None:
        own = read_upstream(response, dataset)
        pooled = read_upstream(response, dataset, pooled=True)
    else:
        own = pooled = read_upstream_label(prediction.label or "", dataset)
    outcome = UNKNOWN if own == UNKNOWN else Outcome.ANSWERED.value
    return Reading(prediction, own, pooled, outcome)


def summarise(readings: Sequence[Reading], reader: Reader) -> dict[str, Any]:
    """Scores a run.

    Args:
        readings: Every prediction of the run, read by `reader`; at least one.
        reader: "strict" or "upstream".

    Returns:
        A JSON-ready object. `datasets` maps each key to `n`, the metrics and their
        `intervals`, `outcomes`, `classes` and `confusion`; `pooled` has the same over all
        answers to FERBench's datasets, `mean` the metrics averaged over these; both are over
        the others where a run has none of FERBench's. `complete` is false unless
        each of them has as many predictions of each label as the benchmark has questions.
        A score that nothing was counted for is None.
    """
    rows = {
        dataset: [row for row in readings if row.prediction.dataset == dataset]
        for dataset in LABEL_SPACES
    }
    rows = {dataset: group for dataset, group in rows.items() if group}
    own = {
        dataset: _confusion(dataset, [(row, row.label) for row in group])
        for dataset, group in rows.items()
    }
    poolable = {
        dataset: _confusion(dataset, [(row, row.pooled_label) for row in group])
        for dataset, group in rows.items()
    }
    pooled = [dataset for dataset in rows if dataset in FERBENCH] or list(rows)
    heard = {dataset: own[dataset] for dataset in pooled if own[dataset].n}
    others = {dataset: own[dataset] for dataset in rows if dataset not in pooled}
    intervals = bootstrap(heard, reader) if heard else None
    of_pool = bootstrap({d: poolable[d] for d in heard}, reader) if heard else None
    of_dataset = {
        **(intervals.datasets if intervals else {}),
        **{d: bootstrap({d: part}, reader).datasets[d] for d, part in others.items() if part.n},
    }
    return {
        "schema": SCHEMA,
        "reader": reader,
        "complete": all(
            space.is_complete(Counter(row.prediction.target for row in rows.get(dataset, ())))
            for dataset, space in FERBENCH.items()
        ),
        "datasets": {
            dataset: {
                **_section(own[dataset], reader),
                "intervals": of_dataset.get(dataset),
                **_counts(group, reader),
                "questions": LABEL_SPACES[dataset].n_test or len(group),
            }
            for dataset, group in rows.items()
        },
        "pooled": {
            **_section(pool(poolable[dataset] for dataset in pooled), reader),
            "intervals": of_pool.pooled if of_pool else None,
            **_counts([row for dataset in pooled for row in rows[dataset]], reader),
            "questions": N_QUESTIONS,
        },
        "mean": {
            **_numbers(mean_scores(scores(part, reader) for part in heard.values())),
            "intervals": intervals.mean if intervals else None,
            "datasets": list(heard),
        },
    }


def _confusion(dataset: str, labelled: Iterable[tuple[Reading, str | None]]) -> Confusion:
    return dataset_confusion(
        dataset, [(row.prediction.target, label) for row, label in labelled if row.counted]
    )


def _section(part: Confusion, reader: Reader) -> dict[str, Any]:
    square = np.vstack([part.counts, np.zeros_like(part.counts[:1])])
    return {
        "n": part.n,
        **_numbers(scores(part, reader)),
        "classes": {label: asdict(row) for label, row in class_scores(part).items()},
        "confusion": {"labels": [*part.labels, UNKNOWN], "counts": square.tolist()},
    }


def _counts(rows: Sequence[Reading], reader: Reader) -> dict[str, Any]:
    found = Counter(row.outcome for row in rows)
    return {
        "excluded": sum(not row.counted for row in rows),
        "outcomes": {outcome: found[outcome] for outcome in _OUTCOMES[reader]},
    }


def _numbers(row: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(row[name]) else row[name] for name in METRICS}
