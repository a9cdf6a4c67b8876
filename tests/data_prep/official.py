"""Archives in the exact official layouts, with synthetic faces and every known pitfall."""

from __future__ import annotations

import csv
import io
import shutil
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.sources import affectnet, ferplus, pixels, rafdb, sfew
from data_prep.sources.index import Question
from data_prep.synthetic.faces import draw
from unifer_tasks.protocol.labels import canonical

BOM = b"\xef\xbb\xbf"

AFFECTNET_COLUMNS = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    "valence,arousal"
)


@cache
def face(label: str, seed: int, size: tuple[int, int], form: str, gray: bool = False) -> bytes:
    """Return the bytes of one synthetic face."""
    image, _ = draw(canonical(label), [7, seed], size, gray=gray)
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_rafdb(root: Path, per_class: int = 2) -> Path:
    """Write the official layout below `basic/`, its list with Windows line ends and a mark."""
    lines = []
    for split, width in (("train", 5), ("test", 4)):
        number = 0
        for label_id, label in enumerate(rafdb.LABELS, start=1):
            for _ in range(per_class):
                number += 1
                stem = f"{split}_{number:0{width}d}"
                lines.append(f"{stem}.jpg {label_id}")
                seed = 1000 * (split == "test") + number
                data = face(label, seed, (100, 100), "JPEG")
                put(root / "basic/Image/aligned" / f"{stem}_aligned.jpg", data)
                put(root / "basic/Image/original" / f"{stem}.jpg", b"the whole photograph")
    text = "\r\n".join(lines) + "\r\n"
    put(root / "basic/EmoLabel/list_patition_label.txt", BOM + text.encode())
    return root


def write_attributes(root: Path, n: int = 14) -> Path:
    """RAF-DB's `Annotation/manual` for the first faces of both splits, below `basic/`.

    The test face of number n is of gender n % 3, race (n + 1) % 3 and age group n % 5.
    """
    for split, width in (("train", 5), ("test", 4)):
        for number in range(1, n + 1):
            landmarks = "".join(f"{10 * k}.5000\t{number}.2500\n" for k in range(5))
            values = f"{number % 3}\n{(number + 1) % 3}\n{number % 5}\n"
            name = f"{split}_{number:0{width}d}_manu_attri.txt"
            put(root / "basic/Annotation/manual" / name, (landmarks + values).encode())
    return root


def write_rafdb_folders(root: Path, per_class: int = 2, *, tables: bool = True) -> Path:
    """Write the class-folder layout of re-packagings."""
    for split, width in (("train", 5), ("test", 4)):
        number, rows = 0, [["image", "label"]]
        for label_id, label in enumerate(rafdb.LABELS, start=1):
            for _ in range(per_class):
                number += 1
                name = f"{split}_{number:0{width}d}_aligned.jpg"
                rows.append([name, str(label_id)])
                data = face(label, number, (100, 100), "JPEG")
                put(root / "DATASET" / split / str(label_id) / name, data)
        if tables:
            with (root / f"{split}_labels.csv").open("w", newline="") as file:
                csv.writer(file).writerows(rows)
    return root


def votes_for(label: str) -> list[int]:
    """Ten votes: seven for the label, two unknown, one no face."""
    return [7 if label == name else 0 for name in ferplus.VOTE_COLUMNS] + [2, 1]


def ferplus_rows(per_class: int) -> list[tuple[str, str, str, list[int]]]:
    """Usage, name, label and votes of a small FERPlus, in the row order of `fer2013.csv`.

    Names skip numbers, as the official ones do: a name is no row number.
    """
    rows = []
    number = 0
    for usage in pixels.USAGES.values():
        for label in ferplus.VOTE_COLUMNS:
            for _ in range(per_class):
                number += 3
                rows.append((usage, f"fer{number:07d}.png", label, votes_for(label)))
        # No face at all: ten people said so, and the row has no name.
        rows.append((usage, "", "neutral", [0] * 9 + [10]))
    return rows


@cache
def _ferplus_face(label: str, number: int) -> Image.Image:
    return draw(canonical(label), [8, number], 48, gray=True)[0]


