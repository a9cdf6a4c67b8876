"""Folders that are not as they were written: each is one sentence with the file and what to do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.cli.main import main
from tests.data_prep.outputs.test_verify import A, B, C, write_rows

Damage = Callable[[Path], object]


@pytest.fixture(params=["benchmark", "rlvr", "cot"])
def folder(request: pytest.FixtureRequest, stand_in: Path, tmp_path: Path) -> Path:
    """Return a folder of each kind, with a manifest in it."""
    out = tmp_path / "out"
    if request.param == "benchmark":
        (out / "sfew").mkdir(parents=True)
        shutil.copy(stand_in / "sfew" / "test.parquet", out / "sfew")
        manifest = json.loads((stand_in / "manifest.json").read_text())
        manifest["datasets"] = {"sfew": manifest["datasets"]["sfew"]}
        (out / "manifest.json").write_text(json.dumps(manifest))
    else:
        (out / "images").mkdir(parents=True)
        write_rows(out, request.param, {"train": [A, B, C]})
    return out


def data_file(folder: Path) -> Path:
    return next(path for path in folder.rglob("*.parquet"))


def in_place(make: Damage) -> Damage:
    """Put something else in the place of a data file."""

    def damage(folder: Path) -> None:
        path = data_file(folder)
        path.unlink()
        make(path)

    return damage


def no_manifest_but(make: Damage) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        path.unlink()
        make(path)

    return damage


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        # A socket's path may have some 100 bytes.
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(before)


def loop(path: Path) -> None:
    path.symlink_to(path)


def manifest(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Change what a manifest says."""

    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def listed(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of a data file."""
    found = content["datasets"]["sfew"] if "datasets" in content else content["shards"]["train"][0]
    assert isinstance(found, dict)
    return found


def cut(size: int, *, known: bool = False) -> Damage:
    """Cut the data file off; if known, the manifest has the hash of what is left."""

    def damage(folder: Path) -> None:
        path = data_file(folder)
        path.write_bytes(path.read_bytes()[:size])
        if known:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            manifest(lambda content: listed(content).update(sha256=digest))(folder)

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "gone": (in_place(lambda path: None), "is missing"),
    "renamed": (in_place(lambda path: path.with_name("x.parquet").touch()), "is missing"),
    "a pipe": (in_place(os.mkfifo), "is a pipe or a device, not a regular file; "),
    "a socket": (in_place(listen), "is a pipe or a device, not a regular file; "),
    "a device": (in_place(lambda path: path.symlink_to("/dev/zero")), "is a pipe or a device, not"),
    "a folder": (in_place(Path.mkdir), "is a directory, not a file; "),
    "a loop": (in_place(loop), "it is a symbolic link to itself; put the file or folder in its"),
    "a dangling link": (in_place(lambda path: path.symlink_to("/nowhere/x")), "is missing"),
    "cut off": (cut(1000), "is not the file that its manifest lists; build it again"),
    "empty": (cut(0), "is not the file that its manifest lists; build it again"),
    "cut off, known": (cut(1000, known=True), "Parquet magic bytes not found"),
    "empty, known": (cut(0, known=True), "(Parquet file size is 0 bytes); build it again"),
    "no manifest": (no_manifest_but(lambda path: None), "manifest.json is missing: the folder was"),
    "manifest a pipe": (no_manifest_but(os.mkfifo), "is a pipe or a device, not a regular file"),
    "manifest a device": (no_manifest_but(lambda p: p.symlink_to("/dev/zero")), "is a pipe or a"),
    "manifest a folder": (no_manifest_but(Path.mkdir), "is a directory, not a file"),
    "manifest a loop": (no_manifest_but(loop), "it is a symbolic link to itself; put the file"),
    "manifest empty": (no_manifest_but(Path.touch), "is not JSON (Expecting value: line 1"),
    "manifest a list": (no_manifest_but(lambda p: p.write_text("[]")), "must be an object, got []"),
    "manifest in UTF-16": (no_manifest_but(lambda p: p.write_text("{}", "utf-16")), "is not UTF-8"),
    "manifest deep": (no_manifest_but(lambda p: p.write_text("[" * 10**5)), "is nested too deeply"),
    "no schema": (manifest(lambda content: content.pop("schema")), "lacks `schema`"),
    "newer schema": (
        manifest(lambda content: content.update(schema=99)),
        "has schema 99, this version reads 1; build the folder again, or update UniFER, of which",
    ),
    "older schema": (
        manifest(lambda content: content.update(schema=0)),
        "has schema 0, this version reads 1; build the folder again\n",
    ),
    "huge schema": (
        manifest(lambda content: content.update(schema=10**30)),
        "`schema` is a number of more than 64 bits",
    ),
    "absolute path": (
        manifest(lambda content: listed(content).update(path="/etc/passwd")),
        "names '/etc/passwd', which is not in its folder; not read",
    ),
    "path upwards": (
        manifest(lambda content: listed(content).update(path="../x.parquet")),
        "names '../x.parquet', which is not in its folder; not read",
    ),
    "wrong hash": (
        manifest(lambda content: listed(content).update(sha256="0" * 64)),
        "is not the file that its manifest lists; build it again",
    ),
    "hash of another type": (
        manifest(lambda content: listed(content).update(sha256=3)),
        "sha256` must be a text, got 3",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_folder_that_is_not_as_it_was_is_one_sentence(
    folder: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = DAMAGES[damage]
    change(folder)
    assert main(["verify", str(folder), "--jobs", "1"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "/images/" not in line]
    assert message in "\n".join([*said, ""])
    assert len(said) == 1
    assert str(folder) in said[0]


@pytest.mark.parametrize(
    "command", [["rebase", "--root", "/x"], ["reformat", "--format", "direct"]]
)
@pytest.mark.parametrize("damage", ["gone", "a pipe", "a loop", "newer schema", "manifest a pipe"])
def test_what_rewrites_rows_says_the_same(
    command: list[str], damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rows"
    write_rows(folder, "rlvr", {"train": [A]})
    change, message = DAMAGES[damage]
    change(folder)
    more = [] if command[0] == "rebase" else ["--out", str(tmp_path / "out")]
    assert main([command[0], str(folder), *command[1:], *more]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "..", ""])
def test_a_shard_of_no_name_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "rlvr", {"train": [A]})
    manifest(lambda content: listed(content).update(path=name))(tmp_path)
    assert main(["verify", str(tmp_path)]) == 1
    assert "which is not in its folder; not read" in capsys.readouterr().err


@pytest.mark.parametrize("left", [{}, {"valid": []}])
def test_rows_that_the_manifest_counts_and_does_not_list_are_missed(
    left: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "rlvr", {"train": [A]})
    manifest(lambda content: content.update(shards=left))(tmp_path)
    assert main(["verify", str(tmp_path)]) == 1
    assert f"{tmp_path}: 0 train rows, its labels count 1" in capsys.readouterr().err


def test_a_shard_that_is_listed_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "rlvr", {"train": [A]})
    manifest(lambda content: content["shards"].update(valid=content["shards"]["train"]))(tmp_path)
    assert main(["verify", str(tmp_path)]) == 1
    assert "lists 'train-00000.parquet' twice" in capsys.readouterr().err


def test_images_outside_the_roots_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "rlvr", {"train": [A, B]})
    (tmp_path / "other").mkdir()
    manifest(lambda content: content.update(roots={"sfew": str(tmp_path / "other")}))(tmp_path)
    assert main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"unifer-data: {tmp_path}/images/{name} lies below no root of {tmp_path}; build it again"
        for name in ("a.png", "b.png")
    ]


def test_what_the_manifest_does_not_list_is_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe")
    (folder / os.fsdecode(b"\xff\xfe.txt")).touch()
    main(["verify", str(folder), "--jobs", "1"])
    assert "not checked" not in capsys.readouterr().out
    os.mkfifo(folder / "train-00001.parquet")
    data_file(folder).with_name("z.parquet").touch()
    main(["verify", str(folder), "--jobs", "1"])
    assert (
        "not checked: 2 parquet files that the manifest does not list, such as "
        f"{min(folder / 'train-00001.parquet', data_file(folder).with_name('z.parquet'))}"
    ) in capsys.readouterr().out
