"""A folder answers for any name that a list may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.support.folder import FolderTree


@pytest.mark.parametrize("name", ["x" * 300 + ".jpg", "é" * 130, "a/" * 2500 + "b.jpg", "a\0b"])
def test_no_file_has_a_name_that_no_disk_admits(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    tree = FolderTree(tmp_path)
    assert not tree.has(name)
    assert tree.resolve("", name) is None
    assert tree.files(f"{name}/folder") == ()
