from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from unifer_tasks.cli.main import main
from unifer_tasks.data import contents
from unifer_tasks.data.manifest import DATA_VARIABLE, read_manifest, sha256, write_manifest
from unifer_tasks.harness import doctor
from unifer_tasks.harness.doctor import examine
from unifer_tasks.protocol.labels import FERBENCH

pytest.importorskip("lmms_eval")


@pytest.fixture(autouse=True)
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the import of all that a run imports: it takes seconds and has its own tests."""
    monkeypatch.setattr(doctor, "problem", lambda models: None)


@pytest.fixture
def data(stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the stand-in, to damage it."""
    copy = tmp_path / "data"
    shutil.copytree(stand_in, copy)
    monkeypatch.setenv(DATA_VARIABLE, str(copy))
    return copy


def texts(level: str) -> list[str]:
    return [finding.text for finding in examine() if finding.level == level]


def test_a_sound_stand_in_passes_with_warnings(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "warning  STAND-IN" in out
    assert "RAF-DB: 14 of 3,068 questions" in out
    assert "ok       lmms-eval finds the FERBench plugin" in out
    assert f"ok       {data}" in out
    for name in ("lmms-eval", "torch", "transformers", "datasets"):
        assert f"ok       {name} " in out


def test_the_whole_benchmark_has_no_warning(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The files hold fewer rows than the manifest that is written here.
    monkeypatch.setattr(contents, "problems", lambda *_: [])
    manifest = read_manifest(data)
    whole = {
        key: replace(manifest.datasets[key], counts=dict(space.test_counts))
        for key, space in FERBENCH.items()
    }
    write_manifest(data, replace(manifest, stand_in=False, datasets=whole))
    assert texts("warning") == []
    assert texts("error") == []


def test_photographs_that_are_too_few_are_an_error(data: Path) -> None:
    write_manifest(data, replace(read_manifest(data), stand_in=False))
    assert len([text for text in texts("error") if " questions (" in text]) == 4


def test_missing_data_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert main(["doctor"]) == 1
    assert "is not set" in texts("error")[0]


def test_a_damaged_and_a_missing_file_are_named(data: Path) -> None:
    with (data / "sfew" / "test.parquet").open("ab") as file:
        file.write(b"!")
    (data / "rafdb" / "test.parquet").unlink()
    damaged = texts("error")
    assert any("sfew/test.parquet is damaged" in text for text in damaged)
    assert any("rafdb/test.parquet is missing" in text for text in damaged)
    assert main(["doctor"]) == 1


def test_a_file_without_images_is_an_error(data: Path) -> None:
    path = data / "sfew" / "test.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["image"]), path)
    manifest = read_manifest(data)
    file = replace(manifest.datasets["sfew"], sha256=sha256(path))
    write_manifest(data, replace(manifest, datasets={**manifest.datasets, "sfew": file}))
    assert texts("error") == [f"{path.resolve()} has no column `image`; build it again"]
    assert main(["doctor"]) == 1


def test_a_dataset_that_was_not_built_is_an_error(data: Path) -> None:
    manifest = json.loads((data / "manifest.json").read_text())
    del manifest["datasets"]["affectnet"]
    (data / "manifest.json").write_text(json.dumps(manifest))
    assert any("AffectNet (affectnet) is not in" in text for text in texts("error"))


def test_a_folder_that_holds_only_a_users_dataset_passes(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(data)
    write_manifest(data, replace(manifest, datasets={"sfew": manifest.datasets["sfew"]}))
    monkeypatch.setattr(doctor, "FERBENCH", {"rafdb": FERBENCH["rafdb"]})
    assert main(["doctor"]) == 0
    assert any("--tasks ferbench_sfew" in text for text in texts("warning"))
    write_manifest(data, replace(manifest, datasets={}))
    assert any("RAF-DB (rafdb) is not in" in text for text in texts("error"))


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ('numpy<1; extra == "eval"', "does not satisfy <1"),
        ('no-such-package>=1; extra == "eval"', "no-such-package is not installed"),
    ],
)
def test_what_is_incompatible_or_missing_is_an_error(
    data: Path, monkeypatch: pytest.MonkeyPatch, requirement: str, message: str
) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: [requirement])
    assert any(message in text for text in texts("error"))


def test_what_a_run_cannot_import_is_an_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "problem", lambda models: f"{models} lack filelock._api")
    assert any("lack filelock._api" in text for text in texts("error"))
    assert main(["doctor"]) == 1


def test_a_back_end_that_is_not_installed_is_an_error(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unifer_tasks.support.extras._is_installed", lambda name: name != "vllm")
    assert [f.text for f in examine(["vllm"]) if "needs vllm: pip install vllm" in f.text]


def test_a_plugin_that_is_not_installed_is_an_error(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "entry_points", lambda group: [])
    assert any("does not find the plugin" in text for text in texts("error"))
