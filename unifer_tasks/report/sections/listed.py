"""Every section, in the order in which a report shows them."""

from __future__ import annotations

from collections.abc import Sequence

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


def sections(runs: Sequence[Assessment], comparisons: Sequence[Comparison]) -> tuple[Section, ...]:
    """Return the sections that the runs have something for."""
    built = (
        outcomes.section(runs),
        parts.section(runs),
        variants.section(runs, comparisons),
        orders.section(runs),
        robustness.section(runs),
        worth.section(runs),
        repeats.section(runs),
        calibration.section(runs),
        votes.section(runs),
        groups.section(runs),
    )
    return tuple(section for section in built if section is not None)
