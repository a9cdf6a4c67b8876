"""`scores.json`: every figure of a report, for programs.

`Scores` and the dataclasses in it are its schema: a key is a field. Beside them are the figures of
each section (`unifer_tasks.report.sections`) that the runs have something for, under its key. A
change that could mislead a reader of an earlier version raises `SCHEMA`; a new key does not.
Shares and scores are in [0, 1]; a score that nothing was counted for is null. Intervals are
[low, high] at 95 %.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.contents import Contents
from unifer_tasks.report.figures.measures import RationaleMeasures
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.scoring.repeats import RepeatScores
from unifer_tasks.support.files import atomic_write

SCHEMA = 1
SCORES_NAME = "scores.json"


@dataclass(frozen=True, slots=True)
class RunScores:
    """A run.

    Attributes:
        name: The model's name.
        variant: The key of its variant.
        title: Name and variant.
        source: The folder or file that it was read from.
        stand_in: Whether the faces are synthetic; null if unknown.
        complete: Whether exactly the benchmark's questions were asked.
        notes: What must not be overlooked, a sentence each.
        provenance: How the run was made, for people.
        questions: Dataset -> the question that all its samples were asked.
        strict: The scores by the strict reader (`unifer_tasks.scoring.summary.Summary.as_json`).
        upstream: The scores by the upstream reader.
        rationale: What the rationales are like.
        repeats: A dataset, or "pooled" -> what several answers to each question show; empty where
            each was asked once.
    """

    name: str
    variant: str
    title: str
    source: str
    stand_in: bool | None
    complete: bool
    notes: tuple[str, ...]
    provenance: Mapping[str, str]
    questions: Mapping[str, str]
    strict: Mapping[str, Any]
    upstream: Mapping[str, Any]
    rationale: RationaleMeasures
    repeats: Mapping[str, RepeatScores]


@dataclass(frozen=True, slots=True)
class Scores:
    """The whole file but for the figures of the sections.

    Attributes:
        schema: `SCHEMA`.
        unifer: The version of the package.
        warnings: What must be known before any figure is read, a sentence each.
        runs: The runs.
        comparisons: Pairs of them.
        order_bias: Model -> dataset -> how much the order of the candidates matters, from its
            section; empty without it.
        published: What others measured.
    """

    schema: int
    unifer: str
    warnings: tuple[str, ...]
    runs: tuple[RunScores, ...]
    comparisons: tuple[Comparison, ...]
    order_bias: Mapping[str, Mapping[str, Any]]
    published: tuple[PublishedScore, ...]


def scores_document(report: Contents) -> dict[str, Any]:
    """Return the content of `scores.json`."""
    scores = Scores(
        SCHEMA,
        version("unifer"),
        tuple(report.warnings),
        tuple(map(_run, report.runs)),
        tuple(report.comparisons),
        {},
        tuple(report.published),
    )
    figures = {section.key: section.figures for section in report.sections if section.figures}
    return {**as_plain(scores), **as_plain(figures)}


def write_scores(path: Path, document: Mapping[str, Any]) -> None:
    """Write `scores.json`, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _run(one: Assessment) -> RunScores:
    return RunScores(
        name=one.run.name,
        variant=one.run.variant_key,
        title=one.run.title,
        source=one.run.source,
        stand_in=one.run.stand_in,
        complete=one.strict.complete,
        notes=one.run.notes,
        provenance=one.run.provenance,
        questions=one.run.questions,
        strict=one.strict.as_json(),
        upstream=one.upstream.as_json(),
        rationale=one.measures,
        repeats=one.repeats,
    )


def as_plain(value: Any) -> Any:
    """Turn dataclasses, mappings and sequences into what JSON has, and NaN into None."""
    if is_dataclass(value):
        return {each.name: as_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(part) for part in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
