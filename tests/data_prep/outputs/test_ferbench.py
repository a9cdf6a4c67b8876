"""`unifer-data ferbench`: archives in, the benchmark folder out, differences named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data_prep.cli.main import main
from data_prep.outputs.ferbench import plan
from data_prep.outputs.quarantine import Fault, read_list
from data_prep.sources.archives import open_source
from data_prep.sources.index import INDEX_FILES, read_index
from tests.conftest import run_command
from tests.data_prep import official
from tests.data_prep.reading import hashes, lines, times
from tests.machine import kill_when
from unifer_tasks.data.manifest import read_manifest
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES
from unifer_tasks.protocol.prompts import question


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, Path]:
    return {
        dataset: write(tmp_path / "archives" / dataset)
        for dataset, write in official.WRITERS.items()
    }


@pytest.fixture
def index(archives: dict[str, Path], tmp_path: Path) -> Path:
    """Question files that publish just what the archives hold, in an order of their own."""
    folder = tmp_path / "index"
    for dataset, path in archives.items():
        labels = LABEL_SPACES[dataset].labels
        samples = sorted(plan(open_source(dataset, path)).samples, key=lambda s: s.id[::-1])
        rows = [
            {
                "image_path": sample.id,
                "true_label": sample.label,
                "prompt": question(labels),
                "candidate_labels": labels,
            }
            for sample in samples
        ]
        official.put(folder / INDEX_FILES[dataset], json.dumps(rows).encode())
    return folder


def command(archives: dict[str, Path], out: Path, *options: object) -> list[str]:
    named = [text for key, path in archives.items() for text in (f"--{key}", path)]
    return list(map(str, ["ferbench", *named, "--out", out, "--jobs", "1", *options]))


def test_the_published_rows_in_the_published_order(
    archives: dict[str, Path], index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(archives, out, "--index", index)) == 0
    assert capsys.readouterr().err == ""
    manifest = read_manifest(out)
    assert not manifest.stand_in
    for dataset, path in archives.items():
        rows = pq.read_table(out / dataset / "test.parquet").to_pylist()
        published = json.loads((index / INDEX_FILES[dataset]).read_text())
        assert [(row["id"], row["target"]) for row in rows] == [
            (asked["image_path"], asked["true_label"]) for asked in published
        ]
        source = open_source(dataset, path)
        member = {sample.id: sample.member for sample in plan(source).samples}
        assert [row["image"]["bytes"] for row in rows] == [
            source.images.read(member[row["id"]]) for row in rows
        ]


def test_the_whole_benchmark_is_rebuilt_as_published(
    index_folder: Path, votes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = read_index(index_folder)
    whole = official.write_published(tmp_path, published)
    whole["ferplus"] = official.write_whole_ferplus(tmp_path / "ferplus.zip", votes_folder)
    assert main(command(whole, tmp_path / "out", "--index", index_folder)) == 0
    assert capsys.readouterr().err == ""
    assert read_manifest(tmp_path / "out").caveat() is None
    for dataset, questions in published.items():
        table = pq.read_table(tmp_path / "out" / dataset / "test.parquet", columns=["id", "target"])
        assert [(row["id"], row["target"]) for row in table.to_pylist()] == [
            (asked.id, asked.target) for asked in questions
        ]


def edit(index: Path, dataset: str, number: int, **changes: object) -> None:
    path = index / INDEX_FILES[dataset]
    rows = json.loads(path.read_text())
    rows[number].update(changes)
    path.write_text(json.dumps(rows))


def test_every_difference_from_the_index_is_listed_and_nothing_written(
    archives: dict[str, Path], index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(index, "sfew", 0, true_label="sad")
    edit(index, "sfew", 1, image_path="/SFEW-2.0/Val/Val_Aligned_Faces/Sad/nobody.png")
    edit(index, "rafdb", 2, prompt="Which expression is it?")
    edit(index, "affectnet", 3, candidate_labels=["neutral"])
    assert main(command(archives, tmp_path / "out", "--index", index, "--partial")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("rafdb: ")
    assert lines[0].endswith("is published with another prompt")
    assert lines[1].endswith("is published with other labels")
    assert lines[2].endswith(", sad is published")
    assert lines[3].endswith("nobody.png is not in the archive")
    assert lines[4].endswith("is not published")
    assert "5 differences from the published benchmark" in lines[5]
    assert not (tmp_path / "out").exists()


def test_counts_a_label_are_checked_without_an_index(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command({"sfew": archives["sfew"]}, out)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "sfew: 2 faces are angry, 77 are published"
    assert "7 differences" in lines[-1]
    assert "--partial builds what is there" in lines[-1]
    assert not out.exists()


def test_a_part_is_built_on_request_and_reported(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command({"sfew": archives["sfew"]}, out, "--partial")) == 0
    assert "part of FERBench: 14 of 11,072 questions" in capsys.readouterr().out
    assert read_manifest(out).caveat(["sfew"]) == "14 of 431 questions"
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["sfew"]


def test_without_an_index_the_order_is_documented(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    assert main(command(archives, tmp_path / "out", "--partial")) == 0
    for dataset in FERBENCH:
        table = pq.read_table(tmp_path / "out" / dataset / "test.parquet", columns=["id"])
        ids = table.column("id").to_pylist()
        assert ids == sorted(ids, reverse=dataset == "rafdb")


def test_bad_images_are_left_out_listed_and_counted(
    archives: dict[str, Path], index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = archives["rafdb"] / "basic/Image/aligned"
    whole = (faces / "test_0004_aligned.jpg").read_bytes()
    (faces / "test_0004_aligned.jpg").write_bytes(whole[: len(whole) // 2])
    (faces / "test_0009_aligned.jpg").write_bytes(b"")
    (faces / "test_0011_aligned.jpg").write_bytes(b"Not found")
    out = tmp_path / "out"
    for _ in range(2):
        assert main(command(archives, out, "--index", index)) == 3
        said = capsys.readouterr()
        assert said.err.count("left out: rafdb /RAF-DB/aligned/test_00") == 3
    faults = list(read_list(Fault, out / "rafdb/quarantine.jsonl"))
    assert {fault.id[-16:-12]: fault.reason.split(":")[0] for fault in faults} == {
        "0011": "is not an image",
        "0009": "is empty",
        "0004": "cannot be decoded",
    }
    manifest = read_manifest(out)
    assert manifest.datasets["rafdb"].rows == 11
    assert list(read_list(Fault, out / "sfew/quarantine.jsonl")) == []


def test_unused_entries_are_listed_by_name(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (archives["rafdb"] / "basic/Image/aligned/test_0004_aligned.jpg").unlink()
    assert main(command(archives, out, "--partial")) == 3
    assert f"listed in {out}/affectnet/skipped.jsonl" in capsys.readouterr().out
    listed = {dataset: lines(out / dataset / "skipped.jsonl") for dataset in archives}
    assert listed["ferplus"] == []
    assert listed["rafdb"] == [
        {
            "dataset": "rafdb",
            "name": "test_0004.jpg",
            "reason": "its aligned face is missing",
            "by_rule": False,
        }
    ]
    assert [entry["name"] for entry in listed["sfew"]] == ["Val/Fear/NoFace_000000001_00000001.png"]
    assert len({entry["name"] for entry in listed["affectnet"]}) == 6


def test_a_second_run_writes_nothing_and_a_changed_archive_is_noticed(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(archives, out, "--partial")) == 0
    before = times(out)
    assert main(command(archives, out, "--partial")) == 0
    assert times(out) == before
    frame = next((archives["sfew"] / "Val/Val_Aligned_Faces/Sad").iterdir())
    shutil.copy(official.__file__, frame)
    assert main(command(archives, out, "--partial")) == 1
    assert "holds another build" in capsys.readouterr().err


def test_archives_that_cannot_give_the_benchmark_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbered = official.write_affectnet_numbered(tmp_path / "affectnet")
    assert main(command({"affectnet": numbered}, tmp_path / "out", "--partial")) == 1
    assert "cannot be mapped to FERBench's ids" in capsys.readouterr().err
    assert main(["ferbench", "--out", str(tmp_path / "out")]) == 1
    assert "no archive was named" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_killed_at_any_moment_it_resumes_and_ends_with_the_same_bytes(
    archives: dict[str, Path], tmp_path: Path, bin_folder: Path
) -> None:
    def run(out: Path) -> list[str]:
        named = command(archives, out, "--partial", "--jobs", "2")
        return [str(bin_folder / "unifer-data"), *named]

    run_command(run(tmp_path / "whole"))
    out = tmp_path / "killed"
    for seen in ("manifest.json", "ferplus", "sfew/test.parquet.partial"):
        kill_when((out / seen).exists, run(out))
    run_command(run(out))
    assert hashes(out) == hashes(tmp_path / "whole")


def test_a_part_without_an_image_has_exit_status_3(tmp_path: Path) -> None:
    archive = official.write_rafdb(tmp_path / "rafdb", 2)
    run = ["ferbench", "--rafdb", archive, "--out", tmp_path / "out", "--partial", "--jobs", "1"]
    (archive / "basic/Image/aligned/test_0001_aligned.jpg").unlink()
    for _ in range(2):
        assert main(list(map(str, run))) == 3
