"""A run, read and scored: the input of its row, its plots and its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from unifer_tasks.data.annotations import Annotations
from unifer_tasks.report.figures.measures import (
    RationaleMeasures,
    RationaleRecord,
    measure,
    rationale_record,
)
from unifer_tasks.report.sources.given import read_runs
from unifer_tasks.report.sources.runs import QuestionKey, Run
from unifer_tasks.scoring.metrics import Reader
from unifer_tasks.scoring.repeats import Repeated, RepeatScores, repeat_scores
from unifer_tasks.scoring.summary import POOLED, Reading, Summary, pooled_datasets, read, score


@dataclass(frozen=True)
class Assessment:
    """A run with its readings and scores.

    Attributes:
        run: The run.
        readings: Each prediction as the strict reader took it, in the run's order.
        records: The content of each prediction's rationale, in the same order; None where no
            response was received.
        strict: The scores by the strict reader.
        upstream: The scores by the upstream reader.
        measures: The measures of the rationales.
        repeats: Dataset key, or "pooled" -> what several answers to each question show, by the
            strict reader; empty where each question was asked once.
        annotations: Dataset key -> question id -> its annotations; empty where the
            report has no data, or none that the run was asked.
    """

    run: Run
    readings: tuple[Reading, ...]
    records: tuple[RationaleRecord | None, ...]
    strict: Summary
    upstream: Summary
    measures: RationaleMeasures
    repeats: Mapping[str, RepeatScores]
    annotations: Mapping[str, Mapping[str, Annotations]] = field(default_factory=dict)

    def summary(self, reader: Reader) -> Summary:
        """Return the scores by a reader."""
        return self.strict if reader == "strict" else self.upstream

    @cached_property
    def by_question(self) -> Mapping[QuestionKey, Reading]:
        """The readings by what was asked, in the run's order."""
        return {(row.prediction.dataset, row.prediction.id): row for row in self.readings}

    @cached_property
    def targets(self) -> Mapping[str, Mapping[str, str]]:
        """Dataset key -> question id -> its true label, in the run's order."""
        found: dict[str, dict[str, str]] = {}
        for (dataset, id_), row in self.by_question.items():
            found.setdefault(dataset, {})[id_] = row.prediction.target
        return found

    @cached_property
    def right(self) -> Mapping[str, frozenset[str]]:
        """Dataset key -> the ids of the questions with the right answer."""
        return {
            dataset: frozenset(id_ for id_ in ids if self.by_question[dataset, id_].is_right)
            for dataset, ids in self.targets.items()
        }


def assess(
    run: Run, annotations: Mapping[str, Mapping[str, Annotations]] | None = None
) -> Assessment:
    """Read and score a run, with the strict reader of its variant.

    Args:
        run: The run.
        annotations: Dataset key -> question id -> its annotations, if known.
    """
    readings = tuple(read(row, "strict", run.variant.read) for row in run.predictions)
    records = tuple(map(rationale_record, readings))
    upstream = [read(row, "upstream") for row in run.predictions]
    return Assessment(
        run,
        readings,
        records,
        score(readings, "strict"),
        score(upstream, "upstream"),
        measure(readings, records),
        _repeats(run),
        annotations or {},
    )


def assess_runs(paths: Iterable[Path | tuple[str, Path]]) -> list[Assessment]:
    """Read runs (see `read_runs`) and score each."""
    return [assess(run) for run in read_runs(paths)]


def _repeats(run: Run) -> dict[str, RepeatScores]:
    asked: dict[str, list[Repeated]] = {}
    for answers in run.repeated:
        labels = tuple(read(row, "strict", run.variant.read).label for row in answers)
        asked.setdefault(answers[0].dataset, []).append(Repeated(answers[0].target, labels))
    every = [one for dataset in pooled_datasets(asked) for one in asked[dataset]]
    found = {name: repeat_scores(part) for name, part in {**asked, POOLED: every}.items()}
    return {name: scores for name, scores in found.items() if scores is not None}
