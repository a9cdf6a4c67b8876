"""The task files of this folder that follow from the declared datasets, variants and metrics.

`python -m unifer_tasks.ferbench.leaves` writes them. Two kinds are written by hand:
`_template_yaml` (what all tasks share) and `VARIANT/_variant_yaml` (what a variant changes), which
the corruptions of the image do without: they differ in the names of two functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES
from unifer_tasks.protocol.variants.listed import (
    BASE,
    VARIANTS,
    Variant,
    datasets_of,
    group_name,
    task_name,
)
from unifer_tasks.scoring.metrics import METRICS, TASK_METRICS
from unifer_tasks.scoring.repeats import METRICS as REPEAT_METRICS

FOLDER = Path(__file__).parent

_MARK = "# Written by `python -m unifer_tasks.ferbench.leaves`.\n"


def task_files() -> Mapping[str, str]:
    """Return the text of each file, by its path below the folder.

    Raises:
        ValueError: The key of a dataset makes one name of two tasks or groups.
    """
    files = {"_metrics_yaml": _MARK + _metrics(), "_group_yaml": _MARK + _pooled()}
    for variant in (BASE, *VARIANTS.values()):
        named = {group_name(variant): _group(variant)}
        for dataset in datasets_of(variant):
            named.setdefault(task_name(dataset, variant), _leaf(dataset, variant))
        folder = _folder(variant)
        files |= {f"{folder}{name}.yaml": _MARK + text for name, text in named.items()}
    names = [Path(path).name for path in files if path.endswith(".yaml")]
    if len(set(names)) < sum(1 + len(datasets_of(each)) for each in (BASE, *VARIANTS.values())):
        raise ValueError(
            f"a dataset of {', '.join(LABEL_SPACES)} has the name of a variant, or of a variant "
            "with another dataset; choose another key"
        )
    return files


def stale_files(folder: Path = FOLDER) -> list[Path]:
    """Return the written files of a folder that no declaration asks for any longer."""
    wanted = {folder / path for path in task_files()}
    return sorted(path for path in folder.rglob("ferbench*.yaml") if path not in wanted)


def write(folder: Path = FOLDER) -> None:
    """Write the files of a folder, and remove those of datasets that are no longer declared."""
    for path in stale_files(folder):
        path.unlink()
    for name, text in task_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _metrics() -> str:
    rows = [
        (name, f"!function utils.{name}", metric.higher_is_better)
        for name, (metric, _) in TASK_METRICS.items()
    ]
    listed = "".join(map(_metric, rows))
    repeated = "".join(_metric((name, "mean", True)) for name in REPEAT_METRICS)
    return (
        f"metric_list:\n{listed}"
        f"# With --repeats alone; each question's figure is 0 or 1.\n{repeated}"
    )


def _metric(row: tuple[str, str, bool]) -> str:
    name, aggregation, higher = row
    return (
        f"  - metric: {name}\n    aggregation: {aggregation}\n"
        f"    higher_is_better: {str(higher).lower()}\n"
    )


def _pooled() -> str:
    pooled = "".join(
        f"  - metric: {name}\n    aggregation: !function utils.pooled\n" for name in METRICS
    )
    means = "".join(
        f"  - metric: {name}\n    aggregation: mean\n    weight_by_size: true\n"
        for name in REPEAT_METRICS
    )
    return (
        "# Pooled over the answers, not averaged over the datasets. lmms-eval takes each line for\n"
        "# every metric whose name contains it, so these reach the upstream metrics too.\n"
        f"aggregate_metric_list:\n{pooled}"
        f"# With --repeats alone: means over the questions.\n{means}"
        "metadata:\n  version: 1.0\n"
    )


def _group(variant: Variant) -> str:
    name, up = group_name(variant), _up(variant)
    tasks = "".join(f"  - {task_name(dataset, variant)}\n" for dataset in FERBENCH)
    return (
        f"include: {up}_group_yaml\ngroup: {name}\n"
        f"group_alias: !function {up}utils.alias_{name}\ntask:\n{tasks}"
    )


def _leaf(dataset: str, variant: Variant) -> str:
    name, up = task_name(dataset, variant), _up(variant)
    if variant is BASE:
        include, data = "_template_yaml", f"dataset_kwargs: !function utils.data_{dataset}\n"
        if LABEL_SPACES[dataset].part_of:
            data += f"process_docs: !function utils.part_{dataset}\n"
    elif variant.corrupts:
        include = f"../{task_name(dataset)}.yaml"
        data = (
            f"doc_to_visual: !function {up}utils.visual_{variant.key}\n"
            f"process_results: !function {up}utils.results_{variant.key}\n"
        )
    else:
        include, data = f"[_variant_yaml, ../{task_name(dataset)}.yaml]", ""
    return f"include: {include}\ntask: {name}\ntask_alias: !function {up}utils.alias_{name}\n{data}"


def _folder(variant: Variant) -> str:
    """Return where the files of a variant lie: those of all corruptions together."""
    if variant is BASE:
        return ""
    return "corrupted/" if variant.corrupts else f"{variant.key}/"


def _up(variant: Variant) -> str:
    return "" if variant is BASE else "../"


if __name__ == "__main__":
    write()
