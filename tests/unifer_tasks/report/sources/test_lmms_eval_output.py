from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unifer_tasks.report.on_disk import answers, write_lines, write_logs
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import assess
from unifer_tasks.report.figures.marks import questions
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.sources.given import read_runs
from unifer_tasks.report.sources.runs import Run

SFEW = {"ferbench_sfew": answers("sfew")}


def only(runs: list[Run]) -> Run:
    (run,) = runs
    return run


def test_a_run_says_where_it_comes_from(tmp_path: Path) -> None:
    cli = {
        "model": "unifer",
        "model_args": "pretrained=org/model",
        "tasks": "ferbench",
        "limit": None,
    }
    write_logs(tmp_path / "org__model", SFEW, config={"resolved_cli_args": cli, "device": "cpu"})
    run = only(read_runs([tmp_path]))
    assert (run.name, run.variant.key, run.title, run.stand_in) == (
        "org/model",
        "base",
        "org/model",
        False,
    )
    assert run.source == str(tmp_path / "org__model")
    assert len(run.predictions) == 21
    expected = {
        "model": "org/model",
        "command": "lmms-eval --model unifer --model_args pretrained=org/model --tasks ferbench",
        "date": "20260101_000000",
        "unifer": "0.1.0",
        "torch": "2.11.0",
        "pixels": "224 x 224",
        "generation": "max_new_tokens=8",
        "data sfew": "ab" * 32,
    }
    assert expected.items() <= run.provenance.items()
    assert run.provenance["questions"].endswith("(as this version asks)")
    assert "angry, disgust, fear" in run.questions["sfew"]
    assert run.notes == ("Incomplete: 21 of 11,072 questions (RAF-DB 0 of 3,068, FERPlus 0 of "
                         "3,573, AffectNet 0 of 4,000, SFEW 2.0 21 of 431).",)  # fmt: skip


def test_several_models_and_variants_in_one_folder(tmp_path: Path) -> None:
    tasks = {
        **SFEW,
        "ferbench_direct_sfew": answers("sfew"),
        "ferbench_shuffled_sfew": answers("sfew"),
    }
    write_logs(tmp_path / "a", tasks, model="org/a")
    write_logs(tmp_path / "b", SFEW, model="/home/me/merged/step_10/huggingface")
    runs = read_runs([tmp_path])
    assert [run.title for run in runs] == [
        "org/a", "org/a (direct)", "org/a (shuffled_0)", "org/a (shuffled_1)",
        "org/a (shuffled_2)", "org/a (shuffled_3)", "step_10/huggingface",
    ]  # fmt: skip
    assert {len(run.predictions) for run in runs} == {21}
    assert {run.stand_in for run in runs} == {False}
    assert len({run.provenance["questions"] for run in runs}) == 6
    assert runs[1].variant is VARIANTS["direct"]
    assert (runs[5].variant, runs[5].permutation) == (VARIANTS["shuffled"], 3)


def test_the_newest_run_of_a_task_counts(tmp_path: Path) -> None:
    old = {**SFEW, "ferbench_rafdb": answers("rafdb")}
    write_logs(tmp_path, old, date="20260101_000000")
    new = {"ferbench_sfew": answers("sfew", right=3, wrong=0)}
    write_logs(
        tmp_path, new, date="20260102_000000", config={"model_args": "pretrained=org/model,x=1"}
    )
    run = only(read_runs([tmp_path]))
    assert all(row.response and row.target in row.response for row in run.predictions[-21:])
    assert run.notes[:3] == (
        "The newest run of each task counts; left out: 1 older log (ferbench_sfew).",
        "Put together from several runs (20260101_000000: rafdb; 20260102_000000: sfew).",
        "These runs had different model arguments; shown are those of the newest.",
    )


def test_the_run_that_ended_last_counts_though_the_clock_went_back(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW, date="20260102_000000", serial=1)
    new = {"ferbench_sfew": answers("sfew", right=3, wrong=0)}
    write_logs(tmp_path, new, date="20260101_000000", serial=2)
    run = only(read_runs([tmp_path]))
    assert all(row.response and row.target in row.response for row in run.predictions)
    assert run.provenance["date"] == "20260101_000000"


