"""Votes and attributes beside the questions, from the archives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

from data_prep.cli.main import main
from data_prep.outputs import push
from tests.data_prep import official
from unifer_tasks.data.annotations import ATTRIBUTES, Annotations, read_annotations
from unifer_tasks.data.manifest import read_manifest

BASE = ["id", "image", "target", "candidate_labels", "dataset"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return official.write_rafdb(tmp_path_factory.mktemp("official") / "rafdb", 2)


@pytest.fixture
def rafdb(archive: Path, tmp_path: Path) -> Path:
    return shutil.copytree(archive, tmp_path / "rafdb")


def build(dataset: str, archive: Path, out: Path) -> int:
    run = ["ferbench", f"--{dataset}", archive, "--out", out, "--partial", "--jobs", "1"]
    return main(list(map(str, run)))


def as_it_is(root: Path) -> None:
    pass


def zip_the_folder(root: Path) -> None:
    """Pack `manual` as RAF-DB hands it out."""
    folder = root / "basic/Annotation"
    shutil.make_archive(str(folder / "manual"), "zip", folder, "manual")
    shutil.rmtree(folder / "manual")


def zip_the_files(root: Path) -> None:
    folder = root / "basic/Annotation"
    shutil.make_archive(str(folder / "manual"), "zip", folder / "manual")
    shutil.rmtree(folder / "manual")


def end_lines_as_windows_does(root: Path) -> None:
    for path in (root / "basic/Annotation/manual").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").replace(b"\t", b" ") + b"\r\n")


@pytest.mark.parametrize(
    "change", [as_it_is, zip_the_folder, zip_the_files, end_lines_as_windows_does]
)
def test_attributes_are_found_in_any_place(
    change: Callable[[Path], None], rafdb: Path, tmp_path: Path
) -> None:
    change(official.write_attributes(rafdb))
    assert build("rafdb", rafdb, tmp_path / "out") == 0
    found = read_annotations(tmp_path / "out/rafdb/test.parquet")
    genders, races, ages = ATTRIBUTES.values()
    assert found == {
        f"/RAF-DB/aligned/test_{n:04d}_aligned.jpg": Annotations(
            gender=genders[n % 3], race=races[(n + 1) % 3], age_group=ages[n % 5]
        )
        for n in range(1, 15)
    }
    # Images are read where they lie all the same.
    assert main(["verify", str(tmp_path / "out"), "--jobs", "1"]) == 0


def test_missing_attributes_are_reported(
    rafdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("rafdb", rafdb, tmp_path / "without") == 0
    assert (
        "without gender, race and age groups: it has no Annotation/manual"
        in capsys.readouterr().out
    )
    table = pq.read_table(tmp_path / "without/rafdb/test.parquet")
    assert table.column_names == BASE
    assert read_manifest(tmp_path / "without").datasets["rafdb"].annotations == {}
    assert "Annotations" not in (tmp_path / "without/README.md").read_text()
    official.write_attributes(rafdb, 11)
    assert build("rafdb", rafdb, tmp_path / "some") == 0
    assert "rafdb          11 with age_group\n" in capsys.readouterr().out
    file = read_manifest(tmp_path / "some").datasets["rafdb"]
    assert file.annotations == dict.fromkeys(ATTRIBUTES, 11)
    card = (tmp_path / "some/README.md").read_text()
    assert "| RAF-DB | `gender` | 11 |" in card
    assert "neither what the people say of themselves" in card
    # Read with other files, the folder would not be what its manifest says.
    assert build("rafdb", rafdb, tmp_path / "without") == 1
    assert "the questions, or the files of their images, changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not have five lines of landmarks and a line each of gender, race, age_group"),
        ("1 2\n" * 5 + "0\n1\n", "does not have five lines of landmarks"),
        ("1 2\n" * 4 + "0\n1\n1\n", "does not have five lines of landmarks"),
        ("1 2\n" * 5 + "0\n1\n1\n1\n", "does not have five lines of landmarks"),
        ("1 2\n" * 5 + "3\n1\n1\n", "gender '3' is none of 0 to 2 (male, female, unsure)"),
        ("1 2\n" * 5 + "0\n-1\n1\n", "race '-1' is none of 0 to 2"),
        ("1 2\n" * 5 + "0\n1\nold\n", "age_group 'old' is none of 0 to 4"),
        ("1 2\n" * 5 + "0\n1\n\u0662\n", "is none of 0 to 4"),
    ],
)
def test_bad_attributes_are_one_sentence(
    text: str, message: str, rafdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    official.write_attributes(rafdb)
    name = "basic/Annotation/manual/test_0003_manu_attri.txt"
    (rafdb / name).write_text(text)
    assert build("rafdb", rafdb, tmp_path / "out") == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert name in said
    assert message in said
    assert said.endswith("; download it again")
    assert not (tmp_path / "out/manifest.json").exists()


def test_votes_are_those_by_which_the_target_was_chosen(tmp_path: Path) -> None:
    archive = official.write_ferplus(tmp_path / "ferplus", 1)
    assert build("ferplus", archive, tmp_path / "out") == 0
    path = tmp_path / "out/ferplus/test.parquet"
    rows = datasets.load_dataset("parquet", data_files=str(path), split="train")
    assert rows.column_names == [*BASE, "votes", "votes_other"]
    for row in rows:
        of_label = dict(zip(row["candidate_labels"], row["votes"], strict=True))
        assert of_label.pop(row["target"]) == 7
        assert set(of_label.values()) == {0}
        assert row["votes_other"] == 3
        assert row["image"].size == (48, 48)
    staged = tmp_path / "staged"
    staged.mkdir()
    push.stage(tmp_path / "out", staged)
    names = pq.read_schema(staged / "ferplus/test.parquet").names
    assert names == [name for name in BASE if name != "image"]
    assert read_manifest(staged).datasets["ferplus"].annotations == {}


def test_landmarks_of_other_images_are_left_out_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = official.write_affectnet(tmp_path / "affectnet", 1)
    path = archive / "Manually_Annotated_file_lists/validation.csv"
    points = ";".join(["40"] * 136)
    path.write_text(
        path.read_text("utf-8-sig")
        .replace("1;2;3", points)
        .replace("0,0,96,96", "134,134,899,899", 3)
    )
    assert build("affectnet", archive, tmp_path / "out") == 0
    said = capsys.readouterr().out
    reason = (
        "landmarks: 3 of 8 face boxes of its list are outside of their images, which were cropped "
        "or scaled; the official ones keep them"
    )
    assert f"affectnet       8 without {reason}" in said
    listed = tmp_path / "out/affectnet/unannotated.jsonl"
    assert f"annotations that were left out: listed in {listed}" in said
    assert [json.loads(line)["reason"] for line in listed.read_text().splitlines()] == [reason] * 8
    assert pq.read_schema(tmp_path / "out/affectnet/test.parquet").names == BASE
    assert main(["verify", str(tmp_path / "out"), "--jobs", "1"]) == 0


def test_training_rows_are_read_as_before(rafdb: Path, tmp_path: Path) -> None:
    """Attributes belong to questions: with or without them a build of rows is finished."""
    out = tmp_path / "out"
    run = ["rlvr", "--rafdb", rafdb, "--out", out, "--no-leak-check", "--partial", "--jobs", "1"]
    assert main(list(map(str, run))) == 0
    before = (out / "manifest.json").read_bytes()
    zip_the_folder(official.write_attributes(rafdb))
    assert main(list(map(str, run))) == 0
    assert (out / "manifest.json").read_bytes() == before
    assert not (out / ".unpacked").exists()