def write_ferplus(root: Path, per_class: int = 2, *, as_png: bool = False) -> Path:
    """fer2013.csv, fer2013new.csv and the three label.csv; or PNG folders for the pixels.

    A name stands twice in the test split, the second time for another picture; one training
    row has no vote for any emotion.
    """
    rows = ferplus_rows(per_class)
    first_test = next(row for row in rows if row[0] == "PrivateTest")
    rows.append(("PrivateTest", first_test[1], "surprise", [0] * 9 + [10]))
    rows.append(("Training", "fer0000001.png", "neutral", [0] * 9 + [10]))
    folder_of = {usage: ferplus.FOLDERS[split] for split, usage in pixels.USAGES.items()}
    faces = [["emotion", "pixels", "Usage"]]
    joint = [["Usage", "Image name", *ferplus.VOTE_COLUMNS, "unknown", "NF"]]
    lists: dict[str, list[list[str]]] = {folder: [] for folder in folder_of.values()}
    seen = set()
    for number, (usage, name, label, votes) in enumerate(rows):
        image = _ferplus_face(label, number)
        faces.append(["0", " ".join(map(str, image.tobytes())), usage])
        joint.append([usage, name, *map(str, votes)])
        if name and name not in seen:
            seen.add(name)
            lists[folder_of[usage]].append([name, "(0, 0, 48, 48)", *map(str, votes)])
            if as_png:
                buffer = io.BytesIO()
                image.save(buffer, "PNG")
                put(root / "data" / folder_of[usage] / name, buffer.getvalue())
    for folder, table in lists.items():
        # The official training list has another order than fer2013new.csv.
        write_csv(root / "data" / folder / "label.csv", table[::-1])
    write_csv(root / "fer2013new.csv", joint, BOM)
    if not as_png:
        write_csv(root / "fer2013.csv", faces)
    return root


def write_csv(path: Path, rows: list[list[str]], mark: bytes = b"") -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    put(path, mark + buffer.getvalue().encode())


def write_affectnet(root: Path, per_class: int = 2, *, header: bool = True) -> Path:
    """Write the first release: every third image has another extension than `.jpg`.

    Faces that show no expression have no valence and arousal: -2.
    """
    extensions = ("jpg", "JPG", "png")
    for part in ("training", "validation"):
        rows = [AFFECTNET_COLUMNS.split(",")] if header else []
        number = 0
        for expression in range(11):
            label = affectnet.LABELS[expression % 8]
            for _ in range(per_class):
                number += 1
                extension = extensions[number % 3]
                seed = 5000 * (part == "validation") + number
                form = "PNG" if extension == "png" else "JPEG"
                stem = f"{seed:032x}"
                name = f"{number % 4}/{stem}.{extension}"
                data = face(label, seed, (96, 96), form)
                put(root / "Manually_Annotated_Images" / name, data)
                degrees = ["0.1", "-0.25"] if expression < 8 else ["-2", "-2"]
                rows.append([name, "0", "0", "96", "96", "1;2;3", str(expression), *degrees])
        write_csv(root / "Manually_Annotated_file_lists" / f"{part}.csv", rows, BOM)
    return root


def write_affectnet_numbered(root: Path, per_class: int = 2) -> Path:
    """Write the newer release: numbered images and four annotations each."""
    for part in ("train_set", "val_set"):
        number = 0
        for expression, label in enumerate(affectnet.LABELS):
            for _ in range(per_class):
                number += 1
                put(root / part / f"images/{number}.jpg", face(label, number, (96, 96), "JPEG"))
                (root / part / "annotations").mkdir(exist_ok=True)
                arousal = {1: "-2", 2: "0"}.get(number, "-0.25")
                for kind, value in (("exp", str(expression)), ("val", "0.5"), ("aro", arousal)):
                    # The release stores numbers as strings.
                    np.save(root / part / f"annotations/{number}_{kind}.npy", np.array(value))
    return root


