"""`unifer-data rlvr`: training archives in, GRPO rows out, nothing of the benchmark among them."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_prep.cli.main import main
from data_prep.images import fingerprints as examined
from data_prep.outputs.training_folder import read_training_manifest
from data_prep.sources.sfew import FACE_SIZE
from tests.conftest import run_command
from tests.data_prep import official
from tests.data_prep.reading import hashes, lines, rows, times
from tests.machine import kill_when
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES
from unifer_tasks.protocol.prompts import question, response


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("archives")
    return {dataset: write(root / dataset) for dataset, write in official.WRITERS.items()}


@pytest.fixture(scope="module")
def benchmark(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("benchmark") / "data"
    named = [text for key, path in archives.items() for text in (f"--{key}", str(path))]
    assert main(["ferbench", *named, "--out", str(out), "--partial", "--jobs", "1"]) == 0
    return out


def command(archives: dict[str, Path], out: Path, *options: object) -> list[str]:
    named = [text for key, path in archives.items() for text in (f"--{key}", path)]
    return list(map(str, ["rlvr", *named, "--out", out, "--jobs", "1", "--partial", *options]))


def test_rows_are_what_verl_and_the_reward_read(
    archives: dict[str, Path], benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(archives, out, "--ferbench", benchmark)) == 0
    written = rows(out)
    manifest = read_training_manifest(out)
    assert manifest.rows("train") == len(written)
    assert manifest.rows("valid") == 0
    assert [row["extra_info"]["index"] for row in written] == list(range(len(written)))
    for dataset, space in FERBENCH.items():
        of_dataset = [row for row in written if row["data_source"] == dataset]
        counts = Counter(row["reward_model"]["ground_truth"] for row in of_dataset)
        assert counts == manifest.counts_out["train"][dataset] == dict.fromkeys(space.labels, 2)
        for row in of_dataset:
            assert row["prompt"] == [
                {"role": "user", "content": "<image>" + question(space.labels)}
            ]
            assert row["reward_model"]["style"] == "rule"
            assert row["extra_info"]["candidate_labels"] == list(space.labels)
            (image,) = row["images"]
            assert Path(image["image"]).is_absolute()
            assert (image["resized_height"], image["resized_width"]) == (224, 224)
            Image.open(image["image"]).load()
            assert Path(image["image"]).is_relative_to(manifest.roots[dataset])
            assert (row["extra_info"]["votes"] is None) == (dataset != "ferplus")
    said = capsys.readouterr().out
    assert "1 left out: nobody voted for an expression" in said
    assert "Compared with a part of FERBench only" in said


def test_gray_of_sixteen_bits_is_no_training_image(tmp_path: Path) -> None:
    """Rows name files, and verl opens them itself."""
    root = official.write_sfew(tmp_path / "sfew", 1)
    face = next((root / "Train/Train_Aligned_Faces/Fear").iterdir())
    Image.fromarray(np.full(FACE_SIZE, 30_000, dtype=np.uint16)).save(face)
    assert main(command({"sfew": root}, tmp_path / "out", "--no-leak-check")) == 3
    assert len(rows(tmp_path / "out")) == 6
    (reason,) = [
        reason
        for reason in read_training_manifest(tmp_path / "out").left_out
        if "16 bits" in reason
    ]
    assert reason.endswith("convert it to 8 bits")


def test_images_of_the_benchmark_are_listed_and_left_out(
    archives: dict[str, Path], benchmark: Path, tmp_path: Path
) -> None:
    faces = shutil.copytree(archives["rafdb"], tmp_path / "rafdb") / "basic/Image/aligned"
    shutil.copy(faces / "test_0003_aligned.jpg", faces / "train_00005_aligned.jpg")
    again = Image.open(faces / "test_0008_aligned.jpg").resize((140, 140))
    again.save(faces / "train_00009_aligned.jpg", quality=70)
    own = {"rafdb": tmp_path / "rafdb"}
    assert main(command(own, tmp_path / "out", "--ferbench", benchmark)) == 0
    first, second = lines(tmp_path / "out/leaks.jsonl")
    assert (first["test_id"][-16:-12], first["bits"]) == ("0003", None)
    assert second["test_id"][-16:-12] == "0008"
    assert second["bits"] is not None
    assert {leak["id"] for leak in lines(tmp_path / "out/leaks.jsonl")} == {
        "/RAF-DB/aligned/train_00005_aligned.jpg",
        "/RAF-DB/aligned/train_00009_aligned.jpg",
    }
    ids = {row["extra_info"]["id"] for row in rows(tmp_path / "out")}
    assert len(ids) == 12
    assert not ids & {leak["id"] for leak in lines(tmp_path / "out/leaks.jsonl")}
    assert main(command(own, tmp_path / "kept", "--ferbench", benchmark, "--keep-leaks")) == 0
    assert len(rows(tmp_path / "kept")) == 14


def test_validation_is_held_out_by_pixels(
    archives: dict[str, Path], benchmark: Path, tmp_path: Path
) -> None:
    """Copy of one picture never stand on both sides."""
    root = shutil.copytree(archives["sfew"], tmp_path / "sfew")
    for face in (root / "Train/Train_Aligned_Faces").rglob("*.png"):
        shutil.copy(face, face.with_name(f"Copy{face.name}"))
    out = tmp_path / "out"
    options = ["--ferbench", benchmark, "--valid", "0.4", "--seed", "3"]
    assert main(command({"sfew": root}, out, *options)) == 0
    parts = {
        part: {Image.open(row["images"][0]["image"]).tobytes() for row in rows(out, part)}
        for part in ("train", "valid")
    }
    assert not parts["train"] & parts["valid"]
    assert len(rows(out)) + len(rows(out, "valid")) == 28
    assert 0 < len(rows(out, "valid")) < 28
    assert {row["extra_info"]["split"] for row in rows(out, "valid")} == {"valid"}
    assert len(lines(out / "duplicates.jsonl")) == 14


def test_balancing_repeats_rare_labels(archives: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(archives["rafdb"], tmp_path / "rafdb")
    table = root / "basic/EmoLabel/list_patition_label.txt"
    # All but two of the fourteen training faces are called happy.
    table.write_text("".join(f"train_{n:05d}.jpg {4 if n > 2 else n}\n" for n in range(1, 15)))
    out = tmp_path / "out"
    options = ["--no-leak-check", "--balance-classes", "uniform", "--rows", "300"]
    assert main(command({"rafdb": root}, out, *options)) == 0
    counts = Counter(row["reward_model"]["ground_truth"] for row in rows(out))
    assert counts["surprise"] == counts["fear"] == 100
    assert counts["happiness"] == pytest.approx(100, abs=12)


def test_other_counts_than_the_official_ones_are_refused_or_recorded(
    archives: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ferplus = {"ferplus": archives["ferplus"]}
    out = tmp_path / "out"
    run = [*command(ferplus, out, "--no-leak-check"), "--ferplus-valid"]
    strict = [option for option in run if option != "--partial"]
    difference = "ferplus valid: 2 samples are contempt, 27 are official"
    assert main(strict) == 1
    said = capsys.readouterr().err
    assert "16 differences from the official counts, listed above; no rows were written" in said
    assert "--partial" in said
    assert f"{difference}\n" in said
    assert not (out / "manifest.json").exists()
    assert main(run) == 0
    assert f"not the official counts: {difference}" in capsys.readouterr().out
    assert difference in read_training_manifest(out).differences
    assert f"* {difference}" in (out / "README.md").read_text()
    # What was accepted once is asked for again.
    assert main(strict) == 1
    counts = {"train": Counter(dict.fromkeys(LABEL_SPACES["ferplus"].labels, 2))}
    counts["train"]["neutral"] += 1
    counts["valid"] = Counter(dict.fromkeys(LABEL_SPACES["ferplus"].labels, 2))
    monkeypatch.setattr(
        "data_prep.sources.inputs.official_counts", lambda dataset, split: counts[str(split)]
    )
    whole = [str(tmp_path / "whole") if option == str(out) else option for option in strict]
    assert main(whole) == 0
    assert "33 samples read, the official counts" in capsys.readouterr().out
    assert read_training_manifest(tmp_path / "whole").differences == ()


def test_the_majority_rule_has_no_official_counts(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = command({"ferplus": archives["ferplus"]}, tmp_path / "out", "--no-leak-check")
    run.remove("--partial")
    assert main([*run, "--ferplus-majority"]) == 0
    assert "official" not in capsys.readouterr().out


def test_degrees_of_valence_and_arousal_are_kept(archives: dict[str, Path], tmp_path: Path) -> None:
    own = {key: archives[key] for key in ("affectnet", "sfew")}
    assert main(command(own, tmp_path / "out", "--no-leak-check")) == 0
    degrees = {
        (row["data_source"], row["extra_info"]["valence"], row["extra_info"]["arousal"])
        for row in rows(tmp_path / "out")
    }
    assert degrees == {("affectnet", 0.1, -0.25), ("sfew", None, None)}


def test_what_is_left_out_is_listed_by_name(archives: dict[str, Path], tmp_path: Path) -> None:
    own = {"affectnet": archives["affectnet"]}
    assert main(command(own, tmp_path / "out", "--no-leak-check")) == 0
    left_out = lines(tmp_path / "out/left_out.jsonl")
    assert Counter(entry["reason"] for entry in left_out) == {
        f"expression {8 + n} ({name}) is not a candidate label": 2
        for n, name in enumerate(("none", "uncertain", "non-face"))
    }
    assert len({entry["id"] for entry in left_out}) == 6


def test_near_duplicates_of_a_split_are_listed(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = shutil.copytree(archives["rafdb"], tmp_path / "rafdb") / "basic/Image/aligned"
    again = Image.open(faces / "train_00001_aligned.jpg").resize((140, 140))
    again.save(faces / "train_00005_aligned.jpg", quality=70)
    out = tmp_path / "out"
    assert main(command({"rafdb": tmp_path / "rafdb"}, out, "--no-leak-check")) == 0
    (found,) = lines(out / "duplicates.jsonl")
    assert [name[-16:-12] for name in found["ids"]] == ["0001", "0005"]
    assert found["labels"] == ["surprise", "disgust"]
    assert found["conflict"]
    assert 0 <= found["bits"] <= 20
    said = capsys.readouterr().out
    assert "1 groups of equal or nearly equal images within a split, 1 of them with" in said


def test_unusable_images_are_left_out_with_a_reason(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(archives["rafdb"], tmp_path / "rafdb")
    faces = root / "basic/Image/aligned"
    (faces / "train_00003_aligned.jpg").write_bytes(b"")
    (faces / "train_00004_aligned.jpg").unlink()
    out = tmp_path / "out"
    assert main(command({"rafdb": root}, out, "--no-leak-check")) == 3
    assert "2 entries could not be used" in capsys.readouterr().err
    assert {entry["reason"] for entry in lines(out / "left_out.jsonl")} == {
        "is empty",
        "its aligned face is missing",
    }
    assert read_training_manifest(out).unusable == 2
    assert len(rows(out)) == 12


@pytest.mark.parametrize("dataset", FERBENCH)
def test_packed_images_are_written_out(
    dataset: str, archives: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(archives[dataset], tmp_path / "files")
    whole = {dataset: folder}
    packed = {dataset: official.packed(folder, "zip")}
    assert main(command(whole, tmp_path / "whole", "--no-leak-check")) == 0
    assert main(command(packed, tmp_path / "packed", "--no-leak-check")) == 0

    def pixels(out: Path) -> list[tuple[str, bytes]]:
        return [
            (row["extra_info"]["id"], Image.open(row["images"][0]["image"]).tobytes())
            for row in rows(out)
        ]

    assert pixels(tmp_path / "packed") == pixels(tmp_path / "whole")


def test_a_second_run_does_nothing_and_a_changed_image_is_noticed(
    archives: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = shutil.copytree(archives["sfew"], tmp_path / "sfew")
    out = tmp_path / "out"
    run = command({"sfew": root}, out, "--no-leak-check")
    assert main(run) == 0
    before = times(out)
    with monkeypatch.context() as patched:
        patched.setattr(examined, "inspect", None)
        assert main(run) == 0
    assert times(out) == before
    face = next((root / "Train/Train_Aligned_Faces/Sad").iterdir())
    face.write_bytes(official.face("sad", 777, (143, 181), "PNG"))
    assert main(run) == 1
    assert "holds another build: the sources' files, sizes or times" in capsys.readouterr().err
    assert main([*run, "--seed", "3"]) == 1
    assert "seed was 0, is 3" in capsys.readouterr().err


def test_after_a_move_the_folder_is_recognised(
    archives: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Images in place and images written out: both may lie elsewhere when the rows are rebased."""
    for dataset in ("sfew", "ferplus"):
        shutil.copytree(archives[dataset], tmp_path / "old" / dataset)
    own = {dataset: tmp_path / "old" / dataset for dataset in ("sfew", "ferplus")}
    assert main(command(own, tmp_path / "old/out", "--no-leak-check")) == 0
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert main(["rebase", str(tmp_path / "new/out"), "--root", str(tmp_path / "new")]) == 0
    before = times(tmp_path / "new")
    moved = {dataset: tmp_path / "new" / dataset for dataset in own}
    with monkeypatch.context() as patched:
        patched.setattr(examined, "inspect", None)
        assert main(command(moved, tmp_path / "new/out", "--no-leak-check")) == 0
    assert times(tmp_path / "new") == before
    assert main(["verify", str(tmp_path / "new/out")]) == 0
    capsys.readouterr()
    # For a node that this machine is not: the rows stay as they are, and that is said.
    assert main(["rebase", str(tmp_path / "new/out"), "--root", "/node"]) == 0
    assert main(command(moved, tmp_path / "new/out", "--no-leak-check")) == 0
    said = capsys.readouterr().out
    assert "sfew: these rows name images below /node/sfew, where `rebase` put them" in said
    assert f"--root sfew={tmp_path / 'new/sfew'}" in said
    assert read_training_manifest(tmp_path / "new/out").roots["sfew"] == "/node/sfew"


