"""Rows with valid hashes and wrong ids or labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.cli.main import main
from data_prep.images.fingerprints import Examined
from data_prep.outputs.training_folder import (
    Image,
    Repeats,
    TrainingManifest,
    read_training_manifest,
    repeats_of,
    write_shards,
    write_training_manifest,
)
from data_prep.outputs.verify import verify_rows
from data_prep.training.rows import RLVR, sft_form
from tests.data_prep import official

Named = tuple[str, str | None, str]
"""A row's label, id and image."""

A, B, C = ("fear", "a", "a.png"), ("fear", "b", "b.png"), ("sad", "c", "c.png")


def write_rows(out: Path, kind: str, parts: dict[str, list[Named]]) -> TrainingManifest:
    """Write training rows whose manifest counts what its author meant: A, B and C."""
    form = sft_form("drawn") if kind == "cot" else RLVR
    shards = {}
    for part, named in parts.items():
        rows = []
        for number, (label, row_id, file) in enumerate(named):
            path = str(out / "images" / file)
            found = Examined("sfew", part, row_id, path, label, None, response="x")  # type: ignore[arg-type]
            rows.append(form.row(found, part, number, None))
        shards[part] = write_shards(out, part, rows, form.schema)
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for part, named in parts.items():
        counts[part] = {"sfew": {}}
        for label, _, _ in named:
            counts[part]["sfew"][label] = counts[part]["sfew"].get(label, 0) + 1
    roots = {"sfew": str(out / "images")}
    manifest = TrainingManifest(kind, {}, {}, roots, {}, counts, {}, 0, shards)
    write_training_manifest(out, manifest)
    return manifest


def row_problems(out: Path) -> list[str]:
    """Return what `verify` finds, but for the images, which these rows lack."""
    lines = [line for kind in verify_rows(out)[1] for line in kind]
    return [line for line in lines if "/images is missing" not in line]


@pytest.mark.parametrize("kind", ["rlvr", "cot"])
@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"train": [A, B, C]}, None),
        ({"train": [A, B], "valid": [C]}, None),
        ({"train": [A, ("fear", None, "b.png"), C]}, "1 train row without an id"),
        ({"train": [A, ("fear", "", "b.png"), C]}, "1 train row without an id"),
        ({"train": [A, ("fear", "a", "b.png"), C]}, "sfew a is the id of several images"),
        ({"train": [A, B, A]}, "sfew a is in 2 train rows"),
        ({"train": [A, A, A, C]}, "sfew a is in 3 train rows"),
        ({"train": [A, B], "valid": [A, C]}, "sfew a is in train and in valid"),
        ({"train": [B], "valid": [A, A]}, "sfew a is in 2 valid rows"),
    ],
)
def test_ids_distinguish_rows(
    kind: str, parts: dict[str, list[Named]], problem: str | None, tmp_path: Path
) -> None:
    write_rows(tmp_path, kind, parts)
    found = row_problems(tmp_path)
    assert bool(found) == (problem is not None)
    assert problem is None or problem in found[0]


