from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from unifer_tasks.data.manifest import DATA_VARIABLE, DataError
from unifer_tasks.harness.selection import (
    NAMES,
    TaskError,
    check_before_start,
    check_data,
    check_names,
    question_counts,
    repeated,
    selected,
)
from unifer_tasks.protocol.variants.listed import TASKS


@pytest.mark.parametrize("given", [["ferbench"], ["ferbench*"], ["ferbench_sfew", "mmstar"], []])
def test_tasks_that_exist_pass(given: list[str]) -> None:
    check_names(given, [*NAMES, "mmstar"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["ferbnech"], "no task is called 'ferbnech'; did you mean ferbench"),
        (["ferbench", "ferbench_sfw"], "no task is called 'ferbench_sfw'; did you mean"),
        (["FERBench"], "no task is called 'FERBench'; did you mean ferbench"),
        (["ferbech*"], "no task matches 'ferbech*'"),
        (["zzz"], "no task is called 'zzz'"),
        ([""], "--tasks names an empty task"),
        (["ferbench_sfew", ""], "--tasks names an empty task"),
        (["ferbench_sfew", " mmstar"], "no task is called ' mmstar'; did you mean mmstar"),
        (["ferbench_?few"], "lmms-eval takes 'ferbench_?few' for a name; write the pattern with *"),
        (["ferbench_[rs]few"], "lmms-eval takes 'ferbench_[rs]few' for a name"),
        ([__file__], "lmms-eval takes no file as a task: pass --include_path"),
    ],
)
def test_tasks_that_do_not_exist_are_named(given: list[str], message: str) -> None:
    with pytest.raises(TaskError) as caught:
        check_names(given, [*NAMES, "mmstar"])
    assert str(caught.value).startswith(message)


def test_tasks_of_lmms_eval_are_known_before_a_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lmms_eval")
    (tmp_path / "mine.yaml").write_text("task: my_own_task\n")
    check_before_start(["ferbench_sfew", "mmstar", "my_own_task"], str(tmp_path))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["ferbench"], set()),
        (["ferbench_sfew", "ferbench_direct"], set()),
        (["ferbench", "ferbench_sfew"], {"ferbench_sfew"}),
        (["ferbench_direct", "ferbench_direct_sfew", "ferbench_sfew"], {"ferbench_direct_sfew"}),
        (list(NAMES), set(TASKS) - {"ferbench_affectnet7"}),
        (["mmstar", "ferbench"], set()),
    ],
)
def test_tasks_are_asked_once_with_their_group(given: list[str], expected: set[str]) -> None:
    assert set(repeated(given)) == expected


@pytest.mark.parametrize(
    ("tasks", "limit", "offset", "expected"),
    [
        ("ferbench", None, None, 60),
        ("ferbench_sfew", None, None, 14),
        ("ferbench_sfew,ferbench_rafdb", None, 0, 28),
        ("ferbench,ferbench_sfew", None, None, 60),
        ("ferbench_*sfew", 1, None, 17),
        ("ferbench", 3, None, 12),
        ("ferbench", 0.5, None, 30),
        ("ferbench_sfew", 0.4, None, 6),
        ("ferbench_sfew", 0.4, 10, 4),
        ("ferbench", -1, None, 60),
        ("ferbench", 3.0, 12, 10),
        ("ferbench", None, 15, 2),
        ("ferbench_direct", 3, None, 12),
        ("ferbench,ferbench_shuffled_sfew", None, None, 60 + 4 * 14),
        ("mmmu_val", None, None, 0),
    ],
)
def test_questions_are_counted_before_they_are_asked(
    stand_in: Path,
    monkeypatch: pytest.MonkeyPatch,
    tasks: str,
    limit: float | None,
    offset: int | None,
    expected: int,
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(stand_in))
    counts = question_counts(selected(tasks.split(",")), limit, offset)
    assert sum(counts.values()) == expected


@pytest.fixture
def truncated(stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the stand-in, but SFEW not to its end."""
    data = tmp_path / "data"
    shutil.copytree(stand_in, data)
    path = data / "sfew" / "test.parquet"
    path.write_bytes(path.read_bytes()[:3000])
    monkeypatch.setenv(DATA_VARIABLE, str(data))
    return data


@pytest.mark.parametrize("tasks", [["mmstar"], ["ferbench_rafdb"], ["ferbench_direct_ferplus"]])
def test_data_that_is_not_asked_for_is_not_checked(truncated: Path, tasks: list[str]) -> None:
    check_data(tasks)


@pytest.mark.parametrize("task", ["ferbench", "ferbench_sfew", "ferbench_shuffled"])
def test_data_that_is_damaged_is_named(truncated: Path, task: str) -> None:
    with pytest.raises(DataError, match=r"sfew/test\.parquet is damaged: its bytes are not those"):
        check_data(["mmstar", task])


def test_data_that_is_absent_is_named(truncated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = json.loads((truncated / "manifest.json").read_text())
    del manifest["datasets"]["rafdb"]
    (truncated / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"RAF-DB \(rafdb\) is not in"):
        check_data(["ferbench"])
    monkeypatch.delenv(DATA_VARIABLE)
    with pytest.raises(DataError, match="is not set"):
        check_data(["ferbench"])
    check_data(["mmstar"])
