from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unifer_tasks.data.headings import Extent, heading, name_rows
from unifer_tasks.data.manifest import DATA_VARIABLE, DatasetFile, Manifest, write_manifest
from unifer_tasks.protocol.labels import FERBENCH

FULL = {key: dict(space.test_counts) for key, space in FERBENCH.items()}
TWO_EACH = {key: dict.fromkeys(space.labels, 2) for key, space in FERBENCH.items()}


@pytest.fixture(params=["benchmark", "stand-in"])
def data(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    counts = FULL if request.param == "benchmark" else TWO_EACH
    files = {key: DatasetFile(f"{key}.parquet", own, "0" * 64) for key, own in counts.items()}
    write_manifest(tmp_path, Manifest("", request.param == "stand-in", {}, {}, files))
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    return str(request.param)


HEADINGS = [
    ("ferbench_sfew", None, "", " [STAND-IN faces, 14 of 431 questions]"),
    ("ferbench", None, "", " [STAND-IN faces, 60 of 11,072 questions]"),
    ("ferbench_affectnet7", None, "", " [STAND-IN faces, 14 of 3,500 questions]"),
    ("ferbench_affectnet7", [(9, 1)],
     " [9 of 3,500 questions]", " [STAND-IN faces, 9 of 14 of 3,500 questions]"),
    ("ferbench_sfew", [(8, 1)],
     " [8 of 431 questions]", " [STAND-IN faces, 8 of 14 of 431 questions]"),
    ("ferbench_sfew", [(14, 3)], " [14 of 431 questions, each asked 3 times]",
     " [STAND-IN faces, 14 of 431 questions, each asked 3 times]"),
    ("ferbench", [(8, 1)] * 4,
     " [32 of 11,072 questions]", " [STAND-IN faces, 32 of 60 of 11,072 questions]"),
    # Each question under four orders, of which a limit may leave some.
    ("ferbench_shuffled_sfew", [(9, 1)],
     " [9 of 1,724 questions]", " [STAND-IN faces, 9 of 56 of 1,724 questions]"),
    ("ferbench_direct_sfew", [(9, 2)], " [9 of 431 questions, each asked 2 times]",
     " [STAND-IN faces, 9 of 14 of 431 questions, each asked 2 times]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "extents", "benchmark", "stand_in"), HEADINGS)
def test_a_heading_says_what_was_asked(
    data: str, name: str, extents: list[tuple[int, int]] | None, benchmark: str, stand_in: str
) -> None:
    given = None if extents is None else [Extent(*each) for each in extents]
    expected = benchmark if data == "benchmark" else stand_in
    assert heading(name, given) == name + expected


def test_the_rows_of_a_result_are_named_by_what_was_asked(data: str) -> None:
    def row(name: str, indent: str = "") -> dict[str, Any]:
        return {"alias": indent + heading(name)}

    results: dict[str, Any] = {
        "results": {
            "ferbench": row("ferbench"),
            "ferbench_sfew": row("ferbench_sfew", " - "),
            "mmmu_val": {"alias": "mmmu_val"},
        },
        "groups": {"ferbench": row("ferbench")},
        "group_subtasks": {"ferbench": ["ferbench_sfew"]},
        "configs": {"ferbench_sfew": {"repeats": 2}, "mmmu_val": {"repeats": 1}},
        "samples": {"ferbench_sfew": [{}] * 5, "mmmu_val": [{}]},
    }
    name_rows(results)
    shown = {name: row["alias"] for name, row in results["results"].items()}
    extent = [Extent(5, 2)]
    assert shown == {
        "ferbench": heading("ferbench", extent),
        "ferbench_sfew": " - " + heading("ferbench_sfew", extent),
        "mmmu_val": "mmmu_val",
    }
    assert results["groups"]["ferbench"]["alias"] == shown["ferbench"]
    assert "5 of " in shown["ferbench"]
    assert "each asked 2 times" in shown["ferbench"]
