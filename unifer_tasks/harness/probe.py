"""Import everything that a run imports, in a separate process.

    python -m unifer_tasks.harness.probe MODEL...

lmms-eval imports some modules within the functions that need them, minutes into a run, and some of
these are private to their packages: a new release takes them away. So the functions' imports count
too, unless they lie in a `try`, and so do the functions of lmms-eval that are replaced.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from unifer_tasks.support.nearest import did_you_mean

_MODULES = (
    "lmms_eval.__main__",
    "lmms_eval.evaluator",
    "lmms_eval.api.task",
    "lmms_eval.api.model",
    "lmms_eval.cli.dispatch",
)


def problem(models: Sequence[str]) -> str | None:
    """Return why a run of these models could not start, or None.

    Args:
        models: Model ids of lmms-eval.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, *models], capture_output=True, text=True, errors="replace"
    )
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"the imports ended with status {done.returncode}"


def _imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each module that a file imports outside of a `try`, with the dots of a relative one."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level
        elif not isinstance(node, ast.Try):
            yield from _imported(node)


def _main(models: Sequence[str]) -> int:
    from lmms_eval.models import MODEL_REGISTRY_V2, get_model

    from unifer_tasks.harness import host, plugin

    known = MODEL_REGISTRY_V2.list_model_names()
    for model in models:
        if model not in known:
            print(f"no model is called {model!r}{did_you_mean(model, known)}", file=sys.stderr)
            return 1
    for name in _MODULES:
        module = import_module(name)
        assert module.__file__ is not None
        for imported, level in _imported(ast.parse(Path(module.__file__).read_bytes())):
            try:
                import_module("." * level + imported, module.__package__)
            except ImportError as error:
                print(f"{name} cannot import {imported}: {error}", file=sys.stderr)
                return 1
    for seam in (*plugin.SEAMS, *host.SEAMS):
        if reason := seam.problem():
            print(reason, file=sys.stderr)
            return 1
    for model in models:
        get_model(model)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
