"""Training rows in another response format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.cli.main import main
from unifer_rewards.preflight import validate
from unifer_tasks.protocol.answers.formats import FORMATS, asked_format

N = 12


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "rows"
    options = ["--train", str(N), "--valid", "4", "--untagged", "0.5", "--jobs", "1"]
    assert main(["drawn", "--out", str(out), *options]) == 0
    return out


def reformat(rows: Path, key: str, out: Path, status: int = 0) -> Path:
    assert main(["reformat", str(rows), "--format", key, "--out", str(out)]) == status
    return out


def table(folder: Path, part: str = "train") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / f"{part}-00000.parquet").to_pylist()
    return rows


@pytest.mark.parametrize("key", FORMATS)
def test_rows_of_both_stages_ask_and_answer_in_the_format(
    key: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rlvr = reformat(drawn / "rlvr", key, tmp_path / "rlvr")
    cot = reformat(drawn / "cot", key, tmp_path / "cot")
    assert validate(table(rlvr), response_format=key) == N
    before, after = table(drawn / "cot"), table(cot)
    n_tagged = 0
    for old, new in zip(before, after, strict=True):
        (asked, said), (_, old_said) = new.pop("messages"), old.pop("messages")
        assert asked_format(asked["content"]) is FORMATS[key]
        texts = FORMATS["reasoned"].texts(old_said["content"])
        if FORMATS["reasoned"].is_kept(old_said["content"]):
            expected = FORMATS[key].response(texts["think"], texts["answer"])
            assert FORMATS[key].is_kept(expected)
            n_tagged += 1
        else:
            expected = old_said["content"]
        assert said["content"] == expected
        assert new == old
    assert 0 < n_tagged < N
    assert f"{N - n_tagged} responses are in no known format" in capsys.readouterr().out
    assert main(["verify", str(cot)]) == 0


def test_there_and_back_gives_the_same_rows(drawn: Path, tmp_path: Path) -> None:
    there = reformat(drawn / "cot", "answer_first", tmp_path / "there")
    back = reformat(there, "reasoned", tmp_path / "back")
    again = reformat(there, "reasoned", tmp_path / "back")
    assert table(back) == table(again) == table(drawn / "cot")
    assert table(back, "valid") == table(drawn / "cot", "valid")


def test_what_cannot_be_done_is_one_sentence(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    direct = reformat(drawn / "cot", "direct", tmp_path / "direct")
    before = table(direct)
    reformat(direct, "reasoned", tmp_path / "back", status=1)
    assert "its response has no rationale, which the format asks for" in capsys.readouterr().err
    reformat(direct, "direct", direct, status=1)
    assert "holds the rows to read; choose another folder" in capsys.readouterr().err
    reformat(drawn / "cot", "answer_first", direct, status=1)
    assert "holds another build" in capsys.readouterr().err
    assert table(direct) == before


def test_a_prompt_that_is_not_the_benchmarks_is_named(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = reformat(drawn / "rlvr", "reasoned", tmp_path / "rows")
    path = rows / "valid-00000.parquet"
    changed = table(rows, "valid")
    changed[1]["prompt"][0]["content"] = "<image>Which expression?"
    pq.write_table(pa.Table.from_pylist(changed, schema=pq.read_schema(path)), path)
    reformat(rows, "direct", tmp_path / "out", status=1)
    said = capsys.readouterr().err
    assert f"{changed[1]['extra_info']['id']}: its prompt is not the benchmark's question" in said
