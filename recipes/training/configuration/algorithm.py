"""The algorithm of a run of GRPO, chosen by name: `algorithm=NAME`.

A name is a file of settings in `qwen2_5_vl/algorithm/`, which hydra puts between the base and
whatever else is given. hydra would also take none, two, or any other file of a folder `algorithm`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from recipes.training.configuration.registry import algorithm_files
from recipes.training.configuration.settings import ConfigurationError

_CHOICE = re.compile(r"(?P<prefix>\+\+|\+|~)?algorithm(?:@[^=]*)?=(?P<name>.*)", re.DOTALL)


def chooses_algorithm(override: str) -> bool:
    """Return whether an override chooses an algorithm, or attempts to."""
    return _CHOICE.fullmatch(override) is not None


def check_choice(file: Path, overrides: Sequence[str], *, has_choice: bool) -> None:
    """Check that an algorithm can be chosen, and that overrides choose one.

    Args:
        file: The YAML file that is configured.
        overrides: Those that choose an algorithm.
        has_choice: Whether the file leaves a choice.

    Raises:
        ConfigurationError: They do not; the message names the nearest algorithm.
    """
    if not has_choice:
        raise ConfigurationError(
            f"{overrides[0]}: {file.name} has no algorithm to choose; configurations that build on "
            "`grpo` have"
        )
    if len(overrides) > 1:
        raise ConfigurationError(f"{' '.join(overrides)}: give one algorithm")
    choice = _CHOICE.fullmatch(overrides[0])
    assert choice is not None
    names = [algorithm.name for algorithm in algorithm_files()]
    name = choice["name"].strip("'\"")
    if name not in names:
        near = difflib.get_close_matches(name.lower().replace(".", "_"), names, n=1)
        meant = f"did you mean {near[0]} of" if near else "give one of"
        raise ConfigurationError(f"algorithm={name}: {meant} {', '.join(names)}")
    if overrides[0] != f"algorithm={choice['name']}":
        raise ConfigurationError(f"{overrides[0]}: give algorithm={name}")
