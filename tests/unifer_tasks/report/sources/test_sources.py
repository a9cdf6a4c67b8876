from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unifer_tasks.report.on_disk import (
    answers,
    upstream_rows,
    write_logs,
    write_predictions,
)
from unifer_tasks.cli.main import main
from unifer_tasks.data.predictions import MAX_LISTED, Prediction, PredictionError
from unifer_tasks.report.sources.given import read_runs
from unifer_tasks.report.sources.runs import Run, differences

SFEW = {"sfew": answers("sfew")}


def test_predictions_are_a_run(tmp_path: Path) -> None:
    path = write_predictions(
        tmp_path / "gpt.jsonl", {"sfew": answers("sfew"), "rafdb": answers("rafdb")}
    )
    (run,) = read_runs([path])
    assert (run.name, run.variant.key, run.source, run.stand_in) == ("gpt", "base", str(path), None)
    assert [row.dataset for row in run.predictions] == ["rafdb"] * 21 + ["sfew"] * 21


def test_a_json_list_is_read_by_what_its_rows_are(tmp_path: Path) -> None:
    lines = write_predictions(tmp_path / "gpt.jsonl", SFEW).read_text().splitlines()
    for place in ("gpt.json", "folder/gpt_results.json"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"[{','.join(lines)}]")
    (alone,), (inside,) = (read_runs([tmp_path / name]) for name in ("gpt.json", "folder"))
    assert (
        alone.predictions
        == inside.predictions
        == read_runs([tmp_path / "gpt.jsonl"])[0].predictions
    )
    assert "backend" not in alone.provenance
    for text in ("[]", "[3]", '[{"question": "?"}]'):
        (tmp_path / "gpt.json").write_text(text)
        with pytest.raises(PredictionError, match="is neither predictions, whose rows"):
            read_runs([tmp_path / "gpt.json"])


def test_a_path_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match=r"a b\.jsonl does not exist"):
        read_runs([tmp_path / "a\nb.jsonl"])
    path = write_predictions(tmp_path / "a\nb.jsonl", SFEW)
    assert read_runs([path])[0].source == str(tmp_path / "a b.jsonl")


def test_ids_of_synthetic_faces_show_a_stand_in(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "a.jsonl", {"sfew": {"fear-1": "fear"}})
    path.write_text(path.read_text().replace("fear-1", "drawn/sfew/00000"))
    assert read_runs([path])[0].stand_in is True


def test_names_can_be_given_and_are_told_apart(tmp_path: Path) -> None:
    one = write_predictions(tmp_path / "1" / "p.jsonl", SFEW)
    two = write_predictions(tmp_path / "2" / "p.jsonl", SFEW)
    assert [run.name for run in read_runs([one, two, ("mine", two)])] == ["p", "p #2", "mine"]
    write_logs(tmp_path / "o" / "a", {"ferbench_sfew": SFEW["sfew"]}, model="a/a")
    write_logs(tmp_path / "o" / "b", {"ferbench_sfew": SFEW["sfew"]}, model="b/b")
    with pytest.raises(PredictionError, match=r"holds 2 models \(a/a, b/b\)"):
        read_runs([("mine", tmp_path / "o")])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07evil", "U+001B[2JU+001B]0;titleU+0007evil"),
        ("\u202egnp", "U+202Egnp"),
        ("two\nlines", "two lines"),
        ("表情 7B", "表情 7B"),
    ],
)
def test_what_would_act_unseen_in_a_name_is_spelled_out(
    tmp_path: Path, name: str, shown: str
) -> None:
    (run,) = read_runs([(name, write_predictions(tmp_path / "a.jsonl", SFEW))])
    assert run.name == run.title == shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{path}", None),
        ("org/model={path}", None),
        ("={path}", "has no name before the ="),
        (" \n={path}", "has no name before the ="),
        ("x" * 300 + "={path}", "has 300 characters; give at most 200"),
    ],
)
def test_a_name_is_one_that_can_be_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, message: str | None
) -> None:
    path = write_predictions(tmp_path / "a.jsonl", SFEW)
    if message is None:
        assert main(["compare", given.format(path=path), str(path)]) == 0
        return
    with pytest.raises(SystemExit) as exit_:
        main(["compare", given.format(path=path), str(path)])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_results_of_the_papers_scripts_are_a_run(tmp_path: Path) -> None:
    parts = {"rafdb": "./data/RAF-DB/aligned", "sfew": "/SFEW-2.0/Val", "affectnet": "/AffectNet"}
    for dataset, root in parts.items():
        stem = "sfew_2.0" if dataset == "sfew" else dataset
        rows = upstream_rows(dataset, answers(dataset), root)
        rows[0] |= {"error": True, "model_response": "ERROR: out of memory"}
        (tmp_path / f"{stem}_unifer_7b_results.json").write_text(json.dumps(rows))
    (run,) = read_runs([tmp_path])
    assert run.name == "unifer_7b"
    assert run.predictions[0].id == "/RAF-DB/aligned/surprise-0.jpg"
    assert [row.error for row in run.predictions].count(True) == 3
    assert run.questions["sfew"] == "Which expression?"
    alone = tmp_path / "sfew_2.0_unifer_7b_results.json"
    assert len(read_runs([alone])[0].predictions) == 21


