"""What cannot be opened or must not be followed: locks, links, damage."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Split
from data_prep.support.errors import ArchiveError
from data_prep.support.packed import open_tree
from tests.data_prep import official
from tests.data_prep.sources.reading import read


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    root = official.write_sfew(tmp_path / "sfew", 1)
    face = next((root / "Val/Val_Aligned_Faces/Sad").iterdir())
    face.unlink()
    os.mkfifo(face)
    tree = open_source("sfew", root).images
    assert "not a regular file" in str(tree.try_read(str(face.relative_to(root))))
    with pytest.raises(ArchiveError, match="neither a folder nor a regular file"):
        open_tree(face)


def locked(path: Path) -> Path:
    """Mark every file of a zip as encrypted."""
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + flags] |= 1
    path.write_bytes(data)
    return path


def test_zips_with_a_password_are_reported(tmp_path: Path) -> None:
    path = locked(official.packed(official.write_sfew(tmp_path / "files", 1), "zip"))
    with pytest.raises(ArchiveError, match=r"asks for a password, .*`7z x files\.zip -ofiles`"):
        open_source("sfew", path)


def test_a_zip_with_a_password_inside_another_names_the_outer_one(tmp_path: Path) -> None:
    root = official.write_sfew(tmp_path / "SFEW", 1)
    locked(official.pack_away(root / "Train", "zip"))
    val = locked(official.packed(root / "Val", "zip"))
    # Faces are there for the benchmark, not for training.
    assert open_source("sfew", root).splits == (Split.TEST,)
    with pytest.raises(ArchiveError, match=r"Train\.zip asks for a password"):
        open_source("sfew", root, wanted=Split.TRAIN)
    shutil.rmtree(root / "Val")
    assert val.exists()
    outer = official.packed(root, "zip")
    with pytest.raises(ArchiveError) as caught:
        open_source("sfew", outer)
    assert str(caught.value).startswith(
        f"{outer} holds SFEW/Train.zip, which asks for a password, which its authors sent you; "
        "unpack it, `7z x SFEW.zip -oSFEW`"
    )


def test_zips_of_an_unsupported_method_are_reported(tmp_path: Path) -> None:
    path = official.packed(official.write_sfew(tmp_path / "files", 1), "zip")
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2")
    data[at + 10] = 9  # Deflate64, as Windows packs what is large
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"packed by method 9, .*`7z x files\.zip -ofiles`"):
        open_source("sfew", path)


def test_two_files_of_one_name_are_refused_where_they_differ(tmp_path: Path) -> None:
    for second, is_refused in ((b"one", False), (b"two", True)):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.txt", b"one")
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr("a.txt", second)
        if is_refused:
            with pytest.raises(ArchiveError, match=r"two different files named a\.txt"):
                open_tree(tmp_path / "a.zip")
        else:
            assert open_tree(tmp_path / "a.zip").read("a.txt") == b"one"


def zipped(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")


def zipped_link(path: Path, name: str) -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")


def tarred(path: Path, name: str) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))


def tarred_link(path: Path, name: str) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (zipped, "../evil"),
        (zipped, "a/../../evil"),
        (zipped, "/etc/evil"),
        (zipped, "..\\evil"),
        (zipped, "C:/evil"),
        (zipped_link, "Train/link"),
        (tarred, "../evil"),
        (tarred, "/etc/evil"),
        (tarred_link, "Train/link"),
    ],
)
def test_an_archive_that_climbs_out_is_refused(
    tmp_path: Path, write: Callable[[Path, str], None], name: str
) -> None:
    write(tmp_path / "archive", name)
    with pytest.raises(ArchiveError, match="not read"):
        open_tree(tmp_path / "archive").files("")


@pytest.mark.parametrize("target", ["gone", "test_0001_aligned.jpg"], ids=["dangling", "loop"])
def test_a_link_to_nothing_is_a_file_that_cannot_be_read(target: str, tmp_path: Path) -> None:
    face = official.write_rafdb(tmp_path, 1) / "basic/Image/aligned/test_0001_aligned.jpg"
    face.unlink()
    face.symlink_to(target)
    tree = open_source("rafdb", tmp_path).images
    name = str(face.relative_to(tmp_path))
    assert "cannot be read" in str(tree.try_read(name))
    assert tree.stamp(name) == "unreadable"


def test_a_link_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    tree = open_tree(root)
    for name in ("link", "folder/secret", "../secret"):
        with pytest.raises(ArchiveError, match="leads out of"):
            tree.read(name)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "a.7z is damaged"),
        ("a.zip", b"7z\xbc\xaf\x27\x1c", "a.zip is damaged .*7z"),
        ("a.zip", b"Rar!\x1a\7\0", "is a rar file .*`7z x a.zip -oa`"),
        ("a b", b"Rar!\x1a\7\0", "`7z x 'a b' -o'a b_files'`"),
        ("a.tar.zst", b"\x28\xb5\x2f\xfd", "is a zst file .*`7z x a.tar.zst -oa`"),
        ("a.zip", b"<!DOCTYPE html><title>Sign in", "is a web page"),
        ("fer2013.csv", b"emotion,pixels", "name the folder that holds it"),
        ("a.part01.rar", b"Rar!", "7z x a.part01.rar -oa`"),
        ("a.7z.001", b"7z", "only be read once it is unpacked"),
        ("a.zip", b"PK\x03\x04 cut", "interrupted download"),
        ("none.zip", None, "does not exist"),
    ],
)
def test_what_cannot_be_opened_names_the_remedy(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ArchiveError, match=message):
        open_tree(tmp_path / name, tmp_path / "unpacked")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    archive = official.packed(official.write_sfew(tmp_path / "files", 1), "zip")
    source = open_source("sfew", archive)
    sample = read(source, Split.TEST)[0][3]
    data = bytearray(archive.read_bytes())
    member = data.index(sample.member.encode())
    data[member + 200 : member + 260] = bytes(60)
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match="cannot be read"):
        open_tree(archive).read(sample.member)
    assert "cannot be read" in str(open_tree(archive).try_read(sample.member))
