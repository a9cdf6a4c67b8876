"""The presets: lmms-eval's configuration for each of the usual MLLMs, from `presets.toml`.

A user's own file is read in the same way. If it is a TOML file, its presets may be based on the
shipped ones' bases; a YAML file is a configuration of lmms-eval.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from unifer_tasks.support.arguments import arguments_text, named_arguments
from unifer_tasks.support.nearest import did_you_mean
from unifer_tasks.support.records import FileError, RecordError, read_text, read_toml, record

PRESETS_FILE = "presets.toml"

NAMED = ("model_args", "gen_kwargs")
"""The options whose values have names."""

_BYTES_PER_PARAMETER = 2


class PresetError(FileError):
    """A preset cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of an API's tokens, in a currency of the user's choice.

    Attributes:
        tokens_in: For a million tokens of requests.
        tokens_out: For a million tokens of answers.
    """

    tokens_in: float
    tokens_out: float

    def __post_init__(self) -> None:
        for price in (self.tokens_in, self.tokens_out):
            if not math.isfinite(price) or price < 0:
                raise ValueError(f"is not the price of tokens: {price}")

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """Return the cost of so many tokens."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


Named = str | Mapping[str, Any]
"""Values by name: a file's table, or the text `NAME=VALUE,NAME=VALUE`, which lmms-eval takes."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The options of lmms-eval whose types are known here; each is what its option there is."""

    model: str
    model_args: Named | None = None
    tasks: str | None = None
    batch_size: int | str | None = None
    gen_kwargs: Named | None = None
    limit: float | None = None
    offset: int | None = None
    repeats: int | None = None
    system_instruction: str | None = None
    log_samples: bool | None = None
    env: Mapping[str, str | float | bool] | None = None


OPTIONS = frozenset(
    {
        *(each.name for each in fields(Configuration)),
        "agentic_trace_mode",
        "alpha",
        "apply_chat_template",
        "baseline",
        "cache_requests",
        "check_integrity",
        "correlation",
        "device",
        "effect_size",
        "fewshot_as_multiturn",
        "force_simple",
        "hf_hub_log_args",
        "include_path",
        "launcher_args",
        "log_samples_suffix",
        "max_batch_size",
        "max_tokens",
        "num_fewshot",
        "output_path",
        "power",
        "power_analysis",
        "predict_only",
        "process_docs_parallel",
        "process_with_media",
        "reasoning_tags",
        "seed",
        "show_config",
        "std_a",
        "std_b",
        "swanlab_args",
        "swanlab_log_samples",
        "timezone",
        "trust_remote_code",
        "tui",
        "use_cache",
        "verbosity",
        "wandb_args",
        "wandb_log_samples",
        "write_out",
    }
)
"""The keys of an lmms-eval configuration."""


@dataclass(frozen=True, slots=True)
class Card:
    """Information about a model for people, and for the command before a run.

    Attributes:
        title: The model's name, for people.
        licence: Of the weights, or of the service.
        peculiar: How it differs from the others.
        parameters: Billions; None where nobody says.
        key: The environment variable that an API's key is taken from; None for open weights.
        price: Of an API's tokens, if given.
    """

    title: str
    licence: str = "not stated"
    peculiar: str = ""
    parameters: float | None = None
    key: str | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """A model and how lmms-eval is to run it.

    Attributes:
        name: Its name on the command line.
        settings: The lmms-eval configuration.
        card: Information for people.
    """

    name: str
    settings: Mapping[str, Any]
    card: Card

    @property
    def backend(self) -> str:
        """The model id of lmms-eval."""
        return str(self.settings["model"])

    @property
    def checkpoint(self) -> str:
        """The hub id of the weights, or the API's name of the model."""
        arguments = model_arguments(self.settings)
        names = ("pretrained", "model", "model_version")
        return next((arguments[name] for name in names if name in arguments), "?")

    @property
    def gpus(self) -> int:
        """How many GPUs the model is spread over; 0 behind an API."""
        return 0 if self.card.key else int(_parallel(self.settings))

    @property
    def weights_gb(self) -> float | None:
        """Size of the weights in bfloat16, in GB: an estimate from the number of parameters."""
        return self.card.parameters and self.card.parameters * _BYTES_PER_PARAMETER

    def with_settings(self, settings: Mapping[str, Any]) -> Preset:
        """Return the preset with another configuration.

        Raises:
            PresetError: An option has a value of another type, or is unknown.
        """
        try:
            return replace(self, settings=_checked(settings))
        except RecordError as error:
            raise PresetError(f"--set for {self.name}: {error}") from None


