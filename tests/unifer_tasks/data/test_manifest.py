from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import reduce
from pathlib import Path

import pytest

import unifer_tasks.data.manifest as manifest_module
from unifer_tasks.data.manifest import (
    DATA_VARIABLE,
    DataError,
    DatasetFile,
    Manifest,
    data_root,
    dataset_path,
    intact_path,
    read_manifest,
    sha256,
    write_manifest,
)
from unifer_tasks.protocol import labels
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES, WITH_FILES, LabelSpace

WHOLE = Manifest(
    source="the archives",
    stand_in=False,
    recipe={"seed": 0},
    versions={"unifer": "0"},
    datasets={
        key: DatasetFile(f"{key}/test.parquet", dict(space.test_counts), "0" * 64)
        for key, space in FERBENCH.items()
    },
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_manifest(tmp_path, WHOLE)
    assert read_manifest(tmp_path) == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert json.loads((tmp_path / "manifest.json").read_text())["datasets"]["sfew"]["rows"] == 431


def test_only_the_whole_benchmark_goes_without_caveat() -> None:
    assert WHOLE.caveat() is None
    assert replace(WHOLE, stand_in=True).caveat() == "STAND-IN faces"
    without = replace(WHOLE, datasets={k: v for k, v in WHOLE.datasets.items() if k != "sfew"})
    assert without.caveat() == "10,641 of 11,072 questions"
    assert without.caveat(["rafdb"]) is None
    fewer = {**WHOLE.datasets["sfew"].counts, "fear": 45}
    short = replace(
        WHOLE, datasets={**WHOLE.datasets, "sfew": replace(WHOLE.datasets["sfew"], counts=fewer)}
    )
    assert short.caveat() == "11,071 of 11,072 questions"


def test_equal_totals_of_other_labels_are_not_the_benchmark() -> None:
    counts = {**WHOLE.datasets["sfew"].counts, "fear": 45, "sad": 74}
    other = replace(WHOLE, datasets={"sfew": replace(WHOLE.datasets["sfew"], counts=counts)})
    assert not other.is_complete("sfew")
    assert other.caveat(["sfew"]) == "431 of 431 questions, of other labels"


def test_data_root_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(DataError, match=r"FERBENCH_DATA is not set; .*unifer-data drawn"):
        data_root()
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "no"))
    with pytest.raises(DataError, match="is not a directory"):
        data_root()
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert data_root() == tmp_path.resolve()


@pytest.mark.parametrize("name", ["~no_such_user", "a b", "é[1]*?", "x/"])
def test_data_root_takes_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, name)
    assert data_root() == (tmp_path / name).resolve()


def test_data_root_refuses_what_datasets_takes_for_urls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a::b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a::b")
    for name in ("a::b", "link"):
        monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / name))
        with pytest.raises(DataError, match="rename the folder"):
            data_root()


def test_a_file_is_intact_if_its_bytes_are_the_manifests(tmp_path: Path) -> None:
    path = tmp_path / "sfew" / "test.parquet"
    path.parent.mkdir()
    path.write_bytes(b"abc")
    file = replace(WHOLE.datasets["sfew"], sha256=sha256(path))
    manifest = replace(WHOLE, datasets={"sfew": file})
    assert intact_path(tmp_path, manifest, "sfew") == path
    path.write_bytes(b"ab")
    with pytest.raises(DataError, match=r"test\.parquet is damaged: its bytes are not those"):
        intact_path(tmp_path, manifest, "sfew")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is missing: the folder was not written by"),
        (b"{", "is not JSON"),
        (b"\xff\xfe{\0", "is not UTF-8"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[]", "must be an object, got "),
        (b"{}", "lacks `schema`"),
        (b'{"schema": 99}', "has schema 99, this version reads 1; build the folder again"),
        (b'{"schema": 1}', "lacks `source`"),
    ],
)
def test_a_bad_manifest_is_named(tmp_path: Path, text: bytes | None, message: str) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "manifest.json") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere does not exist; name a folder that `unifer-data` wrote"),
        ("file", "file is a file; name the folder"),
        ("parent", "manifest.json is missing; name one folder of data: "),
        ("rows", "rows holds training rows, not a benchmark"),
    ],
)
def test_a_folder_of_another_kind_is_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/manifest.json").write_text('{"schema": 1, "kind": "rlvr"}')
    (tmp_path / "parent/inner").mkdir(parents=True)
    (tmp_path / "parent/inner/manifest.json").write_text("{}")
    with pytest.raises(DataError) as caught:
        read_manifest(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path}/{name}")
    assert message in str(caught.value)


