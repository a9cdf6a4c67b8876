"""What is published holds no image, no path of this machine and nothing but texts in its card."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from data_prep.cli.main import main
from data_prep.images.fingerprints import Examined
from data_prep.outputs.card import write_benchmark_card, write_training_card
from data_prep.outputs.push import stage
from data_prep.outputs.rebase import rebase
from data_prep.outputs.training_folder import (
    Repeats,
    TrainingManifest,
    read_training_manifest,
    write_shards,
    write_training_manifest,
)
from data_prep.outputs.verify import verify_rows
from data_prep.support.errors import PreparationError
from data_prep.training.rows import RLVR, sft_form
from tests.data_prep import official
from tests.data_prep.reading import rows
from tests.unifer_tasks.redaction.test_markdown import shown
from tests.unifer_tasks.support.hostile import NAMES
from unifer_tasks.data.manifest import DatasetFile, Manifest, write_manifest
from unifer_tasks.redaction.characters import UNSEEN, one_line

TEACHER = "/home/me/models/My Teacher"


def contents(folder: Path) -> str:
    """Return all that the files of a folder say, parquet's texts unpacked."""
    texts = []
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            texts.append(json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False))
            texts.append(repr(pq.read_schema(path).metadata))
        elif path.is_file():
            texts.append(path.read_text(encoding="utf-8"))
    return "\n".join(texts)


def write_rlvr(out: Path, roots: dict[str, str], images: dict[str, str], **more: Any) -> None:
    """Write a folder of one GRPO row a dataset.

    Args:
        out: The folder.
        roots: Source -> root.
        images: Dataset -> image.
        **more: Fields of the manifest.
    """
    found = [
        Examined(dataset, "train", path, path, "fear", None) for dataset, path in images.items()
    ]
    shards = write_shards(
        out,
        "train",
        (RLVR.row(row, "train", number, None) for number, row in enumerate(found)),
        RLVR.schema,
    )
    counts = {"train": {dataset: {"fear": 1} for dataset in images}}
    manifest = TrainingManifest("rlvr", {}, {}, roots, {}, counts, {}, 0, {"train": shards})
    manifest = replace(manifest, **more)
    write_training_manifest(out, manifest)
    write_training_card(out, manifest)


def staged_from(out: Path, tmp_path: Path) -> Path:
    staged = tmp_path / "staged"
    staged.mkdir()
    stage(out, staged)
    return staged


def test_no_text_has_a_path_of_this_machine(tmp_path: Path) -> None:
    root = tmp_path / "my faces" / "sfew"
    inside = f"{root}/Train/Angry/a.png"
    write_rlvr(
        tmp_path / "out",
        {"sfew": str(root)},
        {"sfew": inside},
        recipe={"inputs": [["sfew", f"{root}/x"]], "tested_against": {"caveat": str(tmp_path)}},
        versions={"unifer": "1.0 (/opt/unifer)"},
        left_out={
            f"cannot read {inside}": 2,
            f"{root} is not readable": 1,
            "'/home/me/secret folder/a.png' is a link": 1,
            "in /home/me/a/list.csv": 3,
            "in /home/you/b/list.csv": 4,
        },
        differences=(f"sfew: {root}/list.csv lacks it", "sfew: ~/list.csv", r"C:\Users\me\a.csv"),
    )
    staged = staged_from(tmp_path / "out", tmp_path)
    said = contents(staged)
    for path in (tmp_path, Path.home(), Path.cwd(), "/home", "secret folder", "my faces", "Users"):
        assert f"{path}/" not in said
        assert f'{path}"' not in said
    for path in ("/opt", "~", "secret folder", "my faces", "Users"):
        assert path not in said
    manifest = read_training_manifest(staged)
    assert manifest.left_out == {
        "cannot read Train/Angry/a.png": 2,
        "sfew is not readable": 1,
        "'a.png' is a link": 1,
        "in list.csv": 7,
    }
    assert "| in list.csv | 7 |" in (staged / "README.md").read_text()
    (row,) = rows(staged)
    assert row["images"][0]["image"] == "sfew/Train/Angry/a.png"
    assert row["extra_info"]["id"] == "Train/Angry/a.png"


def test_a_teacher_on_this_machine_is_named_without_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "faces"
    text = f"As {root}/a.png shows, his/her mouth is /down/."
    found = Examined("sfew", "train", "a.png", f"{root}/a.png", "sad", None, response=text)
    form = sft_form("blind", TEACHER)
    shards = write_shards(
        tmp_path / "out", "train", [form.row(found, "train", 0, None)], form.schema
    )
    manifest = TrainingManifest(
        "cot",
        {"teacher": TEACHER},
        {},
        {"sfew": str(root)},
        {},
        {"train": {"sfew": {"sad": 1}}},
        {},
        0,
        {"train": shards},
    )
    write_training_manifest(tmp_path / "out", manifest)
    staged = staged_from(tmp_path / "out", tmp_path)
    assert "/home/me" not in contents(staged)
    (row,) = rows(staged)
    assert row["extra_info"]["teacher"] == "My Teacher"
    # What a rationale says is not for us to change, but for folders of this machine.
    assert row["messages"][1]["content"] == "As a.png shows, his/her mouth is /down/."


