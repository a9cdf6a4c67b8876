"""Whether a run can resume, write where its settings say, and find its reward."""

from __future__ import annotations

import ast
import difflib
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from recipes.training.checks.model import find_model
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.settings import (
    PARTS,
    GrpoSettings,
    RewardSettings,
    Settings,
    TrainerSettings,
)
from recipes.training.runs.checkpoints import is_checkpoint

_GIB = 2**30


def trainer_problems(settings: Settings) -> Iterator[str]:
    """Yield what keeps verl on this machine from resuming, writing or finding its reward."""
    yield from _resume_problems(settings.trainer)
    yield from _folder_problems(settings.trainer)
    yield from _space_problems(settings)
    if isinstance(settings.method, GrpoSettings):
        yield from _reward_problems(settings.method.reward)


def trainer_notes(settings: Settings) -> Iterator[str]:
    """Yield what a run will not do or show, which may be meant."""
    trainer = settings.trainer
    optim = "optim" if settings.stage == "sft" else "actor_rollout_ref.actor.optim"
    if not value_at(settings.verl, f"{optim}.lr"):
        yield f"{optim}.lr=0: the run trains nothing"
    if trainer.only_validates:
        yield "trainer.val_only=true: the run ends after its first validation and trains nothing"
    elif not settings.saves:
        yield (
            f"trainer.save_freq={trainer.save_freq}: no checkpoint is written, so there is nothing "
            "to merge or to resume from"
        )
    train, val = ({*map(Path.resolve, settings.data.files(part))} for part in PARTS)
    if both := sorted(train & val):
        yield (
            f"{both[0]} is in data.train_files and data.val_files: validation measures what was "
            "learned by heart"
        )
    for part, files in zip(PARTS, (train, val), strict=True):
        shards = {shard for path in files for shard in _shards(path)}
        if others := sorted(shards - files):
            yield (
                f"data.{part}_files leaves out {len(others)} of {len(shards)} shards of the same "
                f"rows, such as {others[0]}"
            )
    if settings.stage == "sft" and not settings.data.val_files:
        yield "data.val_files is not given: the run is not validated"


def _shards(path: Path) -> Iterator[Path]:
    """Yield the files beside one of `unifer-data` that hold further rows of its part."""
    numbered = re.fullmatch(r"(train|valid)-\d{5}\.parquet", path.name)
    if numbered:
        yield from path.parent.glob(f"{numbered[1]}-{'[0-9]' * 5}.parquet")


def _resume_problems(trainer: TrainerSettings) -> Iterator[str]:
    if trainer.resume_mode == "resume_path":
        source = trainer.resume_from
        if source is None or not source.is_dir() or not is_checkpoint(source):
            yield (
                f"trainer.resume_from_path={source} is not a checkpoint: give a folder "
                "global_step_N"
            )


def _folder_problems(trainer: TrainerSettings) -> Iterator[str]:
    named: list[Path] = []
    for name, folder in trainer.folders.items():
        if any(folder.is_relative_to(other) for other in named):
            continue  # The same fault.
        if reason := _unwritable(folder.absolute()):
            named.append(folder)
            yield f"trainer.{name}={folder} cannot be written to: {reason}; give another folder"


def _space_problems(settings: Settings) -> Iterator[str]:
    """Yield why not even one checkpoint has room: each holds the weights, in SFT and GRPO alike."""
    if not settings.saves:
        return
    model = find_model(settings.model.path)
    if model is None or value_at(settings.verl, settings.checkpoint_key).get("save_lora_only"):
        return
    weights = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    run = settings.trainer.folder
    free = shutil.disk_usage(next(p for p in (run, *run.parents) if p.exists())).free
    if free < weights:
        yield (
            f"trainer.default_local_dir={run} has {free / _GIB:.1f} GiB of free disk, and a "
            f"checkpoint holds {weights / _GIB:.1f} GiB of weights or more; free some, or give a "
            "folder on a larger disk (`unifer-train plan` calculates how large)"
        )


def _reward_problems(reward: RewardSettings) -> Iterator[str]:
    key = "reward.custom_reward_function"
    module = reward.path.removeprefix("pkg://")
    if module == reward.path:
        source = Path(reward.path)
        if not source.is_file():
            yield f"{key}.path={reward.path} is not a file; give one, or pkg://MODULE"
            return
    else:
        try:
            found = find_spec(module)
        except ImportError:
            found = None
        if found is None or found.origin is None:
            yield f"{key}.path={reward.path}: there is no module {module}; install it"
            return
        source = Path(found.origin)
    try:
        names = _names(ast.parse(source.read_bytes(), str(source)))
    except (SyntaxError, ValueError) as error:
        yield f"{key}.path={reward.path} is not Python: {error}"
        return
    if names is not None and reward.name not in names:
        near = difflib.get_close_matches(reward.name, names, n=1, cutoff=0.8)
        yield (
            f"{key}.name={reward.name}: {reward.path} defines no such function; "
            + (f"did you mean {near[0]}?" if near else "give one that it defines")
        )


def _names(module: ast.Module) -> set[str] | None:
    """Return what a module defines or imports at its top; None where that cannot be read."""
    names: set[str] = set()
    nodes: list[ast.stmt] = [*module.body]
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            parts = [part for part in ast.walk(node) if isinstance(part, ast.expr)]
            stored = [part for part in parts if isinstance(getattr(part, "ctx", None), ast.Store)]
            if any(isinstance(part, ast.Subscript) for part in stored):
                return None  # `globals()[name] = ...`
            names.update(part.id for part in stored if isinstance(part, ast.Name))
        elif isinstance(node, ast.If):
            nodes += [*node.body, *node.orelse]
        elif not isinstance(node, ast.Expr):
            return None
    return None if names & {"*", "__getattr__"} else names


def _unwritable(folder: Path) -> str | None:
    """Return why nothing can be written below a folder; nothing is left of the attempt."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return str(error.strerror or error)
