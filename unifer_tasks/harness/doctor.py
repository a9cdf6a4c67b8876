"""Check that everything a FERBench run needs is installed and in place."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from unifer_tasks.data import contents
from unifer_tasks.data.manifest import DataError, Manifest, data_root, intact_path, read_manifest
from unifer_tasks.harness.probe import problem
from unifer_tasks.protocol.labels import FERBENCH, label_space
from unifer_tasks.protocol.variants.listed import BASE, task_name
from unifer_tasks.support.counted import counted
from unifer_tasks.support.extras import BACKENDS, EVAL

MODELS = ("unifer",)
"""Model ids whose modules are imported unless others are named."""

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        level: "error" means that a run would fail or give wrong scores.
        text: What was found, and the remedy where one is needed.
    """

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level:<8} {self.text}"


def examine(models: Sequence[str] = MODELS) -> list[Finding]:
    """Check versions, what a run imports, the plugin and the data, and return what was found.

    Args:
        models: Model ids of lmms-eval whose modules are imported.
    """
    return [*_versions(), _imports(models), _plugin(), *_data()]


def _versions() -> Iterator[Finding]:
    yield Finding("ok", f"Python {sys.version.split()[0]}, unifer {version('unifer')}")
    for text in requires("unifer") or []:
        requirement = Requirement(text)
        if not requirement.marker or not requirement.marker.evaluate({"extra": "eval"}):
            continue
        name = requirement.name
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding("error", f"{name} is not installed; {EVAL.install}")
            continue
        # A local build such as 2.11.0+cpu satisfies 2.11.0.
        if requirement.specifier.contains(found.partition("+")[0], prereleases=True):
            yield Finding("ok", f"{name} {found}")
        else:
            yield Finding(
                "error", f"{name} {found} does not satisfy {requirement.specifier}; install that"
            )


def _imports(models: Sequence[str]) -> Finding:
    for model in models:
        if model in BACKENDS and (missing := BACKENDS[model].missing()):
            text = f"the model {model} needs {missing[0]}: {BACKENDS[model].install}"
            return Finding("error", text)
    if reason := problem(models):
        return Finding("error", f"lmms-eval cannot run {', '.join(models)}: {reason}")
    return Finding("ok", f"lmms-eval and {', '.join(models)} import what they need")


def _plugin() -> Finding:
    names = [entry.value for entry in entry_points(group="lmms_eval.models")]
    if "unifer_tasks.harness.plugin:load" in names:
        return Finding("ok", "lmms-eval finds the FERBench plugin")
    return Finding("error", "lmms-eval does not find the plugin; install unifer with pip")


def _data() -> Iterator[Finding]:
    try:
        root = data_root()
        manifest = read_manifest(root)
    except DataError as error:
        yield Finding("error", str(error))
        return
    yield Finding("ok", f"{root}: {manifest.source}")
    if manifest.stand_in:
        yield Finding("warning", "STAND-IN: scores on synthetic faces say nothing of photographs")
    held = manifest.datasets
    if only_own := held and FERBENCH.keys().isdisjoint(held):
        names = ",".join(task_name(dataset, BASE) for dataset in held)
        yield Finding("warning", f"no dataset of FERBench is there; run it with --tasks {names}")
    for dataset in dict.fromkeys(held if only_own else [*FERBENCH, *held]):
        yield _dataset(root, manifest, dataset)


def _dataset(root: Path, manifest: Manifest, dataset: str) -> Finding:
    try:
        path = intact_path(root, manifest, dataset)
    except DataError as error:
        return Finding("error", str(error))
    file = manifest.datasets[dataset]
    if wrong := list(contents.problems(path, dataset, file)):
        more = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
        return Finding("error", wrong[0] + more)
    space = label_space(dataset)
    if not space.test_counts:
        return Finding(
            "ok", f"{space.title}: {counted(file.rows, 'question')}; no counts are official"
        )
    if manifest.is_complete(dataset):
        return Finding("ok", f"{space.title}: all {counted(file.rows, 'question')}")
    differences = ", ".join(
        f"{label} {file.counts.get(label, 0):,} of {expected:,}"
        for label, expected in space.test_counts.items()
        if file.counts.get(label, 0) != expected
    )
    level: Level = "warning" if manifest.stand_in else "error"
    return Finding(
        level, f"{space.title}: {file.rows:,} of {space.n_test:,} questions ({differences})"
    )
