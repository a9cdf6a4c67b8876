"""What a baseline is read from, and how lmms-eval's table shows the comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unifer_tasks.report.on_disk import write_lines
from unifer_tasks.data.manifest import DATA_VARIABLE
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.harness.baseline import baseline_scores, check_baseline, rows_in_percent
from unifer_tasks.protocol.prompts import response

DATE = "20260101_000000"
TASK = "ferbench_sfew"

Answer = Callable[[int, str], str | list[str]]


@pytest.fixture
def rows(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[dict[str, str]]:
    monkeypatch.setenv(DATA_VARIABLE, str(stand_in))
    table = pq.read_table(stand_in / "sfew" / "test.parquet", columns=["id", "target"])
    return table.to_pylist()  # type: ignore[no-any-return]


def right(_: int, target: str) -> str:
    return response("Hm.", target)


def half(number: int, target: str) -> str:
    return response("Hm.", target if number % 2 else "nobody")


def two_of_three(_: int, target: str) -> list[str]:
    return [response("Hm.", said) for said in (target, "nobody", target)]


def write(
    folder: Path,
    rows: Sequence[dict[str, str]],
    answer: Answer = half,
    *,
    task: str = TASK,
    stand_in: bool = True,
) -> Path:
    """Write a run's folder, its samples in reverse: the number of a sample is not to be trusted."""
    lines = [
        {
            "doc_id": place,
            "accuracy": {"id": row["id"], "dataset": "sfew", "gold": row["target"], "score": 0.25},
            "filtered_resps": answer(number, row["target"]),
            "input": "Which?",
        }
        for place, (number, row) in enumerate(reversed(list(enumerate(rows))))
    ]
    write_lines(folder / f"{DATE}_samples_{task}.jsonl", lines)
    document = {"configs": {task: {"metadata": {"stand_in": stand_in}}}, "model_name": "org/m"}
    (folder / f"{DATE}_results.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("given", ["folder", "results", "log"])
@pytest.mark.parametrize(
    ("answer", "expected"), [(right, (1, 1)), (half, (0, 1)), (two_of_three, (2 / 3, 2 / 3))]
)
def test_questions_are_paired_by_id(
    rows: Any, tmp_path: Path, given: str, answer: Answer, expected: tuple[float, float]
) -> None:
    folder = write(tmp_path, rows, answer)
    names = {"results": f"{DATE}_results.json", "log": f"{DATE}_samples_{TASK}.jsonl"}
    found = baseline_scores(folder / names.get(given, ""), TASK)
    assert found == {number: pytest.approx(expected[number % 2]) for number in range(len(rows))}


def test_a_prediction_file_is_a_baseline(rows: Any, tmp_path: Path) -> None:
    lines = [{**row, "dataset": "sfew", "label": row["target"]} for row in rows[:5]]
    path = write_lines(tmp_path / "gpt.jsonl", lines)
    assert baseline_scores(path, TASK) == dict.fromkeys(range(5), 1.0)
    with pytest.raises(PredictionError, match="has no answer to a question of ferbench_rafdb"):
        baseline_scores(path, "ferbench_rafdb")


def test_what_cannot_be_paired_is_refused(rows: Any, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", rows)
    log = folder / f"{DATE}_samples_{TASK}.jsonl"
    with pytest.raises(PredictionError, match=r"is a log of ferbench_sfew, not of ferbench_rafdb"):
        baseline_scores(log, "ferbench_rafdb")
    with pytest.raises(PredictionError, match="has no sample log of ferbench_rafdb"):
        baseline_scores(folder, "ferbench_rafdb")
    real = write(tmp_path / "b", rows, stand_in=False)
    with pytest.raises(PredictionError, match="saw the benchmark's images, this run sees synth"):
        baseline_scores(real, TASK)
    others = [{**row, "id": f"other-{row['id']}"} for row in rows]
    with pytest.raises(PredictionError, match="shares no question of ferbench_sfew"):
        baseline_scores(write(tmp_path / "c", others), TASK)
    turned = [{**row, "target": other["target"]} for row, other in zip(rows, rows[::-1])]  # noqa: B905
    with pytest.raises(PredictionError, match="has another true label for sfew"):
        baseline_scores(write(tmp_path / "d", turned), TASK)


def loads_sfew(baseline: str, task: str) -> None:
    if task != TASK:
        raise PredictionError(f"{baseline} has nothing for {task}")


@pytest.mark.parametrize(
    ("tasks", "log_samples", "message"),
    [
        ([TASK, "ferbench_rafdb", "mmmu_val"], True, None),
        (["mmmu_val"], False, None),
        (["ferbench_rafdb"], True, "--baseline b: b has nothing for ferbench_rafdb"),
        ([TASK], False, "add --log_samples and --output_path DIR"),
    ],
)
def test_a_baseline_that_serves_nothing_is_found_before_the_run(
    tasks: list[str], log_samples: bool, message: str | None
) -> None:
    def check() -> None:
        check_baseline(loads_sfew, "b", tasks, log_samples=log_samples)

    if message is None:
        check()
    else:
        with pytest.raises(PredictionError, match=message):
            check()


def test_the_comparison_has_a_row_of_its_own_in_percent() -> None:
    paired = {
        "paired_baseline": "b", "paired_baseline_score": 70.0, "paired_ci_lower": -5.0,
        "paired_ci_upper": 15.0, "paired_pvalue": 0.3,
    }  # fmt: skip
    ours = {"alias": " - ferbench_sfew", "accuracy,none": 0.8, "macro_f1,none": 0.7, **paired}
    theirs = {"alias": "mmmu_val", "acc,none": 1.0, **paired}
    assert rows_in_percent({TASK: ours, "mmmu_val": theirs}) == {
        TASK: {"alias": " - ferbench_sfew", "accuracy,none": 0.8, "macro_f1,none": 0.7},
        "ferbench_sfew against the baseline": {
            "alias": " - ferbench_sfew, paired, in percent",
            "accuracy,none": 75.0,
            **paired,
        },
        "mmmu_val": theirs,
    }