@pytest.mark.parametrize(
    ("path", "id_"),
    [
        ("/data/SFEW-2.0/Test/a.png", "/SFEW-2.0/Test/a.png"),
        ("C:\\data\\SFEW-2.0\\Test\\a.png", "/SFEW-2.0/Test/a.png"),
        ("a.png", "a.png"),
    ],
)
def test_an_id_is_the_published_part_of_a_path(tmp_path: Path, path: str, id_: str) -> None:
    rows = upstream_rows("sfew", SFEW["sfew"], "/SFEW-2.0")[:1]
    results = tmp_path / "sfew_2.0_m_results.json"
    results.write_text(json.dumps([{**rows[0], "image_path": path}]))
    (run,) = read_runs([results])
    assert [row.id for row in run.predictions] == [id_]


BAD_RESULTS = [
    ({"candidate_labels": ["joy"]}, "result 1: `candidate_labels` are not those of a dataset"),
    ({"candidate_labels": None}, "result 1: `candidate_labels` are not those of a dataset"),
    ({"candidate_labels": [[1]]}, "result 1: `candidate_labels` are not those of a dataset"),
    ({"image_path": 3}, "result 1: `image_path` must be a string"),
    ({"model_response": None}, "result 1: `model_response` must be a string, got null; give the"),
    ({"model_response": 3}, "result 1: `model_response` must be a string, got 3; give the whole"),
    ({"true_label": None}, "result 1: `true_label` must be a string, got null; give the true"),
    ({"true_label": "joy"}, "result 1: true_label 'joy' is not a label of sfew: angry, disg"),
    ({"image_path": ""}, "result 1: has an empty `image_path`; give the question's id"),
]


@pytest.mark.parametrize(("change", "message"), BAD_RESULTS)
def test_a_bad_result_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    rows = upstream_rows("sfew", SFEW["sfew"], "/SFEW-2.0")
    path = tmp_path / "sfew_results.json"
    path.write_text(json.dumps([rows[0] | change, *rows[1:]]))
    with pytest.raises(PredictionError, match="1 of 21 results cannot be scored") as error:
        read_runs([path])
    assert message in str(error.value)


def test_a_question_twice_is_an_error(tmp_path: Path) -> None:
    rows = upstream_rows("sfew", SFEW["sfew"], "/SFEW-2.0")
    (tmp_path / "sfew_results.json").write_text(json.dumps([*rows, rows[3]]))
    with pytest.raises(
        PredictionError, match=r"result 22: repeats sfew .* of result 4 of .*\.json"
    ):
        read_runs([tmp_path])


def test_of_many_bad_results_the_first_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [row | {"image_path": 3} for row in upstream_rows("sfew", SFEW["sfew"], "/SFEW-2.0")]
    (tmp_path / "sfew_results.json").write_text(json.dumps(rows))
    with pytest.raises(PredictionError) as error:
        read_runs([tmp_path])
    first, *listed, last = str(error.value).splitlines()
    assert first.endswith(
        "21 of 21 results cannot be scored; nothing was written. Correct or remove:"
    )
    assert len(listed) == MAX_LISTED
    assert last == "  and 1 more"


def test_what_is_no_run_says_what_is(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="holds no run of FERBench; give lmms-eval's"):
        read_runs([tmp_path])
    with pytest.raises(PredictionError, match="no run was given; give lmms-eval's"):
        read_runs([])
    path = tmp_path / "1_results.json"
    path.write_text('{"results": {}}')
    with pytest.raises(PredictionError, match="run lmms-eval again with --log_samples"):
        read_runs([tmp_path])
    with pytest.raises(PredictionError, match="holds scores and no answers"):
        read_runs([path])
    for content, instead in {
        '{"eval": {}, "samples": []}': "is a log of inspect_ai; write its samples as rows of data",
        '{"predictions": []}': "is one JSON object; give a list of objects, one a row",
    }.items():
        other = tmp_path / "other.json"
        other.write_text(content)
        with pytest.raises(PredictionError, match=instead):
            read_runs([other])
    with pytest.raises(PredictionError, match=r"absent\.jsonl does not exist; give lmms-eval's"):
        read_runs([tmp_path / "absent.jsonl"])
    cut = write_predictions(tmp_path / "cut.jsonl", SFEW)
    cut.write_text(cut.read_text()[:-20])
    with pytest.raises(PredictionError, match="line 21: is not JSON"):
        read_runs([cut])