def model_arguments(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the arguments of a configuration's model.

    Raises:
        RecordError: They are a text of another form.
    """
    try:
        return named_arguments(settings.get("model_args") or "")
    except ValueError as error:
        raise RecordError(f"`model_args` {error}") from None


def shipped() -> list[Preset]:
    """Return the presets that come with the package, by name."""
    return [_shipped_file().preset(name) for name in sorted(_shipped_file().presets)]


def read_presets(path: Path) -> list[Preset]:
    """Read the presets of a user's file.

    Args:
        path: A TOML file like `presets.toml`, or a YAML file, which is a configuration of
            lmms-eval for one model.

    Raises:
        PresetError: The file is not what it should be.
        OSError: It cannot be read.
    """
    try:
        if path.suffix == ".toml":
            file = _read_file(path, _shipped_file().bases)
            return [file.preset(name) for name in file.presets]
        return [Preset(path.stem, _without_key(_checked(_read_yaml(path))), Card(path.stem))]
    except RecordError as error:
        raise PresetError(f"{path} cannot be used: {error}") from None


def find_presets(names: Sequence[str]) -> list[Preset]:
    """Return the presets of these names, each once.

    Args:
        names: Names of shipped presets, paths of TOML and YAML files, "all", "open" (weights) or
            "api".

    Raises:
        PresetError: A name is unknown, or two presets have one name.
        OSError: A file cannot be read.
    """
    found: dict[str, Preset] = {}
    for name in names:
        for preset in _named(name):
            other = found.setdefault(preset.name, preset)
            if other != preset:
                raise PresetError(f"two presets are called {preset.name}; rename one")
    return list(found.values())


def _named(name: str) -> Iterable[Preset]:
    if name in {"all", "open", "api"}:
        return [p for p in shipped() if name == "all" or (name == "api") == bool(p.card.key)]
    if name.endswith((".toml", ".yaml", ".yml")):
        return read_presets(Path(name))
    known = _shipped_file()
    if name not in known.presets:
        near = did_you_mean(name, known.presets) or "; `ferbench preset` lists them"
        raise PresetError(f"no preset is called {name!r}{near}")
    return [known.preset(name)]


def as_configuration(preset: Preset) -> str:
    """Return the YAML file that `lmms-eval --config` takes."""
    import yaml

    card = preset.card
    about = [card.title, f"licence: {card.licence}", card.key and f"key: {card.key}", card.peculiar]
    lines = [part for line in about if line for part in textwrap.wrap(line, 98)]
    known = [each.name for each in fields(Configuration) if each.name in preset.settings]
    settings = {key: preset.settings[key] for key in dict.fromkeys([*known, *preset.settings])}
    comment = "".join(f"# {line}\n" for line in lines)
    return comment + str(yaml.safe_dump(settings, sort_keys=False, width=1000))


def table(presets: Iterable[Preset]) -> str:
    """Return a Markdown table of presets; weights are those of `Preset.weights_gb`."""
    lines = ["| preset | model | back end | weights | licence |", "|---|---|---|---:|---|"]
    for preset in presets:
        weights = f"{preset.weights_gb:,.0f} GB" if preset.weights_gb else "API"
        gpus = f", {preset.gpus} GPUs" if preset.gpus > 1 else ""
        lines.append(
            f"| `{preset.name}` | {preset.checkpoint} | `{preset.backend}` | {weights}{gpus} "
            f"| {preset.card.licence} |"
        )
    return "\n".join(lines)


_Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables of a TOML file."""

    base: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preset: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of presets.

    Attributes:
        bases: Name -> what presets may be based on.
        presets: Name -> preset, without what its base says.
    """

    bases: Mapping[str, _Table]
    presets: Mapping[str, _Table]

    def preset(self, name: str) -> Preset:
        """Return a preset with what its bases say.

        Raises:
            RecordError: A field is wrong.
        """
        try:
            whole = self._whole(self.presets[name], ())
            about = {each.name for each in fields(Card)}
            card = {key: value for key, value in whole.items() if key in about}
            if text := card.get("peculiar"):
                card["peculiar"] = f"{text[0].upper()}{text[1:]}."
            settings = {key: part for key, part in whole.items() if key not in about}
            return Preset(name, _without_key(_checked(settings, about)), record(Card, card))
        except RecordError as error:
            raise RecordError(f"preset.{name}: {error}") from None

    def _whole(self, table: _Table, below: tuple[str, ...]) -> _Table:
        own = dict(table)
        name = own.pop("base", None)
        if not isinstance(own.get("peculiar", ""), str):
            raise RecordError("`peculiar` must be a text")
        if name is None:
            return own
        if not isinstance(name, str) or name not in self.bases:
            near = did_you_mean(str(name), self.bases) or f"; there is {', '.join(self.bases)}"
            raise RecordError(f"no base is called {name!r}{near}")
        if name in below:
            raise RecordError(f"the base {name!r} is based on itself")
        return _merged(self._whole(self.bases[name], (*below, name)), own)


def _merged(base: _Table, own: _Table) -> _Table:
    merged = {**base, **own}
    for key in base.keys() & own.keys():
        if isinstance(base[key], Mapping) and isinstance(own[key], Mapping):
            merged[key] = {**own[key], **{n: v for n, v in base[key].items() if n not in own[key]}}
        elif key == "peculiar":
            merged[key] = f"{base[key]}; {own[key]}"
    return merged


@cache
def _shipped_file() -> _File:
    with as_file(files(__package__) / PRESETS_FILE) as path:
        return _read_file(path, {})


def _read_file(path: Path, bases: Mapping[str, _Table]) -> _File:
    tables = record(_Tables, read_toml(path), closed=True)
    if not tables.preset:
        raise RecordError("it has no [preset.NAME]")
    return _File({**bases, **tables.base}, tables.preset)


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    text = read_text(path)
    try:
        settings = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise RecordError(f"it is not YAML ({' '.join(str(error).split())})") from None
    except RecursionError:
        raise RecordError("it is nested too deeply") from None
    if not isinstance(settings, Mapping) or "model" not in settings:
        raise RecordError("it names no model; it must be an lmms-eval configuration")
    return settings


def _checked(settings: Mapping[str, Any], about: Iterable[str] = ()) -> Mapping[str, Any]:
    """Return a configuration of lmms-eval, with texts for tables, if it is one.

    Args:
        settings: The configuration.
        about: Other keys that might have been meant by an unknown one.

    Raises:
        RecordError: An option is unknown or has a value of another type.
    """
    if unknown := [str(key) for key in settings if key not in OPTIONS]:
        near = did_you_mean(unknown[0], [*OPTIONS, *about])
        raise RecordError(f"lmms-eval has no option {unknown[0]!r}{near}")
    record(Configuration, settings)
    settings = {key: _as_text(key, part) for key, part in settings.items()}
    parallel = _parallel(settings)
    if not (parallel.isascii() and parallel.isdigit() and 0 < int(parallel) < 1000):
        raise RecordError(
            f"`model_args.tensor_parallel_size` must be a number of GPUs, got {parallel!r:.60}"
        )
    return settings


def _as_text(key: str, part: Any) -> Any:
    if key not in NAMED or not isinstance(part, Mapping):
        return part
    try:
        return arguments_text(part)
    except ValueError as error:
        raise RecordError(f"`{key}` {error}") from None


def _without_key(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a file's configuration unless a key is in it; one for a single run may have it."""
    if {"api_key", "token"} & model_arguments(settings).keys():
        raise RecordError(
            "it holds an API key, which does not belong in a file; use the environment"
        )
    return settings


def _parallel(settings: Mapping[str, Any]) -> str:
    return model_arguments(settings).get("tensor_parallel_size", "1")


if __name__ == "__main__":
    print(table(shipped()))
