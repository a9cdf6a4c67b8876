"""The recipes' files are found, listed and copied by name, and a copy works in any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.training.cli.main import main
from recipes.training.configuration.registry import CHOICES, recipe_files
from recipes.training.configuration.settings import STAGES

NAMES = {file.name for file in recipe_files()}
SIZES = (
    *("3b", "7b", "32b", "tiny"),
    *("3b_1x80gb", "3b_lora_1x24gb", "7b_lora_1x80gb"),
)
CHOSEN = {
    "algorithm": ("cispo", "dapo", "dr_grpo", "grpo", "gspo", "sapo"),
    "method": ("frozen_vision", "full", "lora"),
    "offload": ("activations", "host", "none", "optimizer", "params"),
    "format": ("answer_first", "direct", "reasoned"),
}
CONFIGURATIONS = sorted(name for name in NAMES if "." not in name)


def test_every_configuration_and_script_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {f"{stage}_{size}" for stage in STAGES for size in SIZES}
    assert {*STAGES, *sizes, "slurm.sbatch"} == NAMES
    assert main(["ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [f"{choice.name}={file.name}" for choice in CHOICES for file in choice.files]
    assert listed == [f"{choice}={name}" for choice, names in CHOSEN.items() for name in names]
    names = [file.name for file in recipe_files()]
    assert [line.split()[0] for line in lines] == [*names, *listed]
    assert all(line.endswith((".", ").")) for line in lines)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_copy_composes_to_the_same(name: str, tmp_path: Path) -> None:
    pytest.importorskip("verl")
    from recipes.training.configuration.compose import compose

    copy = tmp_path / "my own.yaml"
    assert main(["cp", name, str(copy)]) == 0
    (original,) = (file.path for file in recipe_files() if file.name == name)
    assert compose(copy, []) == compose(original, [])


def test_a_copy_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (original,) = (file.path for file in recipe_files() if file.name == "slurm.sbatch")
    assert main(["cp", "slurm.sbatch"]) == 0
    assert (tmp_path / "slurm.sbatch").stat().st_mode == original.stat().st_mode


@pytest.mark.parametrize(
    ("name", "destination", "message"),
    [
        ("grpo_70b", "a.yaml", "there is no 'grpo_70b' to copy; give one of sft, sft_32b"),
        ("grpo_7b", "there.yaml", "there.yaml exists; choose another name or remove it"),
        ("grpo_7b", "no/a.yaml", "no is not a directory; make it first"),
        ("algorithm=dapo", "a.yaml", "algorithm=dapo is not copied: give it to the command that"),
        ("grpo_7b", "a.yml", "a.yml: hydra reads *.yaml only; name it a.yaml"),
        ("grpo_7b", "a", "a: hydra reads *.yaml only; name it a.yaml"),
        ("grpo_7b", "grpo.yaml", "would have the name of the base that grpo_7b builds on"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    name: str, destination: str, message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("there.yaml").write_text("mine")
    assert main(["cp", name, destination]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.yaml"]
    assert Path("there.yaml").read_text() == "mine"


def test_the_release_of_verl_is_written_once() -> None:
    import tomllib

    from recipes.training.configuration.required import VERL
    from tests.conftest import REPOSITORY

    text = (REPOSITORY / "recipes" / "REQUIRED_VERL.txt").read_text()
    assert f"VERL_VERSION={VERL}\n" in text
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [line for extra in ("train", "train-cpu") for line in extras[extra]]
    pinned = [line for line in lines if line.startswith("verl")]
    assert [line.partition("==")[2] for line in pinned] == [VERL, VERL]
    assert f"PIP_INSTALL=pip install {pinned[0]}\n" in text
