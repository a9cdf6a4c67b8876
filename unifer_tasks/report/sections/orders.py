"""Order of the candidates: how much an answer depends on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.listed import N_ORDERS
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import Percent, Section, Table


@dataclass(frozen=True, slots=True)
class OrderedAnswer:
    """The answer to a question under one order of its candidates.

    Attributes:
        id: The question.
        target: The true label.
        label: The label that was read, or None.
        permutation: Which of the `N_ORDERS` orders.
        candidates: The labels in that order.
    """

    id: str
    target: str
    label: str | None
    permutation: int
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderBias:
    """How much answers depend on the order of the candidates, over one dataset.

    Attributes:
        accuracy: For each permutation, in [0, 1]; NaN for none that was asked.
        spread: The largest of them less the smallest.
        agreement: Of the questions asked under all orders, the share that were read as the same
            label each time; NaN of none.
        positions: Of the answers that were read, the share at each place of the list.
        expected: What `positions` would be if the same labels had been chosen as often under
            every order. The difference of the two is the preference for a place.
    """

    accuracy: tuple[float, ...]
    spread: float
    agreement: float
    positions: tuple[float, ...]
    expected: tuple[float, ...]


def section(assessments: Sequence[Assessment]) -> Section | None:
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


def order_biases(assessments: Sequence[Assessment]) -> dict[str, dict[str, OrderBias]]:
    """Return model name -> dataset key -> order bias, of the models that were shuffled."""
    models: dict[str, list[Assessment]] = {}
    for one in assessments:
        if one.run.variant.n_orders > 1:
            models.setdefault(one.run.name, []).append(one)
    return {name: _by_dataset(parts) for name, parts in models.items()}


def _by_dataset(parts: Iterable[Assessment]) -> dict[str, OrderBias]:
    answers: dict[str, list[OrderedAnswer]] = {dataset: [] for dataset in LABEL_SPACES}
    for one in parts:
        variant, permutation = one.run.variant, one.run.permutation
        listed = {
            dataset: variant.listings(space.labels)[permutation]
            for dataset, space in LABEL_SPACES.items()
            if permutation < variant.times_asked(dataset)
        }
        for row in one.readings:
            asked = row.prediction
            answers[asked.dataset].append(
                OrderedAnswer(asked.id, asked.target, row.label, permutation, listed[asked.dataset])
            )
    return {dataset: order_bias(rows) for dataset, rows in answers.items() if rows}


def order_bias(answers: Sequence[OrderedAnswer]) -> OrderBias:
    """Measure order bias.

    Args:
        answers: Of one dataset, at least one.

    Raises:
        ValueError: There is none.
    """
    if not answers:
        raise ValueError("order bias needs at least one answer")
    asked: dict[int, list[OrderedAnswer]] = {turn: [] for turn in range(N_ORDERS)}
    labels_of: defaultdict[str, list[str | None]] = defaultdict(list)
    for row in answers:
        asked[row.permutation].append(row)
        labels_of[row.id].append(row.label)
    accuracy = tuple(
        _share(sum(row.label == row.target for row in part), len(part)) for part in asked.values()
    )
    known = [value for value, part in zip(accuracy, asked.values(), strict=True) if part]
    orders = min(N_ORDERS, len(answers[0].candidates))
    whole = [labels for labels in labels_of.values() if len(labels) == orders]
    agreeing = sum(None not in labels and len(set(labels)) == 1 for labels in whole)
    read = [row for row in answers if row.label is not None]
    chosen = Counter(row.label for row in read)
    places = range(len(answers[0].candidates))
    at = Counter(row.candidates.index(row.label) for row in read if row.label is not None)
    return OrderBias(
        accuracy,
        max(known) - min(known),
        _share(agreeing, len(whole)),
        tuple(_share(at[place], len(read)) for place in places),
        tuple(
            _share(sum(chosen[row.candidates[place]] for row in read), len(read) ** 2)
            for place in places
        ),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
