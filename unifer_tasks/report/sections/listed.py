"""Every section, in the order in which a report shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.tables import Section
from unifer_tasks.report.sections import (
    calibration,
    groups,
    orders,
    outcomes,
    parts,
    repeats,
    robustness,
    variants,
    votes,
    worth,
)

Build = Callable[[Sequence[Assessment], Sequence[Comparison]], Section | None]
"""Runs, comparisons -> a section; None where the runs have nothing for it."""

SECTIONS: tuple[Build, ...] = (
    outcomes.section,
    parts.section,
    variants.section,
    orders.section,
    robustness.section,
    worth.section,
    repeats.section,
    calibration.section,
    votes.section,
    groups.section,
)


def sections(
    assessments: Sequence[Assessment], comparisons: Sequence[Comparison]
) -> tuple[Section, ...]:
    """Return the sections that the runs have something for."""
    built = (build(assessments, comparisons) for build in SECTIONS)
    return tuple(section for section in built if section is not None)
