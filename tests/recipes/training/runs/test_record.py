"""A run is recorded beside its checkpoints, and its record is read as it was written."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from recipes.training.runs.record import (
    RECORD_NAME,
    RecordError,
    find_record,
    lineage,
    read_record,
    record_run,
    write_record,
)
from tests.recipes.trainer import data
from tests.recipes.training.results.test_card import BASE, grpo, sft


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = grpo(BASE, preset="unifer")
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    checkpoint = tmp_path / "global_step_12" / "actor" / "huggingface"
    checkpoint.mkdir(parents=True)
    assert find_record(checkpoint) == replace(record, step=12)
    assert find_record(tmp_path / "elsewhere") is None
    (tmp_path / RECORD_NAME).write_text('{"schema": 0}')
    with pytest.raises(RecordError, match="was written by another version"):
        find_record(checkpoint)


def test_the_runs_before_are_recorded_once_each(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for run, record in ((first, sft(BASE)), (second, sft(str(first / "global_step_7")))):
        (run / "global_step_7").mkdir(parents=True)
        write_record(run, record)
    third = grpo(str(second / "global_step_7"))
    runs = lineage(third)
    assert [(run.stage, run.step) for run in runs] == [("grpo", 200), ("sft", 7), ("sft", 7)]
    write_record(tmp_path, replace(third, earlier=runs[1:]))
    shutil.rmtree(first)
    shutil.rmtree(second)
    assert lineage(read_record(tmp_path))[1:] == runs[1:]
    assert lineage(third) == (third,)


def test_a_run_is_recorded_with_its_data(drawn_rows: Path) -> None:
    pytest.importorskip("verl")
    from recipes.training.configuration.compose import read_settings

    rows = drawn_rows / "cot"
    overrides = [*data(rows), f"model.path={BASE}"]
    settings = read_settings("sft", "tiny", overrides)
    record = record_run(
        settings, {rows / "train-00000.parquet": 12, rows / "valid-00000.parquet": 4}
    )
    (train,) = record.data["train"]
    assert train.stand_in
    assert len(train.sha256) == 64
    assert (record.rows_read("train"), record.rows_read("val")) == (12, 4)
    assert (record.stage, record.model, record.adapter) == ("sft", BASE, None)
    assert record.algorithm is None
    assert record.earlier == ()
    assert record.overrides == settings.overrides
    assert record.versions["unifer"]


def test_the_algorithm_is_recorded(drawn_rows: Path, tmp_path: Path) -> None:
    pytest.importorskip("verl")
    from recipes.training.configuration.compose import read_settings

    rows = drawn_rows / "rlvr"
    files = {rows / "train-00000.parquet": 12, rows / "valid-00000.parquet": 4}
    given = [*data(rows), f"trainer.default_local_dir={tmp_path}", "algorithm=dapo"]
    record = record_run(read_settings("grpo", "tiny", given), files)
    write_record(tmp_path, record)
    assert read_record(tmp_path).algorithm == "dapo"
    path = tmp_path / RECORD_NAME
    earlier = json.loads(path.read_text())
    del earlier["algorithm"], earlier["earlier"]  # A record of an earlier version.
    path.write_text(json.dumps(earlier))
    found = read_record(tmp_path)
    assert found.algorithm is None
    assert found.earlier is None
    assert lineage(found) == (found,)
    assert "algorithm=dapo" in record.overrides