@pytest.mark.parametrize(
    ("roots", "images", "expected"),
    [
        (
            {"ferplus": "/a", "sfew": "/a"},
            {"ferplus": "/a/one.png", "sfew": "/a/two.png"},
            {"ferplus/one.png", "sfew/two.png"},
        ),
        (
            {"ferplus": "/a", "sfew": "/a/s"},
            {"ferplus": "/a/s/one.png", "sfew": "/a/s/two.png"},
            {"ferplus/s/one.png", "sfew/two.png"},
        ),
        (
            {"published": "/a"},
            {"ferplus": "/a/FERPlus/one.png", "sfew": "/a/SFEW/two.png"},
            {"published/FERPlus/one.png", "published/SFEW/two.png"},
        ),
    ],
)
def test_an_image_is_named_by_its_own_source(
    roots: dict[str, str], images: dict[str, str], expected: set[str], tmp_path: Path
) -> None:
    write_rlvr(tmp_path / "out", roots, images)
    staged = staged_from(tmp_path / "out", tmp_path)
    assert {row["images"][0]["image"] for row in rows(staged)} == expected
    # Whoever has the archives puts the images back in their places.
    rebase(staged, dict(roots.items()))
    assert {row["images"][0]["image"] for row in rows(staged)} == set(images.values())


@pytest.mark.parametrize(
    ("roots", "images", "message"),
    [
        ({"sfew": "/a"}, {"sfew": "/b/one.png"}, r"/b/one\.png lies below no root"),
        ({"ferplus": "/a", "rafdb": "/b"}, {"sfew": "/a/one.png"}, "lies below no root"),
        ({"published": "/"}, {"sfew": "/home/me/one.png"}, "would tell where they lie"),
    ],
)
def test_images_that_have_no_place_in_an_archive_are_refused(
    roots: dict[str, str], images: dict[str, str], message: str, tmp_path: Path
) -> None:
    write_rlvr(tmp_path / "out", roots, images)
    with pytest.raises(PreparationError, match=message):
        staged_from(tmp_path / "out", tmp_path)


def test_what_is_damaged_is_not_published(tmp_path: Path) -> None:
    write_rlvr(tmp_path / "out", {"sfew": "/a"}, {"sfew": "/a/one.png"})
    (shard,) = (tmp_path / "out").glob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(PreparationError, match="is not the file that its manifest lists"):
        staged_from(tmp_path / "out", tmp_path)


def test_push_uploads_no_local_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    uploaded = tmp_path / "uploaded"

    class Hub:
        def create_repo(self, name: str, **options: object) -> None:
            assert options["private"]

        def repo_info(self, name: str, **options: object) -> SimpleNamespace:
            return SimpleNamespace(private=True)

        def upload_folder(self, *, folder_path: str, **options: object) -> None:
            shutil.copytree(folder_path, uploaded)

    monkeypatch.setattr(hub, "HfApi", Hub)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    machine = tmp_path / "home" / "me & my | <faces>"
    archive = official.write_sfew(machine / "sfew", 1)
    next(archive.rglob("Train_Aligned_Faces/*/*.png")).write_bytes(b"no image")
    out = machine / "rows"
    run = ["rlvr", "--sfew", archive, "--out", out, "--no-leak-check", "--partial", "--jobs", "1"]
    assert main([*map(str, run), "--push", "me/rows"]) == 3
    assert {path.suffix for path in uploaded.rglob("*") if path.is_file()} == {
        ".md", ".json", ".parquet"
    }  # fmt: skip
    said = contents(uploaded)
    for path in (tmp_path, machine, machine.name, archive, out, Path.home()):
        assert str(path) not in said
    # What was pushed is whole: with the images at hand it verifies.
    rebase(uploaded, {"sfew": str(archive)})
    assert verify_rows(uploaded)[1] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_card_shows_names_as_they_are(name: str, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    write_rlvr(
        tmp_path,
        {"sfew": "/a"},
        {"sfew": "/a/one.png"},
        left_out={name: 1, "b": 2},
        differences=(name, "b"),
        counts_out={"train": {"sfew": {name: 1}}},
        repeats={"train": {"sfew": {name: Repeats(5, 4, 3, 2)}}},
    )
    card = (tmp_path / "README.md").read_text()
    assert not UNSEEN.search(card)
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["pretty_name"] == "UniFER-RLVR"
    tags, text = shown(body)
    assert tags == {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"} | {
        "code"
    }
    for words in ("train sfew NAME 1", "sfew NAME 5 4 3 2", "entries NAME 1 b 2", "counts NAME b"):
        assert " ".join(words.replace("NAME", one_line(name)).split()) in text


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_card_shows_its_source_as_it_is(name: str, tmp_path: Path) -> None:
    file = DatasetFile("sfew/test.parquet", {"sad": 1}, "0" * 64)
    manifest = Manifest(name, False, {}, {}, {"sfew": file})
    write_manifest(tmp_path, manifest)
    write_benchmark_card(tmp_path, manifest)
    tags, text = shown((tmp_path / "README.md").read_text().split("---\n", 2)[2])
    assert " ".join(f"FERBench from {one_line(name)}. Not".split()) in text
    assert not tags & {"a", "img", "script", "b", "hr"}
