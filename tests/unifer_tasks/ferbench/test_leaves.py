"""The task files follow from the declared datasets, variants and metrics."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from unifer_tasks.ferbench import leaves
from unifer_tasks.protocol.labels import LABEL_SPACES, WITH_FILES, LabelSpace
from unifer_tasks.protocol.variants import listed
from unifer_tasks.protocol.variants.listed import VARIANTS


def test_the_folder_holds_what_the_declarations_say() -> None:
    remedy = "run `python -m unifer_tasks.ferbench.leaves`"
    found = {path: (leaves.FOLDER / path).read_text() for path in leaves.task_files()}
    assert found == leaves.task_files(), remedy
    assert leaves.stale_files() == [], remedy


def folder_of(key: str) -> str:
    return "corrupted" if VARIANTS[key].corrupts else key


@pytest.mark.parametrize("key", [key for key in VARIANTS if not VARIANTS[key].corrupts])
def test_what_a_variant_changes_is_written_by_hand(key: str) -> None:
    assert f"utils.results_{key}" in (leaves.FOLDER / key / "_variant_yaml").read_text()


def declare(monkeypatch: pytest.MonkeyPatch, *spaces: LabelSpace) -> Mapping[str, LabelSpace]:
    declared = MappingProxyType({**LABEL_SPACES, **{space.key: space for space in spaces}})
    monkeypatch.setattr(leaves, "LABEL_SPACES", declared)
    monkeypatch.setattr(listed, "LABEL_SPACES", declared)
    with_files = {key: space for key, space in declared.items() if not space.part_of}
    monkeypatch.setattr(listed, "WITH_FILES", with_files)
    return declared


def test_a_dataset_has_a_task_in_every_variant_and_no_place_in_the_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "ferbench"
    shutil.copytree(leaves.FOLDER, folder)
    before = {path.relative_to(folder): path.read_text() for path in folder.rglob("*.yaml")}
    declare(monkeypatch, LabelSpace("mine", "Mine", ("happy", "sad")))
    leaves.write(folder)
    after = {path.relative_to(folder): path.read_text() for path in folder.rglob("*.yaml")}
    added = {str(path) for path in after.keys() - before.keys()}
    assert added == {"ferbench_mine.yaml"} | {
        f"{folder_of(key)}/ferbench_{key}_mine.yaml" for key in VARIANTS
    }
    assert {path: after[path] for path in before} == before
    declare(monkeypatch)
    leaves.write(folder)
    assert {path.relative_to(folder) for path in folder.rglob("*.yaml")} == before.keys()


def test_a_part_of_a_dataset_has_one_task_that_takes_its_questions_from_the_whole() -> None:
    files = [path for path, text in leaves.task_files().items() if "affectnet7" in text]
    assert files == ["ferbench_affectnet7.yaml"]
    text = (leaves.FOLDER / files[0]).read_text()
    assert "process_docs: !function utils.part_affectnet7\n" in text


@pytest.mark.parametrize("key", ["direct", "direct_rafdb"])
def test_a_key_that_makes_a_name_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    declare(monkeypatch, LabelSpace(key, "Mine", ("happy", "sad")))
    with pytest.raises(ValueError, match="choose another key"):
        leaves.task_files()


def test_every_declared_dataset_has_its_files() -> None:
    files = [path for path in leaves.task_files() if path.endswith(".yaml")]
    parts = len(LABEL_SPACES) - len(WITH_FILES)
    assert len(files) == (1 + len(WITH_FILES)) * (1 + len(VARIANTS)) + parts
