"""The house: which room may import which, how large a room may be, and what must stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

ORDER = (
    "unifer_tasks.support",
    "unifer_tasks.redaction",
    "unifer_tasks.protocol",
    "unifer_tasks.protocol.answers",
    "unifer_tasks.protocol.variants",
    "unifer_tasks",
    "unifer_tasks.rationale",
    "unifer_tasks.data.formats",
    "unifer_tasks.data",
    "unifer_tasks.scoring",
    "unifer_tasks.ferbench",
    "unifer_tasks.harness.requests",
    "unifer_tasks.harness",
    "unifer_tasks.harness.models",
    "unifer_tasks.runner",
    "unifer_tasks.report.sources",
    "unifer_tasks.report.figures",
    "unifer_tasks.report.sections",
    "unifer_tasks.report.renderers",
    "unifer_tasks.report.page",
    "unifer_tasks.report",
    "unifer_tasks.cli",
    "unifer_rewards.terms",
    "unifer_rewards.attacks",
    "unifer_rewards",
    "data_prep",
    "data_prep.support",
    "data_prep.sources",
    "data_prep.images",
    "data_prep.outputs",
    "data_prep.training",
    "data_prep.synthetic.faces",
    "data_prep.synthetic",
    "data_prep.cli",
    "recipes",
    "recipes.qwen2_5_vl",
    "recipes.tiny_cpu",
    "recipes.training",
    "recipes.training.configuration",
    "recipes.training.runs",
    "recipes.training.checks",
    "recipes.training.plan",
    "recipes.training.launch",
    "recipes.training.results",
    "recipes.training.cli",
    "recipes.tiny_cpu.demo",
)
"""Every room of the four libraries; each imports only from rooms before it."""

LIBRARIES = ("unifer_tasks", "unifer_rewards", "data_prep", "recipes")
MOST_MODULES = 12
LIGHT = (
    *("protocol", "protocol.answers", "protocol.variants"),
    *("rationale", "scoring", "data", "data.formats", "redaction", "support"),
)
"""The rooms of `unifer_tasks` that the rewards may use, in every worker of a trainer."""

HEAVY = ("torch", "transformers", "lmms_eval", "verl", "vllm", "ray", "datasets", "sklearn")


def modules(package: str) -> dict[str, Path]:
    """Return dotted name -> file of every module of a package."""
    return {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (REPOSITORY / package).rglob("*.py")
    }


MODULES = {name: path for package in LIBRARIES for name, path in modules(package).items()}


def room(module: str) -> str:
    """Return the folder that a module lies in, as a dotted name."""
    return ".".join(MODULES[module].parent.relative_to(REPOSITORY).parts)


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in whole]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name for name in names if name in MODULES)


ARROWS = {
    (module, target)
    for module, path in MODULES.items()
    for target in imported(path)
    if room(module) != room(target)
}


def test_every_room_has_its_place_and_its_docstring() -> None:
    rooms = {room(module) for module in MODULES}
    assert rooms == set(ORDER)
    undocumented = [
        name
        for name in rooms
        if not ast.get_docstring(ast.parse((MODULES[name]).read_text(encoding="utf-8")))
    ]
    assert undocumented == []


def test_no_room_is_crowded() -> None:
    sizes = Counter(room(module) for module, path in MODULES.items() if path.name != "__init__.py")
    assert [pair for pair in sizes.items() if pair[1] > MOST_MODULES] == []


def test_arrows_between_rooms_point_one_way() -> None:
    assert len(ARROWS) > 100
    back = [
        f"{module} imports {target}"
        for module, target in ARROWS
        if ORDER.index(room(module)) <= ORDER.index(room(target))
    ]
    assert back == []


@pytest.mark.parametrize(
    ("package", "others"),
    [
        ("unifer_tasks", set()),
        ("unifer_rewards", {f"unifer_tasks.{name}" for name in LIGHT}),
        ("data_prep", {f"unifer_tasks.{name}" for name in (*LIGHT, "harness.requests")}),
    ],
)
def test_packages_use_only_these_rooms_of_others(package: str, others: set[str]) -> None:
    used = {
        room(target)
        for module, target in ARROWS
        if module.split(".")[0] == package != target.split(".")[0]
    }
    assert used <= others


@pytest.mark.parametrize(
    "module",
    [
        "unifer_tasks",
        *(f"unifer_tasks.{name}" for name in LIGHT),
        "unifer_tasks.harness.plugin",
        "unifer_tasks.cli.main",
        "unifer_rewards",
        "unifer_rewards.fer",
        "data_prep.cli.main",
    ],
)
def test_import_loads_nothing_heavy(module: str) -> None:
    every = [name for name in MODULES if room(name) == module and not name.endswith("__main__")]
    code = (
        f"import sys, {module}, {', '.join(every) if module.endswith(LIGHT) else module}\n"
        f"print(*(sys.modules.keys() & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