def broken(folder: Path, case: str) -> None:
    log = next(folder.glob("*_samples_*.jsonl"))
    if case == "cut-off":
        log.write_text(log.read_text()[:-30])
    elif case == "no-results":
        next(folder.glob("*_results.json")).unlink()
    elif case == "no-log":
        document = json.loads(next(folder.glob("*_results.json")).read_text())
        document["configs"]["ferbench_rafdb"] = {}
        next(folder.glob("*_results.json")).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("case", "n", "note"),
    [
        ("cut-off", 20, "samples_ferbench_sfew.jsonl breaks off and is left out"),
        ("cut-off", 20, "holds 20 of 21 samples"),
        ("no-results", 21, "has no results file beside it"),
        ("no-log", 21, "no sample log of ferbench_rafdb, which the results file lists"),
    ],
)
def test_an_interrupted_run_is_read_and_says_so(
    tmp_path: Path, case: str, n: int, note: str
) -> None:
    folder = write_logs(tmp_path / "model", SFEW)
    broken(folder, case)
    run = only(read_runs([tmp_path]))
    assert len(run.predictions) == n
    assert any("Interrupted" in found and note in found for found in run.notes)
    assert any(found.startswith("Incomplete") for found in run.notes)
    if case == "no-results":
        assert (run.name, run.stand_in) == ("model", None)


@pytest.mark.parametrize("content", ["", "\n", '{"accuracy": {"datas'])
def test_a_run_without_a_sample_is_left_out_and_named(tmp_path: Path, content: str) -> None:
    for model in ("org/a", "org/b"):
        write_logs(tmp_path / model, SFEW, model=model)
    empty, log = sorted(tmp_path.rglob("*_samples_*.jsonl"))
    empty.write_text(content)
    run = only(read_runs([tmp_path]))
    assert (run.name, len(run.predictions)) == ("org/b", 21)
    note = f"Interrupted, and left out: 1 log without a sample ({empty} of org/a)."
    assert note in run.notes
    log.write_text("")
    with pytest.raises(PredictionError, match="holds no predictions; remove the log, which a run"):
        read_runs([tmp_path])


def test_an_older_log_counts_where_the_newest_is_empty(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW, date="20260101_000000")
    write_logs(tmp_path, SFEW, date="20260102_000000")
    (tmp_path / "20260102_000000_samples_ferbench_sfew.jsonl").write_text("")
    run = only(read_runs([tmp_path]))
    assert run.provenance["date"] == "20260101_000000"
    assert any("left out: 1 log without a sample" in note for note in run.notes)


def test_a_limited_run_says_so(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW, config={"limit": 3.0})
    assert (
        "Run with --limit 3: a part of each dataset was asked." in only(read_runs([tmp_path])).notes
    )


@pytest.mark.parametrize("limit", [None, -1, -1.0])
def test_no_limit_is_no_note(tmp_path: Path, limit: float | None) -> None:
    write_logs(tmp_path, SFEW, config={"limit": limit})
    assert not any("--limit" in note for note in only(read_runs([tmp_path])).notes)


def test_a_limited_run_says_how_much_of_the_data_it_asked(tmp_path: Path) -> None:
    tasks = {**SFEW, "ferbench_shuffled_sfew": answers("sfew")}
    write_logs(tmp_path, tasks, config={"limit": 21.0}, rows=112, asked=21)
    base, *turned = map(assess, read_runs([tmp_path]))
    assert questions(base, "sfew") == "21 of 112 of 431, INCOMPLETE"
    assert questions(base, "pooled") == "21 of 112 of 11,072, INCOMPLETE"
    assert {questions(one, "sfew") for one in turned} == {"21 of 28 of 431, INCOMPLETE"}


def test_an_offset_is_no_interruption(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW, config={"offset": 10}, asked=31, rows=31)
    assert not any("Interrupted" in note for note in only(read_runs([tmp_path])).notes)


