from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.harness.requests.answer_log import AnswerLog, AnswerLogError, LoggedAnswer


def answer(key: str, text: str = "<answer>sad</answer>") -> LoggedAnswer:
    return LoggedAnswer(key, "ferbench_sfew", 0, text, 200, 12)


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with AnswerLog(tmp_path) as log:
        log.append(answer("a"))
        log.append(answer("b", "naïve\n東京\x1a"))
        log.append(answer("a", "a second answer to the same question"))
    with AnswerLog(tmp_path) as log:
        assert log.get("a") == answer("a")
        assert log.get("b") == answer("b", "naïve\n東京\x1a")
        assert log.get("c") is None
    assert len(log.path.read_text().splitlines()) == 2


@given(cut=st.integers(min_value=1, max_value=60))
def test_a_line_cut_by_a_crash_is_asked_again(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    with AnswerLog(folder) as log:
        log.append(answer("a"))
        log.append(answer("b"))
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    with AnswerLog(folder) as log:
        assert log.get("a") == answer("a")
        assert log.get("b") is None
        log.append(answer("b"))
    with AnswerLog(folder) as log:
        assert log.get("b") == answer("b")


def test_processes_write_their_own_files_and_read_all(tmp_path: Path) -> None:
    with AnswerLog(tmp_path, 0) as first, AnswerLog(tmp_path, 1) as second:
        first.append(answer("a"))
        second.append(answer("b"))
    with AnswerLog(tmp_path, 0) as log:
        assert log.get("a")
        assert log.get("b")


def test_two_runs_cannot_write_one_log(tmp_path: Path) -> None:
    with (
        AnswerLog(tmp_path),
        pytest.raises(AnswerLogError, match="is being written by another run"),
    ):
        AnswerLog(tmp_path)
    AnswerLog(tmp_path).close()


@pytest.mark.parametrize("line", ["not json", "{}", json.dumps({"key": "a"}), "[1]"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    with AnswerLog(tmp_path) as log:
        log.append(answer("a"))
    with log.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(AnswerLogError, match=r"answers-0\.jsonl, line 2 is not a logged answer"):
        AnswerLog(tmp_path)