def test_a_dataset_that_was_not_built_or_is_gone_is_named(tmp_path: Path) -> None:
    only_sfew = replace(WHOLE, datasets={"sfew": WHOLE.datasets["sfew"]})
    with pytest.raises(DataError, match=r"RAF-DB \(rafdb\) is not in .* \(built: sfew\)"):
        dataset_path(tmp_path, only_sfew, "rafdb")
    with pytest.raises(DataError, match=r"test\.parquet is missing, though"):
        dataset_path(tmp_path, only_sfew, "sfew")
    long = replace(WHOLE, datasets={"sfew": replace(WHOLE.datasets["sfew"], path="x" * 300)})
    with pytest.raises(DataError, match="x" * 300):
        dataset_path(tmp_path, long, "sfew")


def test_hash_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256(path).startswith("ba7816bf8f01cfea")


SFEW = "datasets.sfew"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("schema", "1", '`schema` must be an integer, got "1"'),
        ("source", None, "`source` must be a text, got null"),
        ("stand_in", 1, "`stand_in` must be true or false, got 1"),
        ("recipe", [], "`recipe` must be an object"),
        ("versions", {"unifer": 1}, "`versions.unifer` must be a text"),
        ("datasets", ["sfew"], "`datasets` must be an object"),
        (SFEW, None, "`datasets.sfew` must be an object, got null"),
        (f"{SFEW}.counts", 3, "`datasets.sfew.counts` must be an object"),
        (f"{SFEW}.counts.fear", None, "`datasets.sfew.counts.fear` must be an integer, got null"),
        (f"{SFEW}.counts.fear", 1.5, "`datasets.sfew.counts.fear` must be an integer, got 1.5"),
        (f"{SFEW}.counts.fear", -1, "counts -1 rows of 'fear'"),
        (f"{SFEW}.counts.fearful", 1, "counts 'fearful' in sfew, which is not among its labels"),
        (f"{SFEW}.sha256", "", "has no sha256"),
        (f"{SFEW}.path", "\ud800", "half a surrogate pair"),
        ("datasets.raf-db", {"path": "x", "counts": {}, "sha256": "0" * 64}, "lists 'raf-db'"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(
    place: str, value: object, message: str, tmp_path: Path
) -> None:
    write_manifest(tmp_path, WHOLE)
    data = json.loads((tmp_path / "manifest.json").read_text())
    *parents, last = place.split(".")
    reduce(lambda found, key: found[key], parents, data)[last] = value
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_manifest(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'manifest.json'} ")


def test_a_dataset_without_official_counts_is_complete_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = LabelSpace("mine", "Mine", ("happy", "sad"))
    monkeypatch.setattr(labels, "LABEL_SPACES", {**LABEL_SPACES, "mine": mine})
    monkeypatch.setattr(manifest_module, "WITH_FILES", {**WITH_FILES, "mine": mine})
    file = DatasetFile("mine/test.parquet", {"happy": 2, "sad": 1}, "0" * 64)
    with_mine = replace(WHOLE, datasets={**WHOLE.datasets, "mine": file})
    assert with_mine.is_complete("mine")
    assert not WHOLE.is_complete("mine")
    assert with_mine.caveat() is None
    assert with_mine.caveat(["mine"]) is None
    assert with_mine.caveat(["mine"], asked=2) == "2 of 3 questions"
    assert replace(with_mine, stand_in=True).caveat(["mine"]) == "STAND-IN faces"


def test_a_part_is_asked_from_the_file_of_the_whole() -> None:
    whole, part = WHOLE.file("affectnet"), WHOLE.file("affectnet7")
    assert whole is not None
    assert part is not None
    assert (whole.rows, part.rows) == (4000, 3500)
    assert (part.path, part.sha256) == (whole.path, whole.sha256)
    assert WHOLE.is_complete("affectnet7")
    assert WHOLE.caveat(["affectnet7"]) is None
    fewer = replace(whole, counts={**whole.counts, "fear": 499, "contempt": 0})
    short = replace(WHOLE, datasets={"affectnet": fewer})
    assert short.caveat(["affectnet7"]) == "3,499 of 3,500 questions"
    lacking = replace(WHOLE, datasets={"sfew": WHOLE.datasets["sfew"]})
    with pytest.raises(
        DataError, match=r"AffectNet \(affectnet\) is not in .* ferbench_affectnet7"
    ):
        dataset_path(Path(), lacking, "affectnet7")


def test_a_manifest_lists_no_part(tmp_path: Path) -> None:
    write_manifest(tmp_path, WHOLE)
    data = json.loads((tmp_path / "manifest.json").read_text())
    data["datasets"]["affectnet7"] = data["datasets"]["sfew"]
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="lists 'affectnet7', which is none of the datasets rafdb"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../evil.parquet", "/evil.parquet", "sfew/../../evil.parquet"])
def test_a_manifest_names_files_of_its_folder_only(name: str, tmp_path: Path) -> None:
    write_manifest(tmp_path, WHOLE)
    data = json.loads((tmp_path / "manifest.json").read_text())
    data["datasets"]["sfew"]["path"] = name
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="which is not in its folder; not read"):
        read_manifest(tmp_path)
