"""How a folder that holds another build is described."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from data_prep.cli.main import main
from data_prep.outputs.recipes import require_same
from data_prep.support.errors import PreparationError


@pytest.mark.parametrize(
    ("held", "asked", "expected"),
    [
        ({"questions": 1, "seed": 0}, {"questions": 2, "seed": 0}, "questions was 1, is 2"),
        ({"rows": None}, {"rows": 3}, "rows was not given, is 3"),
        ({"questions_sha256": "ab"}, {"questions_sha256": "cd"}, "other questions"),
        (
            {"rafdb": {"layout": "x", "questions_xxh3": "ab"}},
            {"rafdb": {"layout": "y", "questions_xxh3": "cd"}},
            "rafdb: layout was x, is y, "
            "rafdb: the questions, or the files of their images, changed",
        ),
        ({"rafdb": {"layout": "x"}}, {"sfew": {}}, "rafdb is left out, sfew is new"),
        ({"inputs": [1]}, {"inputs": [2]}, "other inputs"),
    ],
)
def test_another_build_is_described(
    held: Mapping[str, Any], asked: Mapping[str, Any], expected: str
) -> None:
    with pytest.raises(PreparationError) as caught:
        require_same(Path("out"), held, asked)
    assert str(caught.value).startswith(f"out holds another build: {expected}; choose another")


def test_the_same_build_may_continue() -> None:
    require_same(Path("out"), {"a": 1}, {"a": 1})


def test_a_stand_in_over_another_names_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["drawn", "--out", str(tmp_path), "--jobs", "1", "--per-class"]
    assert main([*run, "1"]) == 0
    assert main([*run, "2", "--seed", "4"]) == 1
    said = capsys.readouterr().err
    assert (
        "holds another build: questions was 1, is 2, seed was 0, is 4, other questions; choose"
        in said
    )
    assert "{" not in said
