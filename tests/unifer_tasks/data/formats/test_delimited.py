"""CSV and TSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unifer_tasks.data.formats.tables import GOOD, HEADER, assert_named, assert_refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace("\n", "\r").encode(), "has lines that end in a carriage return alone; save"),
        (GOOD.replace("1", "\xe9").encode("latin-1"), "is not UTF-8 (after row 1); save it as"),
        (HEADER.encode(), "holds no predictions"),
        ((GOOD + 'sfew,2,fear,"fea').encode(), "breaks off or is misquoted after row 2 ("),
        ((GOOD + 'sfew,2,fear,"fear" x\n').encode(), "breaks off or is misquoted after row 2 ("),
    ],
)
def test_a_table_that_cannot_be_read_says_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    assert_refused(tmp_path, content, message)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (GOOD + "\nsfew,1,fear,sad\n", "row 4: repeats sfew '1' of row 2; keep one of the two"),
        ("\nsep=,\n" + GOOD + "sfew,2,fear\n", "row 5: has 3 cells, the first row has 4; give"),
    ],
)
def test_a_bad_row_is_named_by_its_place(tmp_path: Path, content: str, problem: str) -> None:
    assert_named(tmp_path, content.encode(), problem)
