from __future__ import annotations

import pytest

from unifer_tasks.redaction.local_paths import file_name, without_folders, without_local_paths

FOLDERS = ["/data/faces", "/mnt/my disk/sfew/", "/"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read /data/faces/Train/Angry/a b.png", "cannot read Train/Angry/a b.png"),
        ("cannot read /mnt/my disk/sfew/a.png: gone", "cannot read a.png: gone"),
        ("/data/faces is missing", "faces is missing"),
        ("(/data/faces/)", "()"),
        ("/data/faces2/a.png", "a.png"),
        ("[Errno 5] error: '/home/me/my files/a.png'", "[Errno 5] error: 'a.png'"),
        ("error:/home/me/a.png, /home/you/b.png", "error:a.png, b.png"),
        ("~/models/qwen and ~me/models", "qwen and models"),
        ("file:///home/me/reward.py", "reward.py"),
        (r"C:\Users\me\a.png or \\server\share\a.png", "a.png or a.png"),
        ("model=/models/qwen/", "model=qwen"),
        ("https://example.org/a/b and pkg://unifer_rewards.fer", None),
        ("Train/Angry/a.png, his/her, 1/2, a / b, </think>", None),
        ("data/faces/a.png", None),
    ],
)
def test_no_path_is_absolute(text: str, expected: str | None) -> None:
    assert without_local_paths(text, FOLDERS) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as /data/faces/a.png and /home/me/a.png", "as a.png and /home/me/a.png"),
        ("/data/faces-old/a.png", None),
        ("x/data/faces/a.png", None),
        ("and/or", None),
    ],
)
def test_known_folders_alone_can_be_taken_out(text: str, expected: str | None) -> None:
    assert without_folders(text, FOLDERS) == (text if expected is None else expected)


@pytest.mark.parametrize("path", ["/a/b/model", "a/model/", r"C:\a\model", "model", "~/model"])
def test_file_name(path: str) -> None:
    assert file_name(path) == "model"
