"""`ferbench score`: predictions of any system, from the command line."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from data_prep.support.output import Output
from data_prep.synthetic.stand_in import build
from tests.conftest import run_command
from unifer_tasks.cli.main import main
from unifer_tasks.data import first_places
from unifer_tasks.protocol.labels import FERBENCH
from unifer_tasks.protocol.prompts import response

Row = dict[str, Any]


def row(dataset: str, number: int, target: str, **answer: Any) -> Row:
    return {"dataset": dataset, "id": str(number), "target": target, **answer}


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in rows), encoding="utf-8")
    return path


def score(tmp_path: Path, rows: list[Row], *options: str) -> tuple[Row, list[Row]]:
    answers = tmp_path / "answers.jsonl"
    out = tmp_path / "scores.json"
    predictions = write(tmp_path / "predictions.jsonl", rows)
    options = (*options, "--json", str(out), "--answers", str(answers))
    assert main(["score", str(predictions), *options]) == 0
    lines = answers.read_text().splitlines()
    return json.loads(out.read_text()), [json.loads(line) for line in lines]


ROWS = [
    row("rafdb", 1, "fear", response=response("wide eyes", "fear")),
    row("rafdb", 2, "anger", response=response("wide eyes", "fear")),
    row("rafdb", 3, "anger", response="terror, I think"),
    row("ferplus", 1, "happy", response=response("a smile", "unhappy")),
    row("ferplus", 2, "sad", label="sadness"),
    row("ferplus", 3, "sad", label=None),
    row("sfew", 1, "sad", response="<ANSWER>sad</ANSWER> not angry"),
    row("sfew", 2, "fear", error=True),
]


def test_strict_counts_every_row(tmp_path: Path) -> None:
    summary, answers = score(tmp_path, ROWS)
    assert [line["label"] for line in answers] == [
        "fear", "fear", None, "sad", "sad", None, "sad", None,
    ]  # fmt: skip
    assert [line["outcome"] for line in answers[2:]] == [
        "missing", "answered", "answered", "empty", "answered", "request-failed",
    ]  # fmt: skip
    assert [(line["dataset"], line["id"]) for line in answers] == [
        (line["dataset"], line["id"]) for line in ROWS
    ]
    datasets = summary["datasets"]
    assert {key: part["n"] for key, part in datasets.items()} == {
        "rafdb": 3, "ferplus": 3, "sfew": 2,
    }  # fmt: skip
    assert datasets["rafdb"]["accuracy"] == pytest.approx(1 / 3)
    assert summary["pooled"]["n"] == 8
    assert summary["pooled"]["accuracy"] == pytest.approx(3 / 8)
    assert summary["mean"]["accuracy"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 2) / 3)
    assert datasets["sfew"]["outcomes"]["request-failed"] == 1
    assert sum(datasets["sfew"]["outcomes"].values()) == 2
    assert summary["complete"] is False
    confusion = datasets["rafdb"]["confusion"]
    assert confusion["labels"] == [*FERBENCH["rafdb"].labels, "unknown"]
    assert sum(map(sum, confusion["counts"])) == 3


def test_upstream_leaves_errors_out_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, answers = score(tmp_path, ROWS, "--reader", "upstream")
    assert [line["label"] for line in answers] == [
        "fear", "fear", "fear", "happy", "unknown", "unknown", "angry", None,
    ]  # fmt: skip
    assert summary["reader"] == "upstream"
    assert summary["datasets"]["sfew"]["n"] == 1
    assert summary["datasets"]["sfew"]["excluded"] == 1
    assert summary["datasets"]["sfew"]["accuracy"] == 0.0
    # Pooled, SFEW is read by another rule, which finds the upper-case block.
    assert summary["pooled"]["n"] == 7
    assert summary["pooled"]["accuracy"] == pytest.approx(3 / 7)
    true = ["fear", "anger", "anger", "happiness", "sadness", "sadness", "sadness"]
    read = ["fear", "fear", "fear", "happiness", "unknown", "unknown", "sadness"]
    expected = f1_score(true, read, average="macro", zero_division=0)
    assert summary["pooled"]["macro_f1"] == pytest.approx(expected)
    assert "left out of the denominator: 1 failed request," in capsys.readouterr().err


def test_all_failed_scores_nothing_rather_than_zero(tmp_path: Path) -> None:
    rows = [row("sfew", 1, "fear", error=True)]
    summary, _ = score(tmp_path, rows, "--reader", "upstream")
    assert summary["datasets"]["sfew"]["accuracy"] is None
    assert summary["pooled"]["accuracy"] is None
    assert summary["mean"]["accuracy"] is None


def test_a_complete_perfect_run_scores_one_under_both_readers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        row(dataset, number, label, response=response("It shows.", label))
        for dataset, space in FERBENCH.items()
        for number, label in enumerate(
            label for label, count in space.test_counts.items() for _ in range(count)
        )
    ]
    for reader in ("strict", "upstream"):
        summary, _ = score(tmp_path, rows, "--reader", reader)
        assert summary["complete"] is True
        assert summary["pooled"]["n"] == 11_072
        for part in (*summary["datasets"].values(), summary["pooled"], summary["mean"]):
            assert part["accuracy"] == part["macro_f1"] == part["uar"] == 1.0
            low, high = part["intervals"]["macro_f1"]
            assert low < high == 1.0
    assert "PARTIAL" not in capsys.readouterr().err


def test_as_many_predictions_of_other_labels_are_partial_and_it_says_of_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        row(dataset, number, label, label=label)
        for dataset, space in FERBENCH.items()
        for number, label in enumerate(
            label for label, count in space.test_counts.items() for _ in range(count)
        )
    ]
    assert rows[0]["target"] == "surprise"
    rows[0]["target"] = "fear"
    summary, _ = score(tmp_path, rows)
    assert summary["complete"] is False
    assert (
        "PARTIAL: 11,072 predictions for rafdb, ferplus, affectnet, sfew; FERBench has 11,072 "
        "questions in four datasets; the label counts differ: rafdb 328 surprise instead of 329, "
        "75 fear instead of 74."
    ) in capsys.readouterr().err


def test_a_partial_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score(tmp_path, ROWS)
    assert "PARTIAL: 8 predictions for rafdb, ferplus, sfew" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answers", "is_noted"),
    [
        ([{"label": "3"}, {"label": "4"}], True),
        ([{"label": "It is fear."}, {"error": True}], True),
        ([{"response": "fear"}], True),
        ([{"label": "3"}, {"label": "happy"}], False),
        ([{"error": True}], False),
    ],
)
@pytest.mark.parametrize("reader", ["strict", "upstream"])
def test_a_file_of_which_no_answer_is_read_says_where_answers_go(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    answers: list[dict[str, Any]],
    is_noted: bool,
    reader: str,
) -> None:
    score(
        tmp_path,
        [row("sfew", number, "fear", **answer) for number, answer in enumerate(answers)],
        "--reader", reader,
    )  # fmt: skip
    reads_bare_words = reader == "upstream" and "response" in answers[0]
    said = "NO ANSWER WAS READ: `response` takes" in capsys.readouterr().err
    assert said is (is_noted and not reads_bare_words)


BAD_LINES = [
    ("{", "is not JSON"),
    ("[1]", "is not a JSON object"),
    ('"text"', "is not a JSON object"),
    ("\udcff", "is not UTF-8"),
    ('{"id": "1", "target": "fear", "label": "fear"}', "lacks `dataset`"),
    ('{"dataset": "sfew", "target": "fear", "label": "fear"}', "lacks `id`"),
    ('{"dataset": "sfew", "id": "1", "label": "fear"}', "lacks `target`"),
    ('{"dataset": "sfew", "id": true, "target": "fear", "label": "fear"}', "`id` must be a str"),
    ('{"dataset": "fer2013", "id": "1", "target": "fear", "label": ""}', "unknown dataset"),
    ('{"dataset": "sfew", "id": "1", "target": "contempt", "label": ""}', "is not a label of sfew"),
    ('{"dataset": "sfew", "id": "1", "target": "fear"}', "needs `response` or `label`"),
    ('{"dataset": "sfew", "id": "1", "target": "fear", "response": "", "label": ""}', "has both"),
    ('{"dataset": "sfew", "id": "1", "target": "fear", "response": null}', "must be a string"),
    ('{"dataset": "sfew", "id": "1", "target": "fear", "label": 3}', "must be a string"),
    ('{"dataset": "sfew", "id": "1", "target": "fear", "error": "no"}', "needs `response` or"),
    ('{"dataset": "sfew", "id": "", "target": "fear", "label": ""}', "has an empty `id`"),
    ('{"dataset": "sfew", "id": "1", "target": "fear", "label": "", "id": "1"}', "'id' twice"),
    ('{"dataset": "sfew", "id": %s}' % ("9" * 5000), "is not JSON (Exceeds the limit"),
    ('{"dataset": "sfew", "id": "0", "target": "fear", "label": ""}', "repeats sfew '0' of line 1"),
    ("[" * 100_000, "is not JSON"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    good = json.dumps(row("sfew", 0, "fear", label="fear"))
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(f"{good}\n\n{line}\n".encode(errors="surrogateescape"))
    out, answers = tmp_path / "out.json", tmp_path / "answers.jsonl"
    assert main(["score", str(path), "--json", str(out), "--answers", str(answers)]) == 1
    error = capsys.readouterr().err
    assert f"{path}: 1 of 2 lines cannot be scored" in error
    assert f"line 3: {message}" in error or ("line 3: " in error and message in error)
    assert "; " in error.partition("line 3: ")[2], "it says what to do"
    assert "(--skip-bad leaves them out)" in error
    assert sorted(tmp_path.iterdir()) == [path]


def test_bad_rows_are_skipped_on_demand_listed_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [json.dumps(each) for each in ROWS]
    bad = [line for line, message in BAD_LINES if "repeats" not in message]
    path = tmp_path / "predictions.jsonl"
    lines = [good[0], *bad, *good[1:], good[0]]
    path.write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    out, answers = tmp_path / "out.json", tmp_path / "answers.jsonl"
    options = ["--json", str(out), "--answers", str(answers), "--skip-bad"]
    assert main(["score", str(path), *options]) == 0
    said = capsys.readouterr().err
    for number in range(2, len(bad) + 2):
        assert f"skipped line {number}: " in said
    assert f"skipped line {len(lines)}: repeats rafdb '1' of line 1" in said
    assert f"SKIPPED: {len(bad) + 1} of {len(lines)} rows, listed above" in said
    summary = json.loads(out.read_text())
    assert summary.pop("skipped") == len(bad) + 1
    expected, expected_answers = score(tmp_path, ROWS)
    assert expected.pop("skipped") == 0
    assert summary == expected
    assert [json.loads(line) for line in answers.read_text().splitlines()] == expected_answers


def test_a_file_of_bad_rows_alone_scores_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text("{}\n" * 50)
    out = tmp_path / "out.json"
    assert main(["score", str(path), "--skip-bad", "--json", str(out)]) == 1
    assert "none of 50 lines can be scored" in capsys.readouterr().err
    assert not out.exists()


def test_many_problems_are_all_listed_where_they_are_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "predictions.jsonl", [*ROWS, *[{}] * 50])
    assert main(["score", str(path), "--skip-bad"]) == 0
    assert capsys.readouterr().err.count("skipped line ") == 50


def test_many_bad_lines_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text("{}\n" * 50)
    assert main(["score", str(path)]) == 1
    error = capsys.readouterr().err
    assert "50 of 50 lines" in error
    assert "line 20: " in error
    assert "line 21: " not in error
    assert "and 30 more" in error


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(content)
    assert main(["score", str(path)]) == 1


def test_byte_order_mark_windows_line_ends_and_whole_number_ids_are_read(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    line = '{"dataset": "sfew", "id": 7, "target": "fear", "label": "fear"}'
    path.write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n")
    out = tmp_path / "out.json"
    assert main(["score", str(path), "--json", str(out)]) == 0
    assert json.loads(out.read_text())["pooled"]["accuracy"] == 1.0


def test_memory_hardly_grows_with_the_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_places, "_MAX_RECENT", 256)
    peaks = []
    for count in (1_000, 11_000):
        rows = [row("sfew", number, "fear", label="fear") for number in range(count)]
        path = write(tmp_path / f"{count}.jsonl", rows)
        del rows
        answers = tmp_path / "answers.jsonl"
        tracemalloc.start()
        assert main(["score", str(path), "--answers", str(answers)]) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Merged, digests or places are there twice.
    assert peaks[1] - peaks[0] < 64 * 10_000


def test_the_installed_command_reports_and_fails_by_its_status(
    tmp_path: Path, bin_folder: Path
) -> None:
    path = write(tmp_path / "predictions.jsonl", ROWS)
    done = run_command([bin_folder / "ferbench", "score", path])
    assert "pooled" in done.stdout
    assert "rafdb" in done.stdout
    missing = run_command([bin_folder / "ferbench", "score", tmp_path / "no.jsonl"], status=1)
    assert "no.jsonl" in missing.stderr
    assert "Traceback" not in missing.stderr


@pytest.mark.parametrize("option", ["--json", "--answers"])
def test_an_output_is_not_the_input(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "predictions.jsonl", ROWS)
    before = path.read_bytes()
    assert main(["score", str(path), option, str(path)]) == 1
    assert "holds the predictions; write to another file" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("option", ["--json", "--answers"])
def test_an_output_is_not_a_directory(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "predictions.jsonl", ROWS)
    assert main(["score", str(path), option, str(tmp_path)]) == 1
    assert f"{tmp_path} is a directory; name a file" in capsys.readouterr().err


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw faces of RAF-DB and FERPlus, women's expressions weaker than men's."""
    folder = tmp_path_factory.mktemp("annotated") / "data"
    targets = {
        dataset: [(f"drawn/{number}", FERBENCH[dataset].labels[number % 7]) for number in range(n)]
        for dataset, n in (("rafdb", 140), ("ferplus", 21))
    }
    build(Output(folder, jobs=1), targets, seed=0, recipe={}, bias=0.9)
    return folder


