"""The model `replay`: which answer it gives to which asking of a question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unifer_tasks.report.on_disk import answers, write_logs
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.protocol.prompts import response

pytest.importorskip("lmms_eval")

SFEW = {"ferbench_sfew": answers("sfew")}
FIRST, SECOND = list(SFEW["ferbench_sfew"])[:2]
FEAR = response("The eyes are wide.", "fear")


class Docs(list[dict[str, Any]]):
    """What of a `datasets.Dataset` is read."""

    column_names = ("dataset", "id")

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


def ask(samples: Path, numbers: Sequence[int], repeats: int) -> list[str]:
    from unifer_tasks.harness.models.replay import Replay

    model = Replay(str(samples))
    docs = Docs({"dataset": "sfew", "id": id_} for id_ in SFEW["ferbench_sfew"])
    model.task_dict = {"ferbench_sfew": {"test": docs}}
    requests: list[Any] = [
        SimpleNamespace(args=("Which?", number, "ferbench_sfew", "test"), repeats=repeats)
        for number in numbers
    ]
    # A response cache hands the requests over in parts.
    return [text for request in requests for text in model.generate_until([request])]


def said(id_: str) -> str:
    return response("The brows are raised.", SFEW["ferbench_sfew"][id_])


@pytest.mark.parametrize(
    ("numbers", "repeats", "expected"),
    [
        ([0, 0, 0, 1, 1, 1], 3, [FEAR, FEAR, said(FIRST), FEAR, FEAR, said(SECOND)]),
        ([0, 1, 0, 1, 0, 1], 3, [FEAR, FEAR, FEAR, FEAR, said(FIRST), said(SECOND)]),
        # Processes are evened out by asking the last question again.
        ([1, 1, 1, 1, 1, 1], 3, [FEAR, FEAR, said(SECOND)] * 2),
        ([0, 0, 1, 1], 2, [FEAR, FEAR, FEAR, FEAR]),
    ],
)
def test_the_nth_asking_gets_the_nth_answer(
    tmp_path: Path, numbers: list[int], repeats: int, expected: list[str]
) -> None:
    write_logs(tmp_path, SFEW, repeats=3)
    assert ask(tmp_path, numbers, repeats) == expected


def test_more_answers_than_were_logged_are_not_made_up(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW, repeats=2)
    with pytest.raises(PredictionError, match=r"--repeats 3 asks for more; pass --repeats 2"):
        ask(tmp_path, [0], 3)


def test_a_folder_of_two_models_is_refused(tmp_path: Path) -> None:
    write_logs(tmp_path / "a", SFEW, model="org/a")
    write_logs(tmp_path / "b", SFEW, model="org/b")
    with pytest.raises(PredictionError, match=r"several models \(org/a in a; org/b in b\)"):
        ask(tmp_path, [0], 1)
