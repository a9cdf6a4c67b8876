"""Changes of a preset for one run: `--tasks`, `--limit` and `--set`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unifer_tasks.protocol.variants.listed import GROUP
from unifer_tasks.runner.presets import NAMED, Preset, PresetError


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        preset: The preset's name; None for every preset.
        key: A key of lmms-eval's configuration, or `model_args.NAME` or `gen_kwargs.NAME`.
        value: As it would stand in the file.
    """

    preset: str | None
    key: str
    value: str


def read_change(text: str) -> Change:
    """Read `[PRESET:]KEY=VALUE`.

    Raises:
        PresetError: It has another form.
    """
    name, equals, value = text.partition("=")
    preset, colon, key = name.rpartition(":")
    if not equals or not key:
        raise PresetError(f"{text!r} must have the form [PRESET:]KEY=VALUE")
    return Change(preset if colon else None, key, value)


def changed(preset: Preset, changes: Sequence[Change], **given: Any) -> dict[str, Any]:
    """Return a preset's configuration with the changes that concern it.

    Args:
        preset: The preset.
        changes: Applied in their order, so the last one to a key counts.
        **given: Keys to set before; None leaves the preset's own.
    """
    settings = {**preset.settings, **{k: v for k, v in given.items() if v is not None}}
    for change in changes:
        if change.preset not in (None, preset.name):
            continue
        owner, dot, name = change.key.partition(".")
        if dot and owner in NAMED:
            settings[owner] = with_argument(settings, owner, name, change.value)
        else:
            settings[change.key] = _value(change.value)
    if settings.get("tasks") is None:
        settings["tasks"] = GROUP
    return settings


def with_argument(settings: Mapping[str, Any], owner: str, name: str, value: str) -> str:
    """Return the arguments of a configuration with one more: of two of a name, the last counts.

    Args:
        settings: The configuration.
        owner: The key of the arguments.
        name: Of the argument.
        value: Its value.
    """
    before = settings.get(owner)
    return f"{before},{name}={value}" if before else f"{name}={value}"


def _value(text: str) -> bool | int | float | str:
    """Convert a value as YAML would: lmms-eval does not convert those of a file."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
