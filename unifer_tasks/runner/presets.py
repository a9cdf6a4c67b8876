"""The presets: an lmms-eval configuration for each of the usual MLLMs, in `mllms/`.

Each is a file that `lmms-eval --config FILE --output_path DIR` runs by itself. What they share is
the protocol, and that is the tasks': pixels, question, greedy decoding and token limit come from
`ferbench/_template_yaml`. A preset adds what its back end needs in order to keep to it. lmms-eval
refuses keys that it does not know, so what people want to know about the model stands in the
comment at the top, which is YAML too:

    # title: Qwen2.5-VL 7B
    # parameters: 8          billions, as the hub counts or the name says; absent for an API
    # licence: Apache-2.0
    # key: OPENAI_API_KEY    the variable that holds the key of an API; absent for open weights
    # price: [1.25, 10]      optional: cost of a million tokens in, and out
    # peculiar: What is not as with the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "mllms"

_BYTES_PER_PARAMETER = 2


class PresetError(Exception):
    """A preset cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Price:
    """What an API asks, in a currency of the user's choice.

    Attributes:
        tokens_in: For a million tokens of requests.
        tokens_out: For a million tokens of answers.
    """

    tokens_in: float
    tokens_out: float

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """Returns the cost of so many tokens."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


@dataclass(frozen=True, slots=True)
class Preset:
    """A model and how lmms-eval is to run it.

    Attributes:
        name: The file's name without its ending.
        settings: The lmms-eval configuration.
        title: The model's name, for people.
        licence: Of the weights, or of the service.
        peculiar: What is not as with the others.
        parameters: Billions; None where nobody says.
        key: The environment variable that an API's key is taken from; None for open weights.
        price: Of an API's tokens, if given.
    """

    name: str
    settings: Mapping[str, Any]
    title: str
    licence: str
    peculiar: str
    parameters: float | None = None
    key: str | None = None
    price: Price | None = None

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
        return 0 if self.key else int(model_arguments(self.settings).get("tensor_parallel_size", 1))

    @property
    def weights_gb(self) -> float | None:
        """Size of the weights in bfloat16, in GB: an estimate from the number of parameters."""
        return self.parameters and self.parameters * _BYTES_PER_PARAMETER


def model_arguments(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns the arguments of a configuration's model; of two of one name, the last."""
    given = settings.get("model_args") or ""
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    pairs = (part.partition("=") for part in str(given).split(","))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def read_preset(path: Path) -> Preset:
    """Reads a preset, shipped or of one's own.

    Args:
        path: A YAML file. A configuration of lmms-eval without the comment will do.

    Raises:
        PresetError: It is no configuration of one model, or holds a key.
        OSError: It cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    try:
        card, settings = _card(text), yaml.safe_load(text)
        if not isinstance(settings, dict) or not isinstance(settings.get("model"), str):
            raise PresetError(f"{path} names no model; it must be an lmms-eval configuration")
        price = card.get("price")
        preset = Preset(
            path.stem,
            settings,
            str(card.get("title", path.stem)),
            str(card.get("licence", "not stated")),
            str(card.get("peculiar", "")),
            float(card["parameters"]) if "parameters" in card else None,
            card.get("key"),
            Price(*map(float, price)) if price else None,
        )
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise PresetError(f"{path} cannot be read: {error}") from None
    if {"api_key", "token"} & model_arguments(settings).keys():
        raise PresetError(
            f"{path} holds an API key, which every log would show; put it into the environment"
        )
    return preset


def _card(text: str) -> dict[str, Any]:
    """What the comment at the top tells; nothing if it is in plain words."""
    lines = takewhile(lambda line: line.startswith("#"), text.splitlines())
    try:
        card = yaml.safe_load("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))
    except yaml.YAMLError:
        return {}
    return card if isinstance(card, dict) else {}


def shipped() -> list[Preset]:
    """Returns the presets that come with the package, by name."""
    return [read_preset(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find_presets(names: Sequence[str]) -> list[Preset]:
    """Returns the presets of these names, each once.

    Args:
        names: Names of shipped presets, paths of YAML files, "all", "open" (weights) or "api".

    Raises:
        PresetError: A name is unknown, or two files have one name.
        OSError: A file cannot be read.
    """
    found: dict[str, Preset] = {}
    for name in names:
        for preset in _named(name):
            other = found.setdefault(preset.name, preset)
            if other != preset:
                raise PresetError(f"two presets are called {preset.name}; rename a file")
    return list(found.values())


def _named(name: str) -> Iterable[Preset]:
    if name in {"all", "open", "api"}:
        return [p for p in shipped() if name == "all" or (name == "api") == bool(p.key)]
    if name.endswith((".yaml", ".yml")):
        return [read_preset(Path(name))]
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = [path.stem for path in sorted(FOLDER.glob("*.yaml"))]
        near = difflib.get_close_matches(name, known) or known
        raise PresetError(f"no preset is called {name!r}; there is {', '.join(near)}")
    return [read_preset(path)]


def table(presets: Iterable[Preset]) -> str:
    """Returns a Markdown table of presets; weights are those of `Preset.weights_gb`."""
    lines = ["| preset | model | back end | weights | licence |", "|---|---|---|---:|---|"]
    for preset in presets:
        weights = f"{preset.weights_gb:,.0f} GB" if preset.weights_gb else "API"
        gpus = f", {preset.gpus} GPUs" if preset.gpus > 1 else ""
        lines.append(
            f"| `{preset.name}` | {preset.checkpoint} | `{preset.backend}` | {weights}{gpus} "
            f"| {preset.licence} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(shipped()))
