from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

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
from unifer_tasks.protocol.labels import LABEL_SPACES

WHOLE = Manifest(
    source="the archives",
    stand_in=False,
    recipe={"seed": 0},
    versions={"unifer": "0"},
    datasets={
        key: DatasetFile(f"{key}/test.parquet", dict(space.test_counts), "0" * 64)
        for key, space in LABEL_SPACES.items()
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
    with pytest.raises(DataError, match="is no folder"):
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
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"schema": 99}', "has schema 99, this version reads 1"),
        ('{"schema": 1}', "cannot be read"),
    ],
)
def test_a_bad_manifest_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "manifest.json") in str(caught.value)


def test_a_dataset_that_was_not_built_or_is_gone_is_named(tmp_path: Path) -> None:
    only_sfew = replace(WHOLE, datasets={"sfew": WHOLE.datasets["sfew"]})
    with pytest.raises(DataError, match=r"RAF-DB \(rafdb\) is not in .* \(built: sfew\)"):
        dataset_path(tmp_path, only_sfew, "rafdb")
    with pytest.raises(DataError, match=r"test\.parquet is missing, though"):
        dataset_path(tmp_path, only_sfew, "sfew")


def test_hash_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256(path).startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("name", ["../evil.parquet", "/evil.parquet", "sfew/../../evil.parquet"])
def test_a_manifest_names_files_of_its_folder_only(name: str, tmp_path: Path) -> None:
    write_manifest(tmp_path, WHOLE)
    data = json.loads((tmp_path / "manifest.json").read_text())
    data["datasets"]["sfew"]["path"] = name
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="which is not in its folder; not read"):
        read_manifest(tmp_path)
