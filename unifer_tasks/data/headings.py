"""How lmms-eval's tables name FERBench's rows: with what must not be overlooked beside the scores.

A task's heading is known when it is selected, but not that `--limit` asks a part of it or
`--repeats` asks it several times. So the rows are named again once a run has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unifer_tasks.data.manifest import Manifest, data_root, read_manifest
from unifer_tasks.protocol.labels import FERBENCH
from unifer_tasks.protocol.variants.listed import BASE, TASKS, VARIANTS, Variant, group_name

GROUPS = {group_name(variant): variant for variant in (BASE, *VARIANTS.values())}
"""Group name -> its variant."""


def variant_of(name: str) -> Variant:
    """Return the variant that a task or group of FERBench asks."""
    return GROUPS[name] if name in GROUPS else TASKS[name][0]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a task was asked.

    Attributes:
        samples: The number of samples.
        repeats: How often each was asked.
    """

    samples: int
    repeats: int


def heading(name: str, extents: Sequence[Extent] | None = None) -> str:
    """Return the heading of a task or group of FERBench.

    Args:
        name: The task or group.
        extents: How much of each of its tasks was asked, if that is known yet.

    Raises:
        DataError: The data is absent or damaged.
    """
    variant, dataset = TASKS[name] if name in TASKS else (GROUPS[name], None)
    datasets = list(FERBENCH) if dataset is None else [dataset]
    orders = max(map(variant.times_asked, datasets))
    notes = list(_notes(read_manifest(data_root()), datasets, extents, orders))
    return f"{name} [{', '.join(notes)}]" if notes else name


def _notes(
    manifest: Manifest, datasets: Sequence[str], extents: Sequence[Extent] | None, orders: int
) -> Iterator[str]:
    asked = sum(each.samples for each in extents) if extents else None
    caveat = manifest.caveat(datasets, asked=asked, orders=orders)
    if caveat:
        yield caveat
    repeats = max((each.repeats for each in extents or ()), default=1)
    if repeats > 1:
        yield f"each asked {repeats} times"


def name_rows(results: Mapping[str, Any]) -> None:
    """Name FERBench's rows of an evaluation by what was asked, in place.

    Args:
        results: What `lmms_eval.evaluator.evaluate` returns.
    """
    extents = {task: extent for task in TASKS if (extent := _extent(results, task)) is not None}
    members = results.get("group_subtasks", {})
    for table in (results["results"], results.get("groups", {})):
        for name, row in table.items():
            tasks = [name] if name in TASKS else members.get(name, ()) if name in GROUPS else ()
            known = [extents[task] for task in tasks if task in extents]
            indent, found, _ = str(row.get("alias", "")).partition(name)
            if known and found and len(known) == len(tasks):
                row["alias"] = indent + heading(name, known)


def _extent(results: Mapping[str, Any], task: str) -> Extent | None:
    if task not in results.get("configs", {}):
        return None
    repeats = int(results["configs"][task].get("repeats") or 1)
    if task in results.get("samples", {}):
        return Extent(len(results["samples"][task]), repeats)
    counts = getattr(results["results"].get(task, {}).get("accuracy,none"), "counts", None)
    return None if counts is None else Extent(counts.n // repeats, repeats)