@pytest.mark.parametrize(
    ("repeats", "problem"),
    [
        ({"fear": Repeats(3, 2, 1, 2), "sad": Repeats(1, 1, 0, 1)}, None),
        (
            {"fear": Repeats(3, 3, 0, 1), "sad": Repeats(1, 1, 0, 1)},
            "train rows of sfew fear: 2 of 2 images remain, 1 of them in several rows, at most 2; "
            "its manifest says 3 of 3 images remain, 0 of them in several rows, at most 1",
        ),
        ({"fear": Repeats(3, 2, 1, 2)}, "train rows of sfew sad: 1 of 1 images remain"),
    ],
)
def test_copies_are_those_that_balancing_made(
    repeats: dict[str, Repeats], problem: str | None, tmp_path: Path
) -> None:
    manifest = write_rows(tmp_path, "rlvr", {"train": [A, A, B, C]})
    write_training_manifest(tmp_path, replace(manifest, repeats={"train": {"sfew": repeats}}))
    found = row_problems(tmp_path)
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_all_problems_are_counted_and_some_of_each_kind_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    named: list[Named] = [("fear", str(n), f"{n}.png") for n in range(96)]
    write_rows(tmp_path, "rlvr", {"train": named})
    assert main(["verify", str(tmp_path), "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert said.out.endswith("\n96 problems\n")
    *listed, rest = said.err.splitlines()
    assert [line for line in listed if not line.endswith(".png is missing")] == []
    assert (len(listed), rest) == (20, "unifer-data: and 76 more of this kind")


def test_a_name_cannot_pass_for_a_line_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    named: list[Named] = [("fear", "a\nall is as the manifest says", "a\tb\x1b[2J.png"), A, A]
    write_rows(tmp_path, "rlvr", {"train": named})
    assert main(["verify", str(tmp_path), "--jobs", "1"]) == 1
    assert "all is as" not in capsys.readouterr().out
    write_rows(tmp_path, "rlvr", {"train": named[:1]})
    assert main(["verify", str(tmp_path), "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert said.err == f"unifer-data: {tmp_path}/images/aU+0009bU+001B[2J.png is missing\n"
    assert said.out.endswith("\n1 problem\n")


def test_copies_of_a_build_that_did_not_count_them_pass(tmp_path: Path) -> None:
    manifest = write_rows(tmp_path, "rlvr", {"train": [A, A, B, C]})
    write_training_manifest(tmp_path, replace(manifest, recipe={"examined": []}))
    assert row_problems(tmp_path) == []


def test_labels_are_those_of_the_manifest(tmp_path: Path) -> None:
    manifest = write_rows(tmp_path, "rlvr", {"train": [A, B, C]})
    counts = {"train": {"sfew": {"fear": 1, "sad": 2}}}
    write_training_manifest(tmp_path, replace(manifest, counts_out=counts))
    fear, sad = row_problems(tmp_path)
    assert fear.endswith("2 train rows of sfew fear, its manifest says 1")
    assert sad.endswith("1 train row of sfew sad, its manifest says 2")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], Repeats(0, 0, 0, 0)),
        ([1, 1, 1], Repeats(3, 3, 0, 1)),
        ([0, 1, 2, 5], Repeats(4, 3, 2, 5)),
        ([0, 0], Repeats(2, 0, 0, 0)),
    ],
)
def test_repeats(rows: list[int], expected: Repeats) -> None:
    assert Repeats.of(rows) == expected
    assert expected.is_even == (rows in ([], [1, 1, 1]))
    images = {Image("sfew", "sad", str(number)): n for number, n in enumerate(rows)}
    assert repeats_of(images) == ({"sfew": {"sad": expected}} if rows else {})


def test_a_balanced_build_reports_its_repeats_and_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = official.write_rafdb(tmp_path / "rafdb", 4)
    table = archive / "basic/EmoLabel/list_patition_label.txt"
    # Two of the training faces are surprised, all others happy.
    labels = [1, 1, *[4] * 26]
    table.write_text("".join(f"train_{n:05d}.jpg {label}\n" for n, label in enumerate(labels, 1)))
    out = tmp_path / "out"
    run = ["rlvr", "--rafdb", archive, "--out", out, "--no-leak-check", "--partial", "--jobs", "1"]
    assert main([*map(str, run), "--balance-classes", "sqrt"]) == 0
    repeats = read_training_manifest(out).repeats["train"]["rafdb"]
    rare, common = repeats["surprise"], repeats["happiness"]
    assert rare.distinct == rare.repeated == 2
    assert rare.most in (3, 4)
    assert (common.available, common.most, common.repeated) == (26, 1, 0)
    assert common.distinct < 26
    said = capsys.readouterr().out
    total = f"{2 + common.distinct} of 28 images remain, 2 of them in several rows, at most "
    assert f"training: {total}{rare.most}\n" in said
    assert "    rafdb surprise: 2 of 2 images remain, 2 of them in several rows, at most " in said
    card = (out / "README.md").read_text()
    assert f"## Repeated images\n\n{total}{rare.most}.\n\n" in card
    assert f"| rafdb | surprise | 2 | 2 | 2 | {rare.most} |" in card
    assert main(["verify", str(out), "--jobs", "1"]) == 0


def test_a_build_that_repeats_nothing_does_not_speak_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = official.write_ferplus(tmp_path / "ferplus", 1)
    out = tmp_path / "out"
    run = ["rlvr", "--ferplus", archive, "--out", out, "--no-leak-check", "--partial"]
    assert main([*map(str, run), "--jobs", "1", "--ferplus-valid", "--valid", "0.3"]) == 0
    assert "remain" not in capsys.readouterr().out
    assert "Repeated" not in (out / "README.md").read_text()
    assert main(["verify", str(out), "--jobs", "1"]) == 0
