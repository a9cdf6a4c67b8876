"""The paper's training files and question files: read completely, or rejected with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_prep.sources.index import INDEX_FILES, read_index
from data_prep.sources.published import _CHUNK, RLVR_KEYS, published_samples
from data_prep.support.errors import IndexFileError, PreparationError
from data_prep.support.packed import open_tree

ROW = {"image_path": "/RAF-DB/aligned/a.jpg", "problem": "Which?", "solution": "fear"}
TEXT = json.dumps(ROW)
QUESTION = {
    "image_path": "/a.jpg",
    "true_label": "fear",
    "prompt": "Which?",
    "candidate_labels": ["fear"],
}


@pytest.mark.parametrize(
    ("text", "n"),
    [
        (f"[{TEXT}]", 1),
        (f"\ufeff [\n {TEXT} ,\r\n{TEXT}\t]\n\n", 2),
        (TEXT, 1),
        (f"{TEXT}\n{TEXT}\n", 2),
        (json.dumps([{**ROW, "problem": "x" * (_CHUNK - 90)}, ROW, ROW], indent=2), 3),
        (json.dumps([ROW] * 20_000), 20_000),
    ],
)
def test_whole_files_are_read(text: str, n: int, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert len(list(published_samples(tmp_path / "a.json", RLVR_KEYS, open_tree(tmp_path)))) == n


def with_keys(**changed: object) -> bytes:
    return json.dumps([{**ROW, **changed}]).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"[]", "is an empty list"),
        (f"[{TEXT},".encode(), "is not JSON"),
        (f"[{TEXT}".encode(), "ends after object 1 without the `]`"),
        (f"[{TEXT}, {TEXT}".encode(), "ends after object 2 without the `]`"),
        (f"[{TEXT}, {TEXT[:40]}".encode(), "is not JSON"),
        (f"[{TEXT}] {TEXT}".encode(), "continues after the `]`"),
        (f"[{TEXT}]]".encode(), "continues after the `]`"),
        (f"[{TEXT} {TEXT}]".encode(), "follows object 1, where `,` or `]` is expected"),
        (f"[{TEXT},,{TEXT}]".encode(), "is not JSON"),
        (f"{TEXT}\n{TEXT[:30]}".encode(), "is not JSON"),
        (TEXT.encode("utf-16"), "not UTF-8"),
        (json.dumps([{**ROW, "problem": "é"}], ensure_ascii=False).encode("latin-1"), "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[null]", "object 1 lacks one of"),
        (b"[3]", "object 1 lacks one of"),
        (b"[%s]" % (b"9" * 5000), "is not JSON"),
        (with_keys(solution=None), "something else than text"),
        (with_keys(problem="\ud800"), "something else than text"),
        (b'[{"problem": "a", "problem": "b"}]', "has the key 'problem' twice"),
        (b'[{"problem": "%s' % (b"x" * 2**25), "more than 16,777,216 characters"),
    ],
)
def test_broken_files_say_what_is_wrong(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(PreparationError) as caught:
        list(published_samples(tmp_path / "a.json", RLVR_KEYS, open_tree(tmp_path)))
    assert message in str(caught.value)
    assert "a.json" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "holds no list of questions"),
        (b"{}", "holds no list of questions"),
        (b"[", "is not JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (json.dumps([QUESTION]).encode("utf-16"), "is not UTF-8"),
        (b"[null]", "question 1 must be an object, got null"),
        (
            json.dumps([{**QUESTION, "image_path": [1]}]).encode(),
            "`image_path` must be a text, got [1]",
        ),
        (json.dumps([{**QUESTION, "prompt": None}]).encode(), "`prompt` must be a text"),
        (json.dumps([{**QUESTION, "candidate_labels": "fear"}]).encode(), "must be a list"),
        (json.dumps([{**QUESTION, "true_label": "9" * 5000}]).encode(), "label '999"),
        (json.dumps([QUESTION] * 2).encode(), "question 2: '/a.jpg' is listed twice"),
    ],
)
def test_question_files_say_what_is_wrong(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / INDEX_FILES["rafdb"]).write_bytes(content)
    with pytest.raises(IndexFileError) as caught:
        read_index(tmp_path)
    assert message in str(caught.value)
    assert INDEX_FILES["rafdb"] in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("place", ["{name}", "eval_{dataset}/data/{name}"])
def test_question_files_lie_together_or_as_in_the_authors_repository(
    place: str, tmp_path: Path
) -> None:
    for dataset, name in INDEX_FILES.items():
        path = tmp_path / place.format(dataset=dataset, name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([{**QUESTION, "image_path": " /a.jpg"}]))
    assert {asked.id for questions in read_index(tmp_path).values() for asked in questions} == {
        "/a.jpg"
    }
