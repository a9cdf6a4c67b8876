"""What a report holds, whichever way it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.report.figures.tables import Section


@dataclass(frozen=True, slots=True)
class Contents:
    """What each renderer of a report is given (see `unifer_tasks.report.build.contents`).

    Attributes:
        runs: At least one, in the order given.
        comparisons: What is known of their differences.
        published: Scores of others, to show beside them.
        warnings: What a reader must know before any figure, a sentence each.
        sections: What was measured of the runs beside their scores.
    """

    runs: Sequence[Assessment]
    comparisons: Sequence[Comparison]
    published: Sequence[PublishedScore]
    warnings: Sequence[str]
    sections: Sequence[Section]
