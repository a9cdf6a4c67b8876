"""How much the order of the candidates matters: the runs of the variant `shuffled`, together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants import VARIANTS, OrderBias, order_bias, orders
from unifer_tasks.report.figures.assessment import Assessment

_SHUFFLED = VARIANTS["shuffled"]


def order_biases(assessments: Sequence[Assessment]) -> dict[str, dict[str, OrderBias]]:
    """Returns model name -> dataset key -> order bias, of the models that were shuffled."""
    models: dict[str, list[Assessment]] = {}
    for one in assessments:
        if one.run.tasks is _SHUFFLED:
            models.setdefault(one.run.name, []).append(one)
    return {name: _by_dataset(parts) for name, parts in models.items()}


def _by_dataset(parts: Iterable[Assessment]) -> dict[str, OrderBias]:
    records: dict[str, list[Mapping[str, Any]]] = {dataset: [] for dataset in LABEL_SPACES}
    for one in parts:
        permutation = int(one.run.variant.rpartition("_")[2])
        listed = {
            dataset: orders(space.labels)[permutation] for dataset, space in LABEL_SPACES.items()
        }
        for row in one.readings:
            asked = row.prediction
            records[asked.dataset].append(
                {
                    "dataset": asked.dataset,
                    "id": asked.id,
                    "gold": asked.target,
                    "prediction": row.label,
                    "permutation": permutation,
                    "candidate_labels": listed[asked.dataset],
                }
            )
    return {dataset: order_bias(rows) for dataset, rows in records.items() if rows}