def test_predictions_beside_logs_are_named(tmp_path: Path) -> None:
    write_logs(tmp_path / "o", {"ferbench_sfew": SFEW["sfew"]})
    (tmp_path / "o/scores.json").write_text('{"runs": []}')
    (tmp_path / "o/empty.jsonl").write_text("")
    (tmp_path / "o/questions.csv").write_text("dataset,id,target\n")
    os.mkfifo(tmp_path / "o/pipe.jsonl")
    (run,) = read_runs([tmp_path / "o"])
    assert not any("Not read" in note for note in run.notes)
    beside = write_predictions(tmp_path / "o/sub/gpt.jsonl", SFEW)
    (run,) = read_runs([tmp_path / "o"])
    remedy = f"1 prediction file below {tmp_path / 'o'}; give each by its name ({beside})"
    assert f"Not read: {remedy}." in run.notes
    for log in (tmp_path / "o").glob("*_samples_*"):
        log.unlink()
    with pytest.raises(PredictionError, match="holds no run of FERBench; 1 prediction file below"):
        read_runs([tmp_path / "o"])


def test_like_runs_have_no_differences(tmp_path: Path) -> None:
    one = write_predictions(tmp_path / "a.jsonl", SFEW)
    two = write_predictions(tmp_path / "b.jsonl", {"sfew": answers("sfew", right=1, wrong=2)})
    assert differences(read_runs([one, two])) == []


def test_a_dataset_beside_the_benchmark_is_lacked_by_those_alone_that_have_a_part_of_it() -> None:
    def run(name: str, *asked: tuple[str, str]) -> Run:
        return Run(
            name, name, tuple(Prediction(key, id_, "fear", label="fear") for key, id_ in asked)
        )

    whole = run("whole", ("affectnet", "a"), ("affectnet7", "a"), ("affectnet7", "b"))
    assert differences([whole, run("base", ("affectnet", "a"))]) == []
    (found,) = differences([whole, run("part", ("affectnet", "a"), ("affectnet7", "a"))])
    assert "part lacks 1" in found
    (found,) = differences([whole, run("beside", ("affectnet7", "a"), ("affectnet7", "b"))])
    assert "beside lacks 1" in found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["ab", "ab", "ab"], ""),
        (["ab", "ab", "abc"], "2 of run 0 and 1 other run: run 2 has 1 more."),
        (
            ["a", "ab", "ab", "bc"],
            "2 of run 1 and 1 other run: run 0 lacks 1, run 3 lacks 1 and has 1 more.",
        ),
        (["ab", "abc", "d"], "3 of run 1: run 0 lacks 1, run 2 lacks 3 and has 1 more."),
    ],
)
def test_the_runs_that_were_asked_otherwise_are_named_and_no_others(
    asked: list[str], said: str
) -> None:
    runs = [
        Run(
            f"run {number}", "", tuple(Prediction("sfew", id_, "fear", label="fear") for id_ in ids)
        )
        for number, ids in enumerate(asked)
    ]
    assert "".join(differences(runs)).rpartition("Beside the ")[2] == said


def test_differences_between_runs_are_named(tmp_path: Path) -> None:
    tasks = {"ferbench_sfew": SFEW["sfew"]}
    fewer = {"ferbench_sfew": dict(list(SFEW["sfew"].items())[:10])}
    other = {"ferbench_sfew": {**SFEW["sfew"], "angry-0": "fear"}}
    a = write_logs(tmp_path / "a", tasks, model="a")
    b = write_logs(tmp_path / "b", fewer, model="b", stand_in=True)
    c = write_logs(tmp_path / "c", other, model="c", sha256="cd" * 32)
    (log,) = c.glob("*.jsonl")
    log.write_text(log.read_text().replace('"gold": "angry"', '"gold": "sad"', 1))
    found = differences(read_runs([a, b, c]))
    assert found == [
        "The runs did not answer the same questions, so their figures have different "
        "denominators. Beside the 21 of a and 1 other run: b lacks 11.",
        "c has other true labels than runs before it, for 1 question.",
        "The runs saw different kinds of faces (synthetic faces: b; the benchmark's images: a, c).",
        "The runs read different versions of the data of SFEW 2.0.",
    ]