@pytest.mark.parametrize(
    "change",
    [
        {"generation": {"temperature": 1}},
        {"repeats": 2},
        {"config": {"model": "vllm"}},
        {"sha256": "cd" * 32},
        {"stand_in": True},
    ],
)
def test_runs_of_one_model_that_differ_are_kept_apart(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    write_logs(tmp_path, {**SFEW, "ferbench_rafdb": answers("rafdb")}, date="20260101_000000")
    write_logs(tmp_path, SFEW, date="20260102_000000", **change)
    new, old = read_runs([tmp_path])
    assert (new.title, old.title) == ("org/model", "org/model #2")
    assert (len(new.predictions), len(old.predictions)) == (21, 42)
    assert "This is the run of 20260102_000000. Its folder holds another" in new.notes[0]
    assert "(20260101_000000), which differs in " in new.notes[0]


def test_models_that_share_a_folder_and_a_short_name_have_their_whole_names(
    tmp_path: Path,
) -> None:
    for date, root in (("20260101_000000", "x"), ("20260102_000000", "y")):
        write_logs(tmp_path, SFEW, date=date, model=f"/{root}/step_10/hf")
    assert [run.name for run in read_runs([tmp_path])] == ["/x/step_10/hf", "/y/step_10/hf"]


def test_the_results_file_of_one_run_is_that_run(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW, date="20260101_000000")
    write_logs(tmp_path, SFEW, date="20260102_000000", repeats=2)
    run = only(read_runs([tmp_path / "20260101_000000_results.json"]))
    assert (run.provenance["date"], run.repeated) == ("20260101_000000", ())


@pytest.mark.parametrize("scored", ["all", "first"])
def test_repeated_answers_are_all_read(tmp_path: Path, scored: str) -> None:
    """Also of logs of before, in which the first answer alone was scored."""
    folder = write_logs(tmp_path, SFEW, repeats=3)
    if scored == "first":
        (log,) = folder.glob("*.jsonl")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for line in lines:
            line["resps"] = line["filtered_resps"]
            line["filtered_resps"] = line["resps"][0]
        write_lines(log, lines)
    one = assess(only(read_runs([tmp_path])))
    # Two answers in three are fear; of the third, two in three are right.
    assert one.strict.pooled.scores["accuracy"] == pytest.approx(3 / 21)
    found = one.repeats["sfew"]
    assert (found.repeats, found.questions) == (3, 21)
    assert found.majority_vote == pytest.approx(3 / 21)
    assert found.accuracy == pytest.approx((2 * 3 + 14) / 63)
    assert found.pass_at[3] == pytest.approx(15 / 21)
    fears = list(SFEW["ferbench_sfew"].values()).count("fear")
    assert found.agreement == pytest.approx(fears / 21)
    assert one.repeats["pooled"] == found
    assert one.run.provenance["repeats"] == "3"
    assert any("was asked 3 times (--repeats)" in note for note in one.run.notes)
    assert "| SFEW 2.0 | 3 |" in as_markdown(contents([one]))


def test_a_question_asked_less_often_is_told(tmp_path: Path) -> None:
    folder = write_logs(tmp_path, SFEW, repeats=3)
    (log,) = folder.glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[0]["filtered_resps"] = lines[0]["filtered_resps"][:1]
    write_lines(log, lines)
    one = assess(only(read_runs([tmp_path])))
    assert one.repeats["sfew"].questions == 20
    assert any("asked 3 times, others only 1" in note for note in one.run.notes)


def test_questions_asked_once_have_no_figures_of_repeats(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW)
    one = assess(only(read_runs([tmp_path])))
    assert one.repeats == {}
    assert "Repeated answers" not in as_markdown(contents([one]))


def test_other_questions_than_this_versions_are_noticed(tmp_path: Path) -> None:
    folder = write_logs(tmp_path, SFEW)
    (log,) = folder.glob("*.jsonl")
    log.write_text(log.read_text().replace("As an expert", "As a layman"))
    run = only(read_runs([tmp_path]))
    assert "The questions are not those that this version asks." in run.notes
    assert "this version" not in run.provenance["questions"]


@pytest.mark.parametrize(
    ("heading", "stand_in"),
    [
        ("ferbench_sfew [STAND-IN faces, 14 of 431 questions]", True),
        ("ferbench_sfew", False),
        (None, None),
    ],
)
def test_runs_before_the_metadata_tell_stand_ins_by_their_heading(
    tmp_path: Path, heading: str | None, stand_in: bool | None
) -> None:
    folder = write_logs(tmp_path, SFEW)
    (path,) = folder.glob("*_results.json")
    document: dict[str, Any] = json.loads(path.read_text())
    document["configs"]["ferbench_sfew"] = {"task_alias": heading, "metadata": {"version": 1.0}}
    path.write_text(json.dumps(document))
    assert only(read_runs([tmp_path])).stand_in is stand_in


def test_an_api_model_and_a_replay_have_names(tmp_path: Path) -> None:
    replay = {"model": "replay", "model_args": "samples=/data/strong.jsonl"}
    write_logs(tmp_path, SFEW, model="", config=replay)
    assert only(read_runs([tmp_path])).name == "replay strong.jsonl"


def test_one_log_alone_can_be_given(tmp_path: Path) -> None:
    tasks = {**SFEW, "ferbench_rafdb": answers("rafdb")}
    folder = write_logs(tmp_path, tasks)
    run = only(read_runs([folder / "20260101_000000_samples_ferbench_sfew.jsonl"]))
    assert {row.dataset for row in run.predictions} == {"sfew"}


def test_a_damaged_log_or_results_file_is_an_error(tmp_path: Path) -> None:
    folder = write_logs(tmp_path, SFEW)
    (log,) = folder.glob("*.jsonl")
    log.write_text("{}\n" + log.read_text())
    with pytest.raises(PredictionError, match="line 1: is not a FERBench sample"):
        read_runs([tmp_path])
    next(folder.glob("*_results.json")).write_text("{")
    with pytest.raises(PredictionError, match=r"_results.json is not JSON .*; leave it out"):
        read_runs([tmp_path])


def test_a_log_of_an_unknown_task_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "1_samples_ferbench_moods.jsonl"
    path.write_text("{}\n")
    with pytest.raises(
        PredictionError, match="ferbench_moods, which is not a task of this version"
    ):
        read_runs([tmp_path])
