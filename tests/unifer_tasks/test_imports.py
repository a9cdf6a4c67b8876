"""What must be light is light, and arrows between packages point one way."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

HEAVY = ("torch", "transformers", "lmms_eval", "verl", "vllm", "ray", "datasets", "sklearn")


@pytest.mark.parametrize(
    "module",
    [
        "unifer_tasks",
        "unifer_tasks.protocol.answers",
        "unifer_tasks.scoring.metrics",
        "unifer_tasks.harness.plugin",
        "unifer_tasks.cli.main",
        "unifer_tasks.rationale.reasoning",
        "unifer_rewards",
        "unifer_rewards.fer",
        "data_prep.cli.main",
    ],
)
def test_import_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*(sys.modules.keys() & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_unifer_tasks_imports_neither_of_the_others() -> None:
    imported = {
        (path.name, name.split(".")[0])
        for path in (REPOSITORY / "unifer_tasks").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _names(node)
    }
    assert [pair for pair in imported if pair[1] in {"data_prep", "unifer_rewards"}] == []
    assert ("answers.py", "unifer_tasks") in imported


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
