"""A run, read and scored: all that its row, its plots and its page are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unifer_tasks.report.measures import (
    RationaleMeasures,
    RationaleRecord,
    measure,
    rationale_record,
)
from unifer_tasks.report.runs import Run
from unifer_tasks.scoring import Reading, read, summarise


@dataclass(frozen=True, slots=True)
class Assessment:
    """A run with everything that was found in it.

    Attributes:
        run: The run.
        readings: Each prediction as the strict reader took it, in the run's order.
        records: What the rationale of each prediction says, in the same order; None where no
            response was heard.
        strict: The scores by the strict reader (see `unifer_tasks.scoring.summarise`).
        upstream: The scores by the upstream reader.
        measures: What the rationales are like.
    """

    run: Run
    readings: tuple[Reading, ...]
    records: tuple[RationaleRecord | None, ...]
    strict: Mapping[str, Any]
    upstream: Mapping[str, Any]
    measures: RationaleMeasures


def assess(run: Run) -> Assessment:
    """Reads and scores a run, with the strict reader of its variant."""
    readings = tuple(read(row, "strict", run.tasks.read) for row in run.predictions)
    records = tuple(map(rationale_record, readings))
    upstream = [read(row, "upstream") for row in run.predictions]
    return Assessment(
        run,
        readings,
        records,
        summarise(readings, "strict"),
        summarise(upstream, "upstream"),
        measure(readings, records),
    )
