from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unifer_tasks.data.test_contents import found, sound
from unifer_tasks.data.annotations import ANNOTATION_TYPES, Annotations, read_annotations
from unifer_tasks.data.manifest import DataError

VOTES = [0, 0, 1, 0, 0, 8, 0]
FIVE = [30.5, 40.0, 70.0, 41.0, 50.0, -3.0, 35.0, 80.0, 66.0, 120.0]
SOUND: Mapping[str, Sequence[Any]] = {
    "votes": [VOTES, None],
    "votes_other": [1, None],
    "gender": ["female", "unsure"],
    "race": [None, "Asian"],
    "age_group": ["70+", "0-3"],
    "intensity": [0.25, None],
    "landmarks": [FIVE, None],
}


def write(path: Path, columns: Mapping[str, Sequence[Any] | pa.Array]) -> pa.Table:
    table = sound()
    for name, values in columns.items():
        array = values if isinstance(values, pa.Array) else pa.array(values, ANNOTATION_TYPES[name])
        table = table.append_column(name, array)
    pq.write_table(table, path)
    return table


def test_annotations_are_read_by_the_id_of_their_question(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    ids = write(path, SOUND).column("id").to_pylist()
    assert read_annotations(path) == {
        ids[0]: Annotations((0, 0, 1, 0, 0, 8, 0), 1, "female", None, "70+", 0.25, tuple(FIVE)),
        ids[1]: Annotations(None, None, "unsure", "Asian", "0-3", None),
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("votes", pa.large_list(pa.int64())),
        ("votes", pa.list_(pa.field("element", pa.int64()))),
        ("race", pa.large_string()),
    ],
)
def test_columns_as_other_writers_keep_them_are_read(
    name: str, kind: pa.DataType, tmp_path: Path
) -> None:
    path = tmp_path / "test.parquet"
    write(path, {name: pa.array(SOUND[name], kind)})
    read = [getattr(each, name) for each in read_annotations(path).values()]
    assert read == [tuple(value) if isinstance(value, list) else value for value in SOUND[name]]


def test_a_file_with_some_columns_or_none_is_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    write(path, {"gender": ["male", None]})
    assert [each.gender for each in read_annotations(path).values()] == ["male", None]
    write(path, {})
    assert read_annotations(path) == {}


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("votes", [[1, 2], VOTES], "[1, 2] as `votes` of "),
        ("votes", [[*VOTES, 1], None], "as `votes` of "),
        ("votes", [[0, 0, -1, 0, 0, 8, 0], None], "as `votes` of "),
        ("votes", [[0, 0, None, 0, 0, 8, 0], None], "as `votes` of "),
        ("votes", pa.array([[0.5], None]), "in the column `votes`, where list<"),
        ("votes_other", [-1, 2], "has -1 as `votes_other` of "),
        ("gender", ["male", "Male"], "has 'Male' as `gender` of "),
        ("race", pa.array([0, 1]), "has int64 in the column `race`, where string belongs"),
        ("age_group", ["30", None], "has '30' as `age_group` of "),
        ("intensity", [float("nan"), None], "has nan as `intensity` of "),
        ("intensity", [1.5, None], "has 1.5 as `intensity` of "),
        ("landmarks", [FIVE[:9], None], "as `landmarks` of "),
        ("landmarks", [[*FIVE[:9], None], None], "as `landmarks` of "),
        ("landmarks", [[*FIVE[:9], float("inf")], None], "as `landmarks` of "),
        ("landmarks", pa.array([[1], None]), "in the column `landmarks`, where list<"),
    ],
)
def test_what_is_wrong_with_annotations_is_reported(
    name: str, values: Sequence[Any] | pa.Array, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "test.parquet"
    table = write(path, {name: values})
    assert len(problems := found(tmp_path / "other.parquet", table)) == 1
    assert problem in problems[0]
    with pytest.raises(DataError) as error:
        read_annotations(path)
    assert problem in str(error.value)
    assert str(error.value).startswith(f"{path} ")


def test_a_file_that_is_not_parquet_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    path.write_bytes(b"PAR1 none of it")
    with pytest.raises(DataError, match="cannot be read"):
        read_annotations(path)
