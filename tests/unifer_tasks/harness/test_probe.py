"""What a run imports, tried in a process of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from unifer_tasks.harness.probe import _imported, _main, problem


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b, c", [("a.b", 0), ("c", 0)]),
        ("from a import b", [("a", 0)]),
        ("from . import b", [("", 1)]),
        ("def f():\n    import filelock._api as api", [("filelock._api", 0)]),
        ("class A:\n    def f(self):\n        if x:\n            from a import b", [("a", 0)]),
        ("try:\n    import a\nexcept ImportError:\n    import b", []),
    ],
)
def test_imports_within_functions_count(source: str, expected: list[tuple[str, int]]) -> None:
    assert list(_imported(ast.parse(source))) == expected


def test_what_a_run_imports_is_there() -> None:
    pytest.importorskip("lmms_eval")
    assert problem(["unifer", "replay"]) is None


def test_what_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lmms_eval")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['filelock._api'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    reason = problem(["unifer"])
    assert reason is not None
    assert "filelock._api" in reason


def test_a_function_that_is_replaced_and_has_moved_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluator = pytest.importorskip("lmms_eval.evaluator")
    monkeypatch.setattr(evaluator, "evaluate", lambda lm, tasks: None)
    assert _main(["unifer"]) == 1
    assert "lmms_eval.evaluator.evaluate of lmms-eval 0" in (error := capsys.readouterr().err)
    assert "takes no task_dict, log_samples, cli_args, response_cache, so unifer" in error


def test_a_model_that_lmms_eval_lacks_is_named() -> None:
    pytest.importorskip("lmms_eval")
    assert problem(["unifr"]) == "no model is called 'unifr'; did you mean unifer or unifer_vllm?"
