"""JSON lines and lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unifer_tasks.data.formats.tables import assert_named, assert_refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "holds no predictions"),
        (b'["\xe9"]', "is not UTF-8; save it as UTF-8"),
        (b"[{}", "is not a JSON list of objects (Expecting"),
        (b"[" * 100_000, "is not a JSON list of objects ("),
        (b'{\n "dataset": "sfew"\n}\n', "is JSON over several lines; write one object a line"),
    ],
)
def test_a_file_that_is_no_list_of_objects_says_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    assert_refused(tmp_path, content, message)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"dataset": "sfew", "id": "C:\\d"}', "line 1: is not JSON (Invalid"),
        ('[{"dataset": "sfew"}, 3]', "item 2: is not a JSON object"),
        ('[{"id": "1", "id": "2"}]', "item 1: has the key 'id' twice"),
        ('{"id": "1", "id": "1", "x": {"a": 1, "a": 2}}', "line 1: has the key 'id' twice"),
        ('{"dataset": "sfew", "id": {"a": 1, "a": 2}}', "line 1: lacks `target`"),
        ('{"Dataset": "sfew", "id": "1"}', "line 1: lacks `dataset`, has Dataset, id; give one of"),
    ],
)
def test_a_bad_row_is_named_by_its_place(tmp_path: Path, content: str, problem: str) -> None:
    assert_named(tmp_path, content.encode(), problem)
