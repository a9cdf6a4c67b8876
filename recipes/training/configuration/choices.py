"""Parts of a run chosen by name: `algorithm=NAME`, `method=NAME`, `offload=NAME`, `format=NAME`.

A name is a file of settings, which hydra puts between the base and whatever else is given. hydra
would also take none, two, or any other file of a folder of that name, and has no groups whose
settings have other keys in each stage: `method=NAME` is its `method/sft=NAME` or
`method/grpo=NAME`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from recipes.training.configuration.registry import CHOICES, Choice, named_files
from recipes.training.configuration.settings import STAGES, ConfigurationError, Stage

_OF_NAME = {choice.name: choice for choice in CHOICES}
_CHOICE = re.compile(
    rf"(?P<prefix>\+\+|\+|~)?(?P<choice>{'|'.join(_OF_NAME)})(?:/(?:{'|'.join(STAGES)}))?"
    r"(?:@[^=]*)?=(?P<name>.*)",
    re.DOTALL,
)


def makes_choice(override: str) -> bool:
    """Return whether an override chooses something by name, or attempts to."""
    return _CHOICE.fullmatch(override) is not None


def hydra_choices(
    file: Path, stage: Stage, overrides: Sequence[str], groups: Collection[str]
) -> Mapping[str, str]:
    """Check overrides that choose by name, and return each as hydra takes it.

    Args:
        file: The YAML file that is configured.
        stage: Its stage.
        overrides: Those that choose something.
        groups: hydra's groups of which the file leaves a choice.

    Raises:
        ConfigurationError: The choice does not exist, or cannot be made; the message names the
            nearest one.
    """
    by_choice: dict[str, list[str]] = {}
    for override in overrides:
        choice, _ = _parts(override)
        by_choice.setdefault(choice.name, []).append(override)
    for name, several in by_choice.items():
        if len(several) > 1:
            raise ConfigurationError(f"{' '.join(several)}: give one {name}")
    return {override: _hydra_choice(file, stage, override, groups) for override in overrides}


def _hydra_choice(file: Path, stage: Stage, override: str, groups: Collection[str]) -> str:
    choice, given = _parts(override)
    group = choice.groups.get(stage)
    if group is None or group not in groups:
        raise ConfigurationError(
            f"{override}: {file.name} has no {choice.name} to choose; configurations that build on "
            f"{' or '.join(f'`{other}`' for other in choice.groups)} have"
        )
    names = [named.name for named in named_files(group)]
    name = given.strip("'\"")
    if name not in names:
        near = difflib.get_close_matches(name.lower().replace(".", "_"), names, n=1)
        meant = f"did you mean {near[0]} of" if near else "give one of"
        raise ConfigurationError(f"{choice.name}={name}: {meant} {', '.join(names)}")
    if override not in (f"{choice.name}={given}", f"{group}={given}"):
        raise ConfigurationError(f"{override}: give {choice.name}={name}")
    return f"{group}={given}"


def _parts(override: str) -> tuple[Choice, str]:
    match = _CHOICE.fullmatch(override)
    assert match is not None
    return _OF_NAME[match["choice"]], match["name"]
