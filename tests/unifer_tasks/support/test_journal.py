from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.support.journal import Journal
from unifer_tasks.support.locks import BusyError

RECORDS = [{"n": number, "text": "naïve\n東京" * number} for number in range(4)]


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_is_found_at_its_place_whoever_else_appends(tmp_path: Path) -> None:
    """A place that is taken before the line is written would be the other's."""
    path = tmp_path / "log"
    journal = Journal(path)
    places = []
    for record in RECORDS:
        with path.open("ab") as other:
            other.write(b'{"another": "program"}\n')
        places.append(journal.append(record))
    assert [json.loads(journal.line_at(place)) for place in places] == RECORDS
    journal.close()


@given(cut=st.integers(min_value=0, max_value=200))
def test_half_a_last_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("journal") / "log"
    journal = Journal(path)
    for record in RECORDS:
        journal.append(record)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    journal = Journal(path)
    kept = written(path)
    assert kept == RECORDS[: len(kept)]
    place = journal.append({"n": 9})
    assert json.loads(journal.line_at(place)) == {"n": 9}
    assert list(journal.lines()) == path.read_bytes().splitlines(keepends=True)
    journal.close()


def test_a_second_one_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    first = Journal(tmp_path / "log")
    with pytest.raises(BusyError, match="log is being written by another run"):
        Journal(tmp_path / "log")
    first.close()
    Journal(tmp_path / "log").close()


def test_a_disk_that_fills_up_leaves_no_half_line(tmp_path: Path) -> None:
    class Full(io.FileIO):
        """Takes ten bytes, as a disk does that has no more."""

        def write(self, data: Any) -> int:
            return super().write(data[:10]) or 0

    journal = Journal(tmp_path / "log")
    journal.append(RECORDS[0])
    file, journal._file = journal._file, Full(tmp_path / "log", "ab+")
    with pytest.raises(OSError, match="No space left") as raised:
        journal.append(RECORDS[1])
    assert raised.value.errno == errno.ENOSPC
    journal._file.close()
    journal._file = file
    journal.append(RECORDS[2])
    assert written(tmp_path / "log") == [RECORDS[0], RECORDS[2]]
    journal.close()