def answered(data: Path, path: Path, *, sees_all: bool) -> Path:
    """Write what a model answers that is right where an expression is strong, or everywhere."""
    found = []
    for dataset in ("rafdb", "ferplus"):
        file = data / dataset / "test.parquet"
        table = pq.read_table(file, columns=["id", "target", "intensity"])
        for line in table.to_pylist():
            is_right = sees_all or line["intensity"] is None or line["intensity"] > 0.3
            label = line["target"] if is_right else ""
            found.append({**line, "dataset": dataset, "label": label})
    return write(path, found)


@pytest.mark.parametrize("sees_all", [False, True])
def test_votes_and_groups_of_a_prediction_file(
    annotated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], sees_all: bool
) -> None:
    path = answered(annotated, tmp_path / "predictions.jsonl", sees_all=sees_all)
    out = tmp_path / "scores.json"
    assert main(["score", str(path), "--data", str(annotated), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "\nAnnotators' votes\n" in printed
    assert "\nGroups\n" in printed
    assert ("gender: female is" in " ".join(printed.split())) is not sees_all
    assert ("Chance alone explains every gap" in printed) is sees_all
    summary = json.loads(out.read_text())
    assert summary["votes"]["ferplus"]["n"] == 21
    gaps = summary["groups"]["gender"]["gaps"]
    assert (gaps["p_holm"] < 0.01) is not sees_all
    assert (gaps["excess"]["worst"] == "female") or sees_all


def test_data_without_annotations_of_the_questions_is_reported(
    annotated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "predictions.jsonl", ROWS[-2:])
    out = tmp_path / "scores.json"
    assert main(["score", str(path), "--data", str(annotated), "--json", str(out)]) == 0
    assert "has no votes and no attributes of these questions" in capsys.readouterr().err
    assert not {"votes", "groups"} & json.loads(out.read_text()).keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "gone"], "gone does not exist; name a folder"),
        (["--data", ".", "--reader", "upstream"], "leave --reader upstream or --data out"),
    ],
)
def test_data_that_cannot_be_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    path = write(tmp_path / "predictions.jsonl", ROWS)
    out = tmp_path / "scores.json"
    assert main(["score", str(path), *options, "--json", str(out)]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()
