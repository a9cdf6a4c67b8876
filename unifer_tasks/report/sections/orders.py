"""Order of the candidates: how much an answer depends on it."""

from __future__ import annotations

from collections.abc import Sequence

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.order import order_biases
from unifer_tasks.report.figures.tables import Percent, Section, Table


def section(assessments: Sequence[Assessment], _: Sequence[Comparison]) -> Section | None:
    """Return the order bias of each model and dataset; None if no model was shuffled."""
    found = order_biases(assessments)
    rows = tuple(
        (
            name,
            LABEL_SPACES[dataset].title,
            tuple(map(Percent, bias.accuracy)),
            Percent(bias.spread),
            Percent(bias.agreement),
        )
        for name, parts in found.items()
        for dataset, bias in parts.items()
    )
    if not rows:
        return None
    columns = ("model", "dataset", "WAR under each order", "spread", "same answer under all")
    return Section(
        "order_bias",
        "Order of the candidates",
        "The same questions under several orders of their candidate labels.",
        Table(columns, rows, n_texts=2),
        found,
    )
