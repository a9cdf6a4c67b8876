"""What a dataset's parquet file holds is what its manifest says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unifer_tasks.data.contents import problems
from unifer_tasks.data.manifest import DatasetFile
from unifer_tasks.protocol.labels import LABEL_SPACES

LABELS = LABEL_SPACES["sfew"].labels
FILE = DatasetFile("sfew/test.parquet", {"sad": 1, "fear": 1}, "0" * 64)


def sound() -> pa.Table:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table(
        {
            "id": ["a", "b"],
            "image": pa.array([{"bytes": b"x", "path": None}] * 2, image),
            "target": ["sad", "fear"],
            "candidate_labels": [list(LABELS)] * 2,
            "dataset": ["sfew"] * 2,
        }
    )


def found(path: Path, table: pa.Table) -> list[str]:
    pq.write_table(table, path)
    return list(problems(path, "sfew", FILE))


def with_column(name: str, values: object) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, [values])


def test_a_sound_file_has_no_problem(tmp_path: Path) -> None:
    assert found(tmp_path / "f", sound()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["image"]), "has no column `image`"),
        (lambda table: table.append_column("id", [["a", "b"]]), "has `id` twice"),
        (with_column("image", [b"x", b"x"]), "has binary in the column `image`, where a struct"),
        (with_column("id", [1, 2]), "has int64 in the column `id`, where text belongs"),
        (with_column("candidate_labels", ["sad", "fear"]), "where a list of texts belongs"),
        (
            with_column("image", pa.array([None, {"bytes": b"", "path": ""}],
                        pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
            "has 2 rows without an image",
        ),
        (with_column("id", ["a", None]), "has 1 row without an id"),
        (with_column("id", ["a", "a"]), "has the id 'a' 2 times"),
        (with_column("target", ["sad", "sad"]), "has 2 sad, its manifest says 1 sad, 1 fear"),
        (with_column("target", ["sad", None]), "its manifest says"),
        (lambda table: table.slice(0, 0), "has no rows, its manifest says"),
        (
            with_column("candidate_labels", [list(LABELS), None]),
            "asks for other labels than those of sfew: None",
        ),
        (with_column("dataset", ["sfew", "rafdb"]), "has rows of 'rafdb', not of sfew"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported(
    change: Callable[[pa.Table], pa.Table], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "test.parquet"
    first, *_ = found(path, change(sound()))
    assert first.startswith(f"{path} ")
    assert message in first
    assert first.endswith("; build it again")


@pytest.mark.parametrize(("given", "listed"), [([1, None], 2), ([1, 1], 1), (None, 1)])
def test_annotations_are_as_many_as_the_manifest_says(
    given: list[int | None] | None, listed: int, tmp_path: Path
) -> None:
    path = tmp_path / "test.parquet"
    table = sound() if given is None else sound().append_column("votes_other", [given])
    pq.write_table(table, path)
    n = 0 if given is None else len(given) - given.count(None)
    (problem,) = problems(path, "sfew", replace(FILE, annotations={"votes_other": listed}))
    assert f"has {n} row" in problem
    assert problem.endswith(f"with `votes_other`, its manifest says {listed}; build it again")
    assert [*problems(path, "sfew", replace(FILE, annotations={"votes_other": n}))] == []


@pytest.mark.parametrize("keep", [0, 3, 50, -1, -9])
def test_a_file_that_is_not_parquet_is_reported(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    found(path, sound())
    path.write_bytes(path.read_bytes()[:keep])
    (problem,) = problems(path, "sfew", FILE)
    assert "cannot be read as parquet" in problem
    assert "\n" not in problem


def test_random_bytes_between_the_marks_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    found(path, sound())
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    assert list(problems(path, "sfew", FILE))
