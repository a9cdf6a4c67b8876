"""Logs of `--predict_only`, which name a question by its number in the data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unifer_tasks.report.on_disk import write_lines
from unifer_tasks.data.manifest import DATA_VARIABLE, sha256
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.data.sample_logs import read_responses
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.listed import N_ORDERS, TASKS, VARIANTS

DATE = "20260101_000000"


@pytest.fixture
def write(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Path, list[dict[str, Any]]]]:
    """Write the log of a task over the stand-in, and what answers the questions there."""
    monkeypatch.delenv(DATA_VARIABLE, raising=False)

    def run(
        task: str = "ferbench_sfew",
        *,
        results: bool = True,
        recorded: bool = True,
        digest: str | None = None,
        change: dict[str, Any] | None = None,
    ) -> tuple[Path, list[dict[str, Any]]]:
        variant, dataset = TASKS[task]
        held = LABEL_SPACES[dataset].data_key
        file = stand_in / held / "test.parquet"
        rows = [
            row
            for row in pq.read_table(file, columns=["id", "target"]).to_pylist()
            if row["target"] in LABEL_SPACES[dataset].labels
        ]
        times = N_ORDERS if variant.key == "shuffled" else 1
        lines = [
            {
                "doc_id": number,
                "target": rows[number // times]["target"],
                "filtered_resps": response("Hm.", f"{number}"),
                "bypass": [["x"], ["y"]],
                "input": "Which?",
            }
            for number in range(times * len(rows))
        ]
        lines[3] |= change or {}
        folder = tmp_path / "run"
        write_lines(folder / f"{DATE}_samples_{task}.jsonl", lines)
        if results:
            data = {"dataset_kwargs": {"data_files": {"test": str(file)}}} if recorded else {}
            metadata = {"sha256": {held: digest or sha256(file)}}
            document = {"configs": {task: {"metadata": metadata, **data}}, "model_name": "org/m"}
            (folder / f"{DATE}_results.json").write_text(json.dumps(document))
        return folder, rows

    return run


def test_the_data_that_the_run_read_names_the_questions(write: Any) -> None:
    folder, rows = write()
    assert read_responses(folder) == {
        ("sfew", row["id"], 0): (response("Hm.", f"{number}"),) for number, row in enumerate(rows)
    }


def test_a_number_counts_the_orders_of_shuffled_candidates(write: Any) -> None:
    folder, rows = write("ferbench_shuffled_sfew")
    found = read_responses(folder, VARIANTS["shuffled"])
    assert found["sfew", rows[2]["id"], 1] == (response("Hm.", f"{2 * N_ORDERS + 1}"),)
    assert len(found) == N_ORDERS * len(rows)


def test_a_number_counts_the_questions_of_a_part_alone(write: Any) -> None:
    folder, rows = write("ferbench_affectnet7")
    assert len(rows) == 14
    assert read_responses(folder) == {
        ("affectnet7", row["id"], 0): (response("Hm.", f"{number}"),)
        for number, row in enumerate(rows)
    }


@pytest.mark.parametrize("options", [{"recorded": False}, {"results": False}])
def test_the_data_may_have_moved(
    write: Any, options: dict[str, bool], stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = write(**options)
    with pytest.raises(PredictionError, match=r"--predict_only .* set FERBENCH_DATA to the data"):
        read_responses(folder)
    monkeypatch.setenv(DATA_VARIABLE, str(stand_in))
    assert len(read_responses(folder)) == len(rows)


def test_other_data_names_no_question(
    write: Any, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(stand_in))
    folder, _ = write(digest="cd" * 32)
    with pytest.raises(PredictionError, match=f"the data that was asked .sha256 {'cd' * 32}."):
        read_responses(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"doc_id": 999}, "line 4: has no question's number as `doc_id`, but 999"),
        ({"doc_id": None}, "line 4: has no question's number as `doc_id`, but None"),
        ({"target": "bored"}, "line 4: is of other data: question 3 there has the label"),
        ({"doc_id": 2}, "line 4: "),
        ({"filtered_resps": None}, "line 4: is not a FERBench sample of lmms-eval"),
    ],
)
def test_a_line_that_fits_no_question_is_named(
    write: Any, change: dict[str, Any], message: str
) -> None:
    folder, _ = write(change=change)
    with pytest.raises(PredictionError) as error:
        read_responses(folder)
    assert message in str(error.value)
