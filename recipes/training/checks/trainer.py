"""Whether a run can resume and write where its settings say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from recipes.training.configuration.settings import GrpoSettings, Settings, TrainerSettings
from recipes.training.runs.checkpoints import is_checkpoint


def trainer_problems(settings: Settings) -> Iterator[str]:
    """Yield what keeps verl on this machine from resuming, writing or finding its reward."""
    yield from _resume_problems(settings.trainer)
    yield from _folder_problems(settings.trainer)
    if isinstance(settings.method, GrpoSettings):
        path = settings.method.reward.path
        if not path.startswith("pkg://") and not Path(path).is_file():
            yield (
                f"reward.custom_reward_function.path={path} is not a file; give one, or "
                "pkg://MODULE"
            )


def _resume_problems(trainer: TrainerSettings) -> Iterator[str]:
    if trainer.resume_mode == "resume_path":
        source = trainer.resume_from
        if source is None or not source.is_dir() or not is_checkpoint(source):
            yield (
                f"trainer.resume_from_path={source} is not a checkpoint: give a folder "
                "global_step_N"
            )


def _folder_problems(trainer: TrainerSettings) -> Iterator[str]:
    for name, folder in trainer.folders.items():
        if reason := _unwritable(folder.absolute()):
            yield f"trainer.{name}={folder} cannot be written to: {reason}"


def _unwritable(folder: Path) -> str | None:
    """Return why nothing can be written below a folder; nothing is left of the attempt."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return str(error.strerror or error)
