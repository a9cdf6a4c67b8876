"""Archives in archives, and 7z: read as if they were unpacked, and never outside."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.cli.main import main
from data_prep.sources.archives import open_source
from data_prep.sources.samples import Source
from data_prep.support import packed
from data_prep.support.errors import ArchiveError
from data_prep.support.packed import UNPACKED, open_tree
from tests.data_prep import official
from tests.data_prep.reading import hashes, rows, times
from tests.data_prep.sources.reading import seen


def rafdb(root: Path, form: str, *, below: bool = True) -> Path:
    official.write_rafdb(root, 1)
    official.pack_away(root / "basic/Image/original", form)
    official.pack_away(root / "basic/Image/aligned", form, below=below)
    return root


def sfew(root: Path, form: str, *, below: bool = True) -> Path:
    official.write_sfew(root, 1)
    for part in ("Train", "Val"):
        official.pack_away(root / part / f"{part}_Aligned_Faces", form, below=below)
    return root


def affectnet(root: Path, form: str, *, below: bool = True) -> Path:
    official.write_affectnet(root, 1)
    official.pack_away(root / "Manually_Annotated_Images", form, below=below)
    return root


def ferplus(root: Path, form: str, *, below: bool = True) -> Path:
    official.write_ferplus(root, 1)
    (root / "fer2013").mkdir()
    (root / "fer2013.csv").rename(root / "fer2013/fer2013.csv")
    official.pack_away(root / "fer2013", form, below=below)
    return root


WRITERS: dict[str, Callable[..., Path]] = {
    "rafdb": rafdb,
    "ferplus": ferplus,
    "affectnet": affectnet,
    "sfew": sfew,
}


def whole(dataset: str, root: Path) -> Source:
    return open_source(dataset, official.WRITERS[dataset](root, 1))


@pytest.mark.parametrize(("form", "below"), [("zip", True), ("zip", False), ("tar.gz", True)])
@pytest.mark.parametrize("dataset", WRITERS)
def test_archives_in_a_folder_read_as_if_unpacked(
    dataset: str, form: str, below: bool, tmp_path: Path
) -> None:
    root = WRITERS[dataset](tmp_path / "files", form, below=below)
    nested = open_source(dataset, root, tmp_path / "unpacked")
    assert seen(nested) == seen(whole(dataset, tmp_path / "whole"))
    # A zip on the disk is read in place.
    assert (tmp_path / "unpacked").exists() == (form == "tar.gz")


@pytest.mark.parametrize(("inner", "outer"), [("zip", "zip"), ("zip", "tar"), ("tar.gz", "zip")])
def test_what_is_packed_twice_is_copied_out_once(tmp_path: Path, inner: str, outer: str) -> None:
    archive = official.pack_away(rafdb(tmp_path / "mine", inner), outer)
    expected = seen(whole("rafdb", tmp_path / "whole"))
    for _ in range(2):
        assert seen(open_source("rafdb", archive, tmp_path / "unpacked")) == expected
    before = times(tmp_path / "unpacked")
    open_source("rafdb", archive, tmp_path / "unpacked")
    assert times(tmp_path / "unpacked") == before
    # The whole photographs are not asked for, so nobody copies them.
    assert {path.name.split("-")[0] for path in before} == {"aligned"}


def test_a_zip_of_a_zip_may_have_any_name(tmp_path: Path) -> None:
    official.write_sfew(tmp_path / "files", 1)
    (tmp_path / "box").mkdir()
    inner = official.packed(tmp_path / "files", "zip")
    shutil.move(inner, tmp_path / "box/holidays.zip")
    outer = official.packed(tmp_path / "box", "zip")
    assert seen(open_source("sfew", outer)) == seen(open_source("sfew", tmp_path / "files"))


@pytest.mark.parametrize(
    "name",
    [
        *("aligned.zip", "aligned (1).zip", "aligned - Copy.zip", "aligned 2.zip"),
        *("aligned copy 2.zip", "aligned-20240131T101500Z-001.zip"),
        # What an archive is, its first bytes say.
        *("aligned.tbz2", "aligned.txz"),
    ],
)
@pytest.mark.parametrize("below", [True, False])
def test_the_needed_zip_may_be_alone_in_its_folder(tmp_path: Path, name: str, below: bool) -> None:
    root = official.write_rafdb(tmp_path / "files", 1)
    expected = seen(open_source("rafdb", root))
    shutil.rmtree(root / "basic/Image/original")
    archive = official.pack_away(root / "basic/Image/aligned", "zip", below=below)
    archive.rename(archive.with_name(name))
    official.put(root / "basic/Image/._aligned.zip", b"")
    assert seen(open_source("rafdb", root)) == expected


def test_a_7z_with_a_password_is_reported(tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    for number, has_open_header in enumerate((True, False)):
        path = tmp_path / f"{number}.7z"
        with py7zr.SevenZipFile(path, "w", password="secret") as archive:
            archive.set_encrypted_header(not has_open_header)
            archive.writestr(b"x", "Val/face.png")
        with pytest.raises(ArchiveError, match=rf"asks for a password, .*`7z x {path.name} -o"):
            open_tree(path, tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("folder", r"`7z x Manually_Annotated\.part01\.rar"),
        ("zip", r"a\.zip holds .*\.rar, which can only be read .*`7z x a\.zip -oa`"),
    ],
)
def test_parts_of_a_rar_name_the_remedy(tmp_path: Path, form: str, message: str) -> None:
    root = official.write_affectnet(tmp_path / "a", 1)
    shutil.rmtree(root / "Manually_Annotated_Images")
    official.put(root / "Manually_Annotated/Manually_Annotated.part01.rar", b"Rar!")
    path = root if form == "folder" else Path(shutil.make_archive(str(tmp_path / "a"), form, root))
    with pytest.raises(ArchiveError, match=message):
        open_source("affectnet", path)


def test_a_nested_archive_that_climbs_out_is_refused(tmp_path: Path) -> None:
    root = rafdb(tmp_path, "zip")
    with zipfile.ZipFile(root / "basic/Image/aligned.zip", "w") as archive:
        archive.writestr("../../evil.jpg", b"x")
    with pytest.raises(ArchiveError, match=r"aligned\.zip holds .* leads out of it"):
        open_source("rafdb", root)


def test_a_nested_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = rafdb(tmp_path / "files", "zip")
    secret = (root / "basic/Image/aligned.zip").rename(tmp_path / "secret.zip")
    (root / "basic/Image/aligned.zip").symlink_to(secret)
    with pytest.raises(ArchiveError, match="leads out of"):
        open_source("rafdb", root)


@pytest.mark.parametrize("form", ["tar.gz", "7z"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if form == "7z":
        pytest.importorskip("py7zr")
    monkeypatch.setattr(packed, "_SMALL", 0)
    official.put(tmp_path / "bomb/Train.png", bytes(2**23))
    archive = official.packed(tmp_path / "bomb", form)
    with pytest.raises(ArchiveError, match="more than 100 times its size"):
        open_tree(archive, tmp_path / "unpacked")
    assert not [path for path in (tmp_path / "unpacked").rglob("*") if path.suffix == ".tar"]


def test_rows_of_nested_archives_resume_and_end_the_same(tmp_path: Path) -> None:
    """Zip in zip: unpacked below the output, images written out, nothing done twice."""
    archive = official.pack_away(rafdb(tmp_path / "mine", "zip"), "zip")
    out = tmp_path / "out"
    run = ["rlvr", "--rafdb", archive, "--out", out, "--no-leak-check", "--partial", "--jobs", "1"]
    assert main(list(map(str, run))) == 0
    before = times(out)
    assert main(list(map(str, run))) == 0
    assert times(out) == before
    images = {Path(row["images"][0]["image"]) for row in rows(out)}
    assert len(images) == 7
    assert all(path.is_file() and path.is_relative_to(out / "images/rafdb") for path in images)
    expected = hashes(out)
    # What was unpacked and what was found may be removed: both come back as they were.
    shutil.rmtree(out / UNPACKED)
    for path in (out / ".examined").iterdir():
        path.unlink()
    (out / "manifest.json").unlink()
    assert main(list(map(str, run))) == 0
    assert hashes(out) == expected


def test_the_benchmark_of_nested_archives(tmp_path: Path) -> None:
    archive = official.pack_away(rafdb(tmp_path / "mine", "zip"), "zip")
    folder = official.write_rafdb(tmp_path / "folder", 1)
    for path, out in ((archive, tmp_path / "a"), (folder, tmp_path / "b")):
        run = ["ferbench", "--rafdb", path, "--out", out, "--partial", "--jobs", "1"]
        for _ in range(2):
            assert main(list(map(str, run))) == 0
    assert hashes(tmp_path / "a/rafdb") == hashes(tmp_path / "b/rafdb")


def test_nothing_is_unpacked_into_a_folder_of_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = official.pack_away(rafdb(tmp_path / "mine", "zip"), "zip")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/thesis.tex").write_text("dear")
    for command in (["ferbench"], ["rlvr", "--no-leak-check"]):
        run = [*command, "--rafdb", archive, "--out", tmp_path / "thesis", "--partial"]
        assert main(list(map(str, run))) == 1
        assert "choose another" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("dataset", ["rafdb", "sfew"])
def test_a_7z_reads_like_its_folder(dataset: str, tmp_path: Path) -> None:
    pytest.importorskip("py7zr")
    expected = seen(whole(dataset, tmp_path / "whole"))
    inside = WRITERS[dataset](tmp_path / "inside", "7z")
    assert seen(open_source(dataset, inside, tmp_path / "unpacked")) == expected
    archive = official.packed(tmp_path / "whole", "7z")
    source = open_source(dataset, archive, tmp_path / "unpacked")
    assert seen(source) == expected
    before = times(tmp_path / "unpacked")
    open_source(dataset, archive, tmp_path / "unpacked")
    assert times(tmp_path / "unpacked") == before
    # Unpacked images have files of their own, which rows can name.
    assert source.images.folder is not None


def test_a_7z_that_climbs_out_is_refused(tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    for number, name in enumerate(("../evil", "a/../../evil")):
        path = tmp_path / f"{number}.7z"
        with py7zr.SevenZipFile(path, "w") as archive:
            archive.writestr(b"x", "safe")
            archive.header.files_info.files[-1]["filename"] = name
        with pytest.raises(ArchiveError, match="not read"):
            open_tree(path, tmp_path / "unpacked")
    link = tmp_path / "link"
    link.symlink_to("/etc/passwd")
    with py7zr.SevenZipFile(tmp_path / "link.7z", "w") as archive:
        archive.write(link, "link")
    with pytest.raises(ArchiveError, match="a link; not read"):
        open_tree(tmp_path / "link.7z", tmp_path / "unpacked")
    assert not list((tmp_path / "unpacked").rglob("*"))


def test_a_partly_unpacked_7z_is_unpacked_again(tmp_path: Path) -> None:
    pytest.importorskip("py7zr")
    archive = official.packed(official.write_sfew(tmp_path / "files", 1), "7z")
    unpacked = tmp_path / "unpacked"
    (unpacked / f"{packed.unpacked_name(archive)}.partial/Train").mkdir(parents=True)
    tree = open_tree(archive, unpacked)
    assert tree.folders("files") == ["Train", "Val"]
    assert [path.suffix for path in unpacked.iterdir()] == [""]


def test_without_py7zr_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py7zr", None)
    official.put(tmp_path / "a.7z", b"7z")
    with pytest.raises(ArchiveError, match=r"pip install '\.\[archives\]'.*7z x a\.7z -oa"):
        open_tree(tmp_path / "a.7z")
