"""A run resumes from its newest complete checkpoint, and never restarts unasked."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from recipes.training.runs.checkpoints import (
    TRACKER,
    CheckpointError,
    damage,
    name_newest,
    newest_checkpoint,
    resumable,
    whole_checkpoints,
    world_size,
)

SFT = [
    *(f"{kind}_world_size_2_rank_{rank}.pt" for kind in ("model", "optim") for rank in range(2)),
    "data_0.pt",
    "data_1.pt",
]
GRPO = [
    *(f"actor/model_world_size_2_rank_{rank}.pt" for rank in range(2)),
    *(f"actor/extra_state_world_size_2_rank_{rank}.pt" for rank in range(2)),
    "data.pt",
]


def write(run: Path, step: int, files: list[str]) -> Path:
    checkpoint = run / f"global_step_{step}"
    for name in files:
        path = checkpoint / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data", b"0" * 1000)
    return checkpoint


@pytest.mark.parametrize("files", [SFT, GRPO], ids=["sft", "grpo"])
def test_a_file_that_is_missing_or_cut_off_is_damage(files: list[str], tmp_path: Path) -> None:
    whole = write(tmp_path, 1, files)
    assert list(damage(whole)) == []
    assert world_size(whole) == 2
    for step, name in enumerate(files, start=2):
        checkpoint = write(tmp_path, step, files)
        (checkpoint / name).unlink()
        assert [name in told and "is missing" in told for told in damage(checkpoint)] == [True]
        cut = write(tmp_path, 100 + step, files) / name
        cut.write_bytes(cut.read_bytes()[:900])
        assert [
            name in told and "is cut off" in told for told in damage(cut.parents[name.count("/")])
        ] == [True]
    assert newest_checkpoint(tmp_path) == whole


def test_the_newest_checkpoint_is_the_one_of_most_steps(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for step in (9, 10, 2):
        write(tmp_path, step, GRPO)
    (tmp_path / "global_step_11" / "actor").mkdir(parents=True)
    assert newest_checkpoint(tmp_path) == tmp_path / "global_step_10"


def test_only_what_verl_names_is_a_checkpoint(tmp_path: Path) -> None:
    whole = write(tmp_path, 100, GRPO)
    for name in (
        "global_step_100_hf",
        "global_step_200.bak",
        "global_step_",
        "global_step_0300",
        "global_step_-400",
        "global_step_5e2",
        "global_step_٦",
        "latest",
        "xglobal_step_7",
    ):
        shutil.copytree(whole, tmp_path / name)
    for name in ("latest-link", "global_step_800"):
        (tmp_path / name).symlink_to(whole)
    # Moved to other storage.
    moved = shutil.copytree(whole, tmp_path / "elsewhere" / "global_step_150")
    (tmp_path / "global_step_150").symlink_to(moved)
    assert [path.name for path in whole_checkpoints(tmp_path)] == [
        "global_step_100", "global_step_150"
    ]  # fmt: skip
    found = resumable(tmp_path, 2)
    assert found == tmp_path / "global_step_150"
    for garbage in (b"", b"latest", b"\xff\xfe", b"7"):
        (tmp_path / TRACKER).write_bytes(garbage)
        assert resumable(tmp_path, 2) == found
        name_newest(found)
        assert (tmp_path / TRACKER).read_text() == "150"


@pytest.mark.parametrize(
    ("steps", "cut_off", "named", "resumed"),
    [
        ([], [], None, None),
        ([2, 4], [], "4", 4),
        # Killed while 4 was written.
        ([2, 4], [4], "2", 2),
        # Killed between the checkpoint and the file that names it.
        ([2, 4], [], "2", 4),
        # Killed while that file was written.
        ([2, 4], [], "", 4),
        # The checkpoint that it names was damaged later.
        ([2, 4], [4], "4", 2),
        # Killed while the first was written.
        ([2], [2], None, None),
    ],
)
def test_a_run_resumes_from_the_newest_whole_one(
    steps: list[int], cut_off: list[int], named: str | None, resumed: int | None, tmp_path: Path
) -> None:
    for step in steps:
        checkpoint = write(tmp_path, step, GRPO)
        if step in cut_off:
            (checkpoint / "data.pt").unlink()
    if named is not None:
        (tmp_path / TRACKER).write_text(named)
    found = resumable(tmp_path, 2)
    assert found == (None if resumed is None else tmp_path / f"global_step_{resumed}")
    if found is not None:
        name_newest(found)
        assert (tmp_path / TRACKER).read_text() == str(resumed)


@pytest.mark.parametrize(
    ("steps", "n_gpus", "message"),
    [
        # verl would start from the beginning without a word.
        ([], 2, "no global_step_* is there"),
        ([2], 2, "data.pt is missing"),
        ([1, 2], 4, "was written by 2 GPUs and this run has 4"),
    ],
)
def test_what_cannot_resume_says_so(
    steps: list[int], n_gpus: int, message: str, tmp_path: Path
) -> None:
    for step in steps:
        write(tmp_path, step, GRPO)
    if steps == [2]:
        (tmp_path / "global_step_2" / "data.pt").unlink()
    (tmp_path / TRACKER).write_text("2")
    with pytest.raises(CheckpointError) as caught:
        resumable(tmp_path, n_gpus)
    assert message in str(caught.value)
