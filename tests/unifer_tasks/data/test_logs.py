"""A folder of sample logs is sorted out: by model, by what decides the answers, by data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unifer_tasks.report.on_disk import answers, write_logs
from unifer_tasks.data.logs import find_log, log_paths, logs_of_one_run
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.data.results_file import next_serial
from unifer_tasks.data.sample_logs import read_responses
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS

SFEW = {"ferbench_sfew": answers("sfew")}
RAFDB = {"ferbench_rafdb": answers("rafdb")}
OLD, NEW = "20260101_000000", "20260102_000000"


def refused(folder: Path) -> str:
    with pytest.raises(PredictionError) as error:
        read_responses(folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("one", "other", "listed"),
    [
        (("a", "org/a"), ("b", "org/b"), "org/a in a; org/b in b"),
        # lmms-eval names a folder after the last two parts of a path.
        (("step_10__hf", "/x/step_10/hf"), ("step_10__hf", "/y/step_10/hf"),
         "/x/step_10/hf in step_10__hf; /y/step_10/hf in step_10__hf"),
        ((".", "org/a"), (".", ""), "org/a in .; unifer pretrained= in ."),
    ],
)  # fmt: skip
def test_models_are_never_mixed(
    tmp_path: Path, one: tuple[str, str], other: tuple[str, str], listed: str
) -> None:
    write_logs(tmp_path / one[0], SFEW, model=one[1], date=OLD)
    write_logs(tmp_path / other[0], RAFDB, model=other[1], date=NEW)
    message = refused(tmp_path)
    assert f"holds the answers of several models ({listed})" in message
    assert "give the folder of one, or the *_results.json of one run" in message
    (results,) = (tmp_path / one[0]).glob(f"{OLD}_results.json")
    assert {key[0] for key in read_responses(results)} == {"sfew"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"generation": {"temperature": 1}}, "generation"),
        ({"repeats": 2}, "repeats"),
        ({"config": {"limit": 8.0}}, "limit"),
        ({"config": {"offset": 8}}, "offset"),
        ({"config": {"model": "vllm"}}, "backend"),
        ({"config": {"model_args": "pretrained=org/model,dtype=float16"}}, "model_args"),
        ({"sha256": "cd" * 32}, "data"),
        ({"stand_in": True}, "data"),
    ],
)
def test_runs_of_one_model_that_differ_are_never_mixed(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    write_logs(tmp_path, SFEW, date=OLD)
    write_logs(tmp_path, RAFDB, date=NEW, **change)
    message = refused(tmp_path)
    assert f"several runs of org/model, which differ in {named} (" in message
    assert f"{OLD}: ferbench_sfew; {NEW}: ferbench_rafdb" in message
    assert {key[0] for key in read_responses(tmp_path / f"{NEW}_results.json")} == {"rafdb"}


def test_a_run_may_be_continued_for_other_tasks(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW, date=OLD)
    write_logs(tmp_path, RAFDB, date=NEW)
    notes: list[str] = []
    assert len(read_responses(tmp_path, note=notes.append)) == 42
    assert notes == []


def test_of_equal_runs_the_newest_counts_and_a_note_lists_them(tmp_path: Path) -> None:
    write_logs(tmp_path / "z", SFEW, date=OLD)
    write_logs(tmp_path / "a", {"ferbench_sfew": answers("sfew", right=3, wrong=0)}, date=NEW)
    notes: list[str] = []
    responses = read_responses(tmp_path, note=notes.append)
    assert all(f"<answer>{id_.partition('-')[0]}" in text for (_, id_, _), (text,) in
               responses.items())  # fmt: skip
    assert notes == [
        f"{tmp_path} holds 2 runs of org/model ({OLD}, {NEW}); of each task the newest counts "
        f"({NEW}: ferbench_sfew)"
    ]


@pytest.mark.parametrize(
    ("runs", "newest"),
    [
        # Folder, date, serial of each run; the last one is to count.
        ([("a", OLD, None), ("a", NEW, None)], NEW),
        ([("a", NEW, 1), ("a", OLD, 2)], OLD),
        ([("a", NEW, None), ("a", OLD, 1)], OLD),
        ([("a", NEW, 1), ("a", OLD, 2), ("a", "20260101_120000", 3)], "20260101_120000"),
        # Serials of several folders do not compare.
        ([("a", OLD, 5), ("b", NEW, 1)], NEW),
        ([("b", "20260103_000000", 1), ("a", NEW, 1), ("b", OLD, 2)], OLD),
    ],
)
def test_the_run_that_ended_last_is_the_newest_wherever_the_clock_stood(
    tmp_path: Path, runs: list[tuple[str, str, int | None]], newest: str
) -> None:
    for folder, date, serial in runs:
        write_logs(tmp_path / folder, SFEW, date=date, serial=serial)
    logs, note = logs_of_one_run(tmp_path, BASE)
    assert [log.date for log in logs.values()] == [newest]
    assert note is not None
    assert note.endswith(f"of each task the newest counts ({newest}: ferbench_sfew)")


def test_a_run_is_numbered_after_those_before_it(tmp_path: Path) -> None:
    assert next_serial(tmp_path) == 1
    write_logs(tmp_path, SFEW, date=OLD)
    assert next_serial(tmp_path) == 1
    write_logs(tmp_path, SFEW, date=NEW, serial=7)
    for number, damaged in enumerate(('{"ferbench_serial": "9"}', "[9]", "{", "")):
        (tmp_path / f"{number}_results.json").write_text(damaged)
    assert next_serial(tmp_path) == 8


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((), [], "is not a results file of lmms-eval: must be an object, got []; leave it out"),
        (("config",), None, "`config` must be an object, got null"),
        (("config", "model"), ["a"], '`config.model` must be a text or null, got ["a"]'),
        (("config", "limit"), "8", '`config.limit` must be a number or null, got "8"'),
        (("config", "offset"), 1e30, "`config.offset` must be an integer or null"),
        (("configs",), 7, "`configs` must be an object, got 7"),
        (("configs", "ferbench_sfew"), [], "`configs.ferbench_sfew` must be an object, got []"),
        (("configs", "ferbench_sfew", "repeats"), "2", "`configs.ferbench_sfew.repeats` must be"),
        (("configs", "ferbench_sfew", "metadata", "sha256", "sfew"), 3, "sha256.sfew` must be"),
        (("n-samples", "ferbench_sfew", "original"), -1, "has a negative number of samples"),
        (("n-samples", "ferbench_sfew", "effective"), {}, "effective` must be an integer or null"),
        (("model_name",), {"a": 1}, "`model_name` must be a text or null"),
        (("ferbench_serial",), "1", '`ferbench_serial` must be an integer, got "1"'),
    ],
)
def test_a_results_file_that_is_none_is_named_with_the_place(
    tmp_path: Path, place: tuple[str, ...], value: object, message: str
) -> None:
    write_logs(tmp_path, SFEW)
    (path,) = tmp_path.glob("*_results.json")
    document = json.loads(path.read_text())
    part = {"": document}
    for key in ("", *place)[:-1]:
        part = part[key]
    part[("", *place)[-1]] = value
    path.write_text(json.dumps(document if place else value))
    with pytest.raises(PredictionError) as error:
        logs_of_one_run(tmp_path, BASE)
    assert str(error.value).startswith(f"{path} is not a results file of lmms-eval: ")
    assert message in str(error.value)


def test_other_tasks_may_write_what_they_like(tmp_path: Path) -> None:
    write_logs(tmp_path, SFEW)
    (path,) = tmp_path.glob("*_results.json")
    document = json.loads(path.read_text())
    document["configs"]["mmmu"] = ["anything"]
    document["n-samples"]["mmmu"] = None
    path.write_text(json.dumps(document))
    assert logs_of_one_run(tmp_path, BASE)[0]["sfew"].expected == 21


def test_a_pipe_is_not_a_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{OLD}_samples_ferbench_sfew.jsonl")
    with pytest.raises(PredictionError, match="is a pipe or a device"):
        logs_of_one_run(tmp_path, BASE)


def test_logs_of_other_variants_are_passed_over(tmp_path: Path) -> None:
    write_logs(tmp_path, {**SFEW, "ferbench_direct_sfew": answers("sfew")})
    logs, _ = logs_of_one_run(tmp_path, BASE)
    assert [log.task for log in logs.values()] == ["ferbench_sfew"]
    logs, _ = logs_of_one_run(tmp_path, VARIANTS["direct"])
    assert [log.task for log in logs.values()] == ["ferbench_direct_sfew"]


def test_no_name_shows_a_key(tmp_path: Path) -> None:
    config = {"model": "openai", "model_args": "base_url=http://host,api_key=sk-12345678abcdefgh"}
    write_logs(tmp_path, SFEW, model="", config=config)
    (log,) = map(find_log, log_paths(tmp_path))
    assert "sk-12345678abcdefgh" not in log.model + log.model_title
    assert log.model.startswith("openai base_url=http://host,api_key=")


def test_a_results_file_stands_for_its_own_logs(tmp_path: Path) -> None:
    write_logs(tmp_path, {**SFEW, **RAFDB}, date=OLD)
    write_logs(tmp_path, SFEW, date=NEW)
    assert [path.name for path in log_paths(tmp_path / f"{NEW}_results.json")] == [
        f"{NEW}_samples_ferbench_sfew.jsonl"
    ]


@pytest.mark.parametrize(
    ("config", "asked", "rows", "expected"),
    [
        ({}, 28, 28, 28),
        ({"limit": 8.0}, 8, 28, 8),
        ({"limit": 8.0, "offset": 24}, 8, 28, 4),
        ({"offset": 30}, 28, 28, 0),
    ],
)
def test_how_many_samples_a_log_is_to_hold(
    tmp_path: Path, config: dict[str, Any], asked: int, rows: int, expected: int
) -> None:
    write_logs(tmp_path, SFEW, config=config, asked=asked, rows=rows)
    (log,) = log_paths(tmp_path)
    assert find_log(log).expected == expected
