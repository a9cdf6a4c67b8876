"""The distribution: what is in the wheel works where nothing else of ours is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_command

KEEPS_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""What several commands of a new environment import is compiled once."""


PACKAGES = ("unifer_tasks", "unifer_rewards", "data_prep", "recipes")
LEFT_OUT = ("recipes/tiny_cpu/checkpoint/", "recipes/tiny_cpu/vllm_metadata/")


@pytest.fixture(scope="session")
def committed() -> list[str]:
    """Return the names of the files that git would commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


@pytest.fixture(scope="session")
def wheel(committed: list[str], tmp_path_factory: pytest.TempPathFactory, bin_folder: Path) -> Path:
    """Build the wheel, as from a clone."""
    source = tmp_path_factory.mktemp("source")
    for name in committed:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((REPOSITORY / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    run_command([bin_folder / "uv", "build", "--wheel", "--quiet", "--out-dir", out, source])
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_package_and_its_data(wheel: Path, committed: list[str]) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packaged = {name for name in committed if name.partition("/")[0] in PACKAGES}
    expected = {name for name in packaged if not name.startswith(LEFT_OUT)}
    assert any(name.endswith("_template_yaml") for name in expected)
    assert expected - names == set()
    others = {name for name in names - expected if ".dist-info/" not in name}
    assert others == set()


@pytest.fixture(scope="session")
def clean_bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory, bin_folder: Path) -> Path:
    """Install `unifer[eval]` and nothing else; return the folder of its commands."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    run_command([bin_folder / "uv", "venv", "--quiet", "--python", sys.executable, folder])
    run_command(
        [
            bin_folder / "uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python",
            "--constraint", REPOSITORY / "constraints.txt", f"{wheel}[eval]",
        ]
    )  # fmt: skip
    return folder / "bin"


def test_a_clean_install_lists_the_group(clean_bin: Path, tmp_path: Path) -> None:
    # No plug-in is loaded unless the wrapper does it.
    list_tasks = [clean_bin / "ferbench", "lmms-eval", "tasks", "list"]
    listed = run_command(list_tasks, env=KEEPS_BYTECODE, cwd=tmp_path).stdout
    assert {"ferbench", "ferbench_affectnet"} <= set(listed.split())
    path = run_command([clean_bin / "ferbench", "tasks-path"], cwd=tmp_path).stdout.strip()
    assert path.startswith(str(clean_bin.parent))


def test_a_clean_install_evaluates_with_the_plain_command(
    clean_bin: Path, seeing_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    run_command(
        [clean_bin / "unifer-data", "drawn", "--per-class", "1", "--out", data], cwd=tmp_path
    )
    env = {
        "FERBENCH_DATA": str(data),
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        **KEEPS_BYTECODE,
    }
    run_command([clean_bin / "ferbench", "doctor"], env=env, cwd=tmp_path)
    done = run_command(
        [
            clean_bin / "lmms-eval", "--model", "unifer", "--model_args",
            f"pretrained={seeing_model},device=cpu", "--tasks", "ferbench", "--batch_size", "8",
            "--gen_kwargs", "max_new_tokens=4",
        ],
        env=env,
        cwd=tmp_path,
    )  # fmt: skip
    assert "ferbench [STAND-IN faces, 30 of 11,072 questions]" in done.stdout


# verl needs one of the first two.
PYTHONS = ("3.11", "3.12", "3.13")
THIS, OTHER = sorted(PYTHONS[:2], key=lambda version: not sys.version.startswith(version))
LIGHT = ("", "report", "teacher", "archives")


@pytest.mark.install
@pytest.mark.parametrize(
    ("extra", "python"),
    [
        # On this one a clean install of it has been evaluated above, as it is pinned.
        ("eval", OTHER),
        # One Python is enough for what is pinned.
        ("train-cpu", THIS),
        *product(LIGHT, PYTHONS),
    ],
)
def test_the_newest_releases_hold_together(
    wheel: Path, bin_folder: Path, tmp_path: Path, extra: str, python: str
) -> None:
    """Installs without constraints, as a user does, and runs what the extra is for."""
    uv, folder = bin_folder / "uv", tmp_path / "venv"
    interpreter = sys.executable if python == THIS else _interpreter(uv, python)
    if interpreter is None and extra == "eval":
        interpreter = sys.executable
    if interpreter is None:
        pytest.skip(f"there is no Python {python}")
    run_command([uv, "venv", "--quiet", "--python", interpreter, folder])
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    run_command(
        [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", wanted],
        cwd=tmp_path,
    )
    _try_out(extra, folder / "bin", tmp_path)
    # Gigabytes, where the cache lies on another file system.
    shutil.rmtree(folder)


def _interpreter(uv: Path, python: str) -> str | None:
    found = run_command([uv, "python", "find", "--no-python-downloads", python], status=None)
    if found.returncode == 0:
        return found.stdout.strip()
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return next(map(str, versions.glob(f"{python}.*/bin/python")), None)


def _try_out(extra: str, commands: Path, folder: Path) -> None:
    data, model, predictions = folder / "data", folder / "model", folder / "predictions.jsonl"
    env = {"FERBENCH_DATA": str(data), "HF_DATASETS_CACHE": str(folder / "cache")}
    line = '{"dataset": "sfew", "id": "a", "target": "sad", "response": "<answer>sad</answer>"}'
    predictions.write_text(line + "\n")
    python, unifer_data, ferbench = (
        commands / name for name in ("python", "unifer-data", "ferbench")
    )
    draw: list[str | Path] = [unifer_data, "drawn", "--per-class", "2", "--out", data]
    commands_of: dict[str, list[list[str | Path]]] = {
        "": [draw, [ferbench, "score", predictions]],
        "report": [[ferbench, "report", predictions, "--out", folder / "report"]],
        "teacher": [[python, "-c", "from openai import AsyncOpenAI"]],
        "archives": [[python, "-c", "from py7zr import SevenZipFile"]],
        "eval": [
            draw,
            [ferbench, "tiny-model", model],
            [ferbench, "doctor"],
            [
                ferbench, "lmms-eval", "--model", "unifer", "--model_args",
                f"pretrained={model},device=cpu", "--tasks", "ferbench_sfew", "--limit", "10",
                "--batch_size", "5", "--gen_kwargs", "max_new_tokens=4",
            ],
        ],
        "train-cpu": [
            [unifer_data, "drawn", "--train", "8", "--valid", "4", "--out", data],
            [ferbench, "tiny-model", model],
            [
                commands / "unifer-train", "sft", "--config", "tiny", f"model.path={model}",
                f"data.train_files={data / 'cot' / 'train-00000.parquet'}",
                f"data.val_files={data / 'cot' / 'valid-00000.parquet'}",
                "data.train_batch_size=4", "data.micro_batch_size_per_gpu=4",
                "trainer.total_training_steps=1", f"trainer.default_local_dir={folder / 'run'}",
            ],
            [python, "-m", "verl.trainer.main_ppo", "--help"],
        ],
    }  # fmt: skip
    for command in commands_of[extra]:
        done = run_command(command, env={**env, **KEEPS_BYTECODE}, cwd=folder)
    if extra == "eval":
        assert "10 of 14 of 431 questions" in done.stdout
