"""`scores.json`: every figure of a report, for programs.

The typed dictionaries below are its schema. A change that could mislead a reader of an earlier
version raises `SCHEMA`; a new key does not. Shares and scores are in [0, 1]; a score that nothing
was counted for is null. Intervals are [low, high] at 95 %.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.order import order_biases
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.support.files import atomic_write

SCHEMA = 1
SCORES_NAME = "scores.json"

Interval = tuple[float, float]


class ClassScores(TypedDict):
    """One class: scores, and questions that have it as truth (support) or as answer."""

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


class ConfusionCounts(TypedDict):
    """`counts[true][predicted]` over `labels`, the last of which is "unknown" (not read)."""

    labels: list[str]
    counts: list[list[int]]


class Section(TypedDict):
    """A dataset, or the pool of all answers: these keys, and each of `metrics.METRICS`.

    `excluded` answers are not among the `n`.
    """

    n: int
    classes: dict[str, ClassScores]
    confusion: ConfusionCounts
    intervals: dict[str, Interval] | None
    excluded: int
    outcomes: dict[str, int]
    questions: int


class MeanSection(TypedDict):
    """The unweighted mean over `datasets`: these keys, and each of `metrics.METRICS`."""

    intervals: dict[str, Interval] | None
    datasets: list[str]


class Summary(TypedDict):
    """A run by one reader (`unifer_tasks.scoring.summary.Summary`)."""

    schema: int
    reader: str
    complete: bool
    datasets: dict[str, Section]
    pooled: Section
    mean: MeanSection


class RepeatedAnswers(TypedDict):
    """`unifer_tasks.scoring.repeats.RepeatScores`; `pass_at` maps k, as a string, to pass@k."""

    repeats: int
    questions: int
    accuracy: float
    majority_vote: float
    agreement: float
    pass_at: dict[str, float]


class RunScores(TypedDict):
    """A run, with both readers' scores and `measures.RationaleMeasures`.

    `stand_in` is null where the files do not tell whether the faces are drawn. `repeats` maps a
    dataset and "pooled" to the figures of several answers to each question, and is empty where
    each was asked once.
    """

    name: str
    variant: str
    title: str
    source: str
    stand_in: bool | None
    complete: bool
    notes: list[str]
    provenance: dict[str, str]
    questions: dict[str, str]
    strict: Summary
    upstream: Summary
    rationale: dict[str, Any]
    repeats: dict[str, RepeatedAnswers]


class Counts(TypedDict):
    """Shared questions by who was right."""

    both: int
    only_a: int
    only_b: int
    neither: int


class DifferenceScores(TypedDict):
    """`unifer_tasks.report.figures.comparison.Difference`."""

    counts: Counts
    a: float
    b: float
    difference: float
    interval: Interval
    p: float
    p_holm: float


class ComparisonScores(TypedDict):
    """`unifer_tasks.report.figures.comparison.Comparison`."""

    a: str
    b: str
    datasets: dict[str, DifferenceScores]
    pooled: DifferenceScores
    only_in_a: int
    only_in_b: int


class OrderBiasScores(TypedDict):
    """`unifer_tasks.report.figures.order.OrderBias`."""

    accuracy: list[float | None]
    spread: float
    agreement: float | None
    positions: list[float | None]
    expected: list[float | None]


class Published(TypedDict):
    """A score that others measured (`unifer_tasks.report.figures.published.PublishedScore`)."""

    model: str
    dataset: str
    metric: str
    score: float
    decimals: int
    reader: str
    prompt: str
    by: str
    source: str
    url: str
    n: int | None


class Scores(TypedDict):
    """The whole file. `order_bias` maps a model to its datasets."""

    schema: int
    unifer: str
    warnings: list[str]
    runs: list[RunScores]
    comparisons: list[ComparisonScores]
    order_bias: dict[str, dict[str, OrderBiasScores]]
    published: list[Published]


def scores_document(
    assessments: Sequence[Assessment],
    comparisons: Sequence[Comparison],
    published: Sequence[PublishedScore],
    warnings: Sequence[str] = (),
) -> Scores:
    """Return the content of `scores.json`."""
    document: Scores = _plain(
        {
            "schema": SCHEMA,
            "unifer": version("unifer"),
            "warnings": warnings,
            "runs": [_run(one) for one in assessments],
            "comparisons": [asdict(each) for each in comparisons],
            "order_bias": {
                name: {dataset: asdict(bias) for dataset, bias in parts.items()}
                for name, parts in order_biases(assessments).items()
            },
            "published": [asdict(score) for score in published],
        }
    )
    return document


def write_scores(path: Path, document: Scores) -> None:
    """Write `scores.json`, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _run(one: Assessment) -> dict[str, Any]:
    return {
        "name": one.run.name,
        "variant": one.run.variant,
        "title": one.run.title,
        "source": one.run.source,
        "stand_in": one.run.stand_in,
        "complete": one.strict.complete,
        "notes": one.run.notes,
        "provenance": one.run.provenance,
        "questions": one.run.questions,
        "strict": one.strict.as_json(),
        "upstream": one.upstream.as_json(),
        "rationale": asdict(one.measures),
        "repeats": {
            scope: {**asdict(found), "pass_at": {str(k): p for k, p in found.pass_at.items()}}
            for scope, found in one.repeats.items()
        },
    }


def _plain(value: Any) -> Any:
    """Turn mappings and sequences into what JSON has, and NaN into None."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