def write_sfew(root: Path, per_class: int = 2) -> Path:
    """Frames and aligned faces; one frame of each split has no aligned face."""
    for split, part in (("train", "Train"), ("val", "Val")):
        number = 0
        for name, label in sfew.LABELS.items():
            for _ in range(per_class):
                number += 1
                stem = f"Film_{split}_{number:09d}_00000017"
                seed = 9000 * (split == "val") + number
                data = face(label, seed, sfew.FACE_SIZE, "PNG")
                put(root / part / f"{part}_Aligned_Faces" / name / f"{stem}.png", data)
                put(root / part / name / f"{stem}.png", face(label, seed, (72, 58), "PNG"))
        frame = face("fear", 1, (72, 58), "PNG")
        put(root / part / "Fear" / "NoFace_000000001_00000001.png", frame)
    return root


WRITERS = {
    "rafdb": write_rafdb,
    "ferplus": write_ferplus,
    "affectnet": write_affectnet,
    "sfew": write_sfew,
}


def write_whole_ferplus(path: Path, votes: Path) -> Path:
    """Write a zip with the real votes of all three splits, and one picture for all faces."""
    picture = face("neutral", 0, (48, 48), "PNG", gray=True)
    with zipfile.ZipFile(path, "w") as archive:
        for folder in ferplus.FOLDERS.values():
            table = votes / f"label_{folder.removeprefix('FER2013')}.csv"
            archive.write(table, f"data/{folder}/label.csv")
            with table.open(newline="") as file:
                for row in csv.reader(file):
                    archive.writestr(f"data/{folder}/{row[0]}", picture)
    return path


def write_published(root: Path, index: dict[str, list[Question]]) -> dict[str, Path]:
    """Zips of RAF-DB, AffectNet and SFEW that hold the published questions, one face each.

    The archives are as official ones are: AffectNet's extensions are not yet rewritten, and SFEW
    has its class folders.
    """
    paths = {dataset: root / f"{dataset}.zip" for dataset in ("rafdb", "affectnet", "sfew")}
    picture = face("neutral", 0, (40, 40), "JPEG")
    with zipfile.ZipFile(paths["rafdb"], "w") as archive:
        lines = []
        for asked in index["rafdb"]:
            name = asked.id.rpartition("/")[2]
            archive.writestr(f"basic/Image/aligned/{name}", picture)
            label_id = rafdb.LABELS.index(asked.target) + 1
            lines.append(f"{name.replace('_aligned', '')} {label_id}\r\n")
        archive.writestr("basic/EmoLabel/list_patition_label.txt", "".join(sorted(lines)))
    with zipfile.ZipFile(paths["affectnet"], "w") as archive:
        rows = [AFFECTNET_COLUMNS.split(",")]
        for number, asked in enumerate(index["affectnet"]):
            stem = "/".join(asked.id.split("/")[-2:]).removesuffix(".jpg")
            name = f"{stem}.{('jpg', 'JPG', 'jpeg', 'png')[number % 4]}"
            archive.writestr(f"Manually_Annotated_Images/{name}", picture)
            expression = affectnet.LABELS.index(asked.target)
            rows.append([name, "0", "0", "40", "40", "", str(expression), "0", "0"])
        table = io.StringIO()
        csv.writer(table).writerows(rows)
        archive.writestr("Manually_Annotated_file_lists/validation.csv", table.getvalue())
    with zipfile.ZipFile(paths["sfew"], "w") as archive:
        for asked in index["sfew"]:
            archive.writestr(asked.id.removeprefix("/SFEW-2.0/"), picture)
    return paths


def packed(folder: Path, form: str, *, below: bool = True) -> Path:
    """Pack a folder, below a folder of its own name, as people do, or without."""
    path = folder.with_name(f"{folder.name}.{form}")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    root = folder.parent if below else folder
    if form == "7z":
        import py7zr

        with py7zr.SevenZipFile(path, "w") as archive_7z:
            for file in files:
                archive_7z.write(file, str(file.relative_to(root)))
    elif form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(root))
    else:
        with tarfile.open(path, "w:gz" if form.endswith("gz") else "w") as tar:
            for file in files:
                tar.add(file, file.relative_to(root))
    return path


def pack_away(folder: Path, form: str, *, below: bool = True) -> Path:
    """Pack a folder and remove it."""
    path = packed(folder, form, below=below)
    shutil.rmtree(folder)
    return path