def test_a_folder_of_something_else_is_not_touched(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    assert main(command(archives, tmp_path, "--no-leak-check")) == 1
    assert "holds something else" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_leaks_are_checked_unless_that_is_declined(
    archives: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(archives, tmp_path / "out")) == 1
    assert "--ferbench DIR), or decline with --no-leak-check" in capsys.readouterr().err


def test_killed_at_any_moment_it_resumes_and_ends_with_the_same_bytes(
    archives: dict[str, Path], benchmark: Path, tmp_path: Path, bin_folder: Path
) -> None:
    def run(out: Path) -> list[str]:
        packed = {**archives, "sfew": archives["sfew"]}
        named = command(packed, out, "--ferbench", benchmark, "--valid", "0.2", "--jobs", "2")
        return [str(bin_folder / "unifer-data"), *named]

    run_command(run(tmp_path / "out"))
    whole = hashes(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    for seen in (
        ".examined/ferbench-sfew*",
        ".examined/rafdb*",
        "images/ferplus",
        "leaks*",
        "train*",
    ):

        def is_seen(pattern: str = seen) -> bool:
            return any((tmp_path / "out").glob(pattern))

        kill_when(is_seen, run(tmp_path / "out"))
        for path in (tmp_path / "out").rglob("*.parquet"):
            pq.read_metadata(path)
    run_command(run(tmp_path / "out"))
    assert hashes(tmp_path / "out") == whole


def published(root: Path, archive: Path) -> list[dict[str, str]]:
    """Rows as the paper's file has them, with solutions in both of its forms."""
    listed = archive / "basic/EmoLabel/list_patition_label.txt"
    labels = LABEL_SPACES["rafdb"].labels
    found = []
    for number, line in enumerate(listed.read_text("utf-8-sig").splitlines()):
        name, label_id = line.split()
        stem = name.removesuffix(".jpg")
        label = labels[int(label_id) - 1]
        shutil.copy(archive / f"basic/Image/aligned/{stem}_aligned.jpg", root)
        found.append(
            {
                "image_path": f"/RAF-DB/aligned/{stem}_aligned.jpg",
                "problem": question(labels),
                "solution": label if number % 2 else response("brows", label),
            }
        )
    return found


@pytest.mark.parametrize("form", ["list", "lines"])
def test_the_papers_file_is_converted(
    archives: dict[str, Path],
    benchmark: Path,
    tmp_path: Path,
    form: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "root"
    (root / "RAF-DB/aligned").mkdir(parents=True)
    objects = published(root / "RAF-DB/aligned", archives["rafdb"])
    objects[0]["problem"] = "Which of surprise, fear, disgust is it?"
    objects += [
        {"image_path": "/RAF-DB/aligned/none.jpg", "problem": "?", "solution": "fear"},
        {"image_path": "/RAF-DB/aligned/none.jpg", "problem": "?", "solution": "unsure"},
        {"image_path": "/faces/none.jpg", "problem": "?", "solution": "fear"},
    ]
    path = tmp_path / "UniFER_RLVR_360K.json"
    path.write_text(json.dumps(objects) if form == "list" else "\n".join(map(json.dumps, objects)))
    out = tmp_path / "out"
    run = ["rlvr", "--from", str(path), "--images", str(root), "--out", str(out), "--jobs", "1"]
    assert main([*run, "--ferbench", str(benchmark)]) == 3
    # Half of these rows are the benchmark's own images.
    assert len(rows(out)) == 14
    assert len(lines(out / "leaks.jsonl")) == 14
    first = rows(out)[0]
    assert first["prompt"][0]["content"] == "<image>Which of surprise, fear, disgust is it?"
    assert first["reward_model"]["ground_truth"] == "surprise"
    assert rows(out)[1]["prompt"][0]["content"] == "<image>" + question(
        LABEL_SPACES["rafdb"].labels
    )
    assert {entry["reason"] for entry in lines(out / "left_out.jsonl")} == {
        "shows the same as a test image",
        "its image is missing",
        "its answer is not a candidate label",
        "neither path nor question names the dataset",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"image_path": "/RAF-DB/a.jpg", "problem": "?"}]', "object 1 lacks one of"),
        ('[{"image_path": "/RAF-DB/a.jpg", "problem": "?", "solution": 3}]', "something else than"),
        ('[{"image_path": ', "is not JSON"),
        (
            '[{"image_path": "/RAF-DB/../../etc/passwd", "problem": "?", "solution": "fear"}]',
            "leads out of",
        ),
    ],
)
def test_a_bad_file_of_the_papers_is_named(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root/RAF-DB").mkdir(parents=True)
    (tmp_path / "rows.json").write_text(text)
    run = ["rlvr", "--from", tmp_path / "rows.json", "--images", tmp_path / "root"]
    run += ["--out", tmp_path / "out", "--no-leak-check", "--jobs", "1"]
    assert main(list(map(str, run))) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out/manifest.json").exists()


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("rlvr", ("--sfew", "archive")),
        ("rlvr", ("--partial",)),
        ("rlvr", ("--ferplus-valid",)),
        ("cot", ("--rows", "rlvr")),
        ("cot", ("--teacher", "tutor")),
    ],
)
def test_an_option_that_the_papers_file_does_not_have_is_refused(
    command: str, option: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [command, "--from", "a.json", "--images", "a", "--no-leak-check"]
    assert main([*run, "--out", str(tmp_path / "out"), *option]) == 1
    assert f"unifer-data: {option[0]} " in capsys.readouterr().err
    assert not (tmp_path / "out/.examined").exists()


def test_pixels_of_fer2013_become_files(archives: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert (
        main(command({"ferplus": archives["ferplus"]}, out, "--no-leak-check", "--ferplus-valid"))
        == 0
    )
    paths = [Path(row["images"][0]["image"]) for row in rows(out)]
    assert len(paths) == 32
    assert {path.parent.name for path in paths} == {"FER2013Train", "FER2013Valid"}
    assert all(Image.open(io.BytesIO(path.read_bytes())).size == (48, 48) for path in paths)
