"""The recipes' files, by name: what `unifer-train` lists, copies and finds a configuration by."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recipes.training.configuration.settings import STAGES, ConfigurationError, Stage

_FOLDER = Path(__file__).parents[2]
_PATTERNS = ("*/sft*.yaml", "*/grpo*.yaml", "*/*.sbatch")
_NAMED = "qwen2_5_vl"


class CopyError(Exception):
    """A file of a recipe cannot be copied; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A part of a run that the name of a file of settings chooses, `NAME=FILE`.

    Attributes:
        name: What it is called on the command line.
        groups: Stage -> the folder of its files, hydra's group; a stage without it has no choice.
    """

    name: str
    groups: Mapping[Stage, str]

    @property
    def files(self) -> tuple[RecipeFile, ...]:
        """Its files, each name once however many stages have it."""
        named = {file.name: file for group in self.groups.values() for file in named_files(group)}
        return tuple(named[name] for name in sorted(named))


def _both(name: str) -> Choice:
    return Choice(name, {stage: f"{name}/{stage}" for stage in STAGES})


CHOICES = (
    Choice("algorithm", {"grpo": "algorithm"}),
    _both("method"),
    _both("offload"),
    Choice("format", {"grpo": "format"}),
)


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A file of a recipe.

    Attributes:
        path: Its location.
        name: What it is called on the command line: a configuration's stem, a script's name.
        summary: The first sentence of its first comment.
    """

    path: Path
    name: str
    summary: str


def recipe_files() -> tuple[RecipeFile, ...]:
    """Return all files that a user may run or copy, the configurations first."""
    paths = (path for pattern in _PATTERNS for path in sorted(_FOLDER.glob(pattern)))
    return tuple(RecipeFile(path, _name(path), _summary(path)) for path in paths)


def named_files(group: str) -> tuple[RecipeFile, ...]:
    """Return the files of settings of a group, each of which its name chooses."""
    paths = sorted((_FOLDER / _NAMED / group).glob("*.yaml"))
    return tuple(RecipeFile(path, path.stem, _summary(path)) for path in paths)


def find_configuration(stage: Stage, given: str) -> Path:
    """Return the YAML file of a configuration.

    Args:
        stage: "sft" or "grpo".
        given: A YAML file, or the name of a configuration of the package, without its stage or
            with it: `7b`, `grpo_7b`.

    Raises:
        ConfigurationError: There is none.
    """
    if Path(given).suffix or "/" in given:
        if not Path(given).is_file():
            raise ConfigurationError(
                f"{given} is not a file; give a YAML file or one of {_sizes(stage)}"
            )
        if not given.endswith(".yaml"):
            raise ConfigurationError(f"{given}: hydra reads *.yaml only; rename the file")
        return Path(given)
    found = {file.name: file.path for file in recipe_files()}
    for name in (f"{stage}_{given.lower()}", given.lower()):
        if name.startswith(stage) and name in found:
            return found[name]
    raise ConfigurationError(
        f"there is no configuration {given!r} of {stage.upper()}; give a YAML file or one of "
        f"{_sizes(stage)}"
    )


def is_recipe_file(file: Path) -> bool:
    """Return whether a file is the package's and not a user's."""
    return file.resolve().is_relative_to(_FOLDER.resolve())


def copy_file(name: str, destination: Path) -> Path:
    """Copy a file of a recipe, to be edited.

    Args:
        name: See `RecipeFile.name`.
        destination: The file to write, or a folder to write it in.

    Returns:
        The file that was written.

    Raises:
        CopyError: There is no file of that name, or it cannot be written there.
    """
    files = {file.name: file for file in recipe_files()}
    file = files.get(name) or files.get(name.removesuffix(".yaml"))
    if file is None:
        if any(name == f"{choice.name}={of.name}" for choice in CHOICES for of in choice.files):
            raise CopyError(f"{name} is not copied: give it to the command that starts a run")
        raise CopyError(f"there is no {name!r} to copy; give one of {', '.join(files)}")
    out = destination / file.path.name if destination.is_dir() else destination
    if file.path.suffix == ".yaml" != out.suffix:
        raise CopyError(f"{out}: hydra reads *.yaml only; name it {out.stem}.yaml")
    if out.exists():
        raise CopyError(f"{out} exists; choose another name or remove it")
    if not out.parent.is_dir():
        raise CopyError(f"{out.parent} is not a directory; make it first")
    if out.suffix == ".yaml" and out.stem in STAGES and file.name not in STAGES:
        raise CopyError(
            f"{out} would have the name of the base that {file.name} builds on, and include "
            "itself; choose another name"
        )
    shutil.copy(file.path, out)
    return out


def _name(path: Path) -> str:
    return path.stem if path.suffix == ".yaml" else path.name


def _summary(path: Path) -> str:
    comments = (
        line.removeprefix("# ")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# ") and not line.startswith("# @package")
    )
    return next(comments, "")


def _sizes(stage: Stage) -> str:
    names = (file.name.partition("_") for file in recipe_files())
    sizes = [size for of, _, size in names if of == stage and size]
    return ", ".join(sorted(sizes, key=lambda size: (len(size), size)))
