"""A run is recorded beside its checkpoints, and its record is read as it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recipes.training.runs.record import (
    RECORD_NAME,
    RecordError,
    find_record,
    read_record,
    record_run,
    write_record,
)
from tests.recipes.trainer import data
from tests.recipes.training.results.test_card import BASE, grpo


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
    del earlier["algorithm"]  # A record of before there was a choice.
    path.write_text(json.dumps(earlier))
    assert read_record(tmp_path).algorithm is None
    assert "algorithm=dapo" in record.overrides
