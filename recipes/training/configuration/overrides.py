"""Overrides of a run's settings, checked against verl's own before hydra sees them.

hydra answers a misspelt key with a traceback that advises `+KEY`, and takes any `+KEY`: verl 0.9.1
never reads it, and trains as if nothing had been said. Its grammar refuses paths that hold `=`,
`(`, `#`, a comma or a letter outside ASCII unless they are quoted within the shell's quotes.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.training.configuration.keys import Config, all_keys, has_key, value_at
from recipes.training.configuration.parse import stage_of
from recipes.training.configuration.required import VERL
from recipes.training.configuration.settings import ConfigurationError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_SPLIT = re.compile(r"(?P<key>(?:\+\+|\+|~)?\w[\w.@/:-]*)=(?P<value>.*)", re.DOTALL)
# Text that would be another kind of value if it were not quoted.
_LITERAL = re.compile(r"[-+]?[\d.,_]+(?:[eE][-+]?\d+)?|true|false|null", re.IGNORECASE)
# Settings whose value is a path, whatever it looks like, and those that may list several.
_IS_PATH = re.compile(r"(?:^|[._])(?:path|dir)$|_files?$")
_MAY_LIST = re.compile(r"_files$")
# What may be given as null where the recipe has a number.
_NULLABLE = re.compile(
    r"\.(?:max_(?:\w+_)?ckpt_to_keep|max_model_len|\w*micro_batch_size\w*|num_[cg]pus|seed)$"
)
# Content that verl hands on as it is, to the model, the engine, the reward, ray and the like.
_FREE = re.compile(
    r"(?:^|\.)(?:override_config|engine_kwargs|reward_kwargs|ray_init|apply_chat_template_kwargs"
    r"|mm_processor_kwargs|override_optimizer_config|sampler_kwargs|mixed_precision|custom"
    r"|fused_kernel_options|kw_args|\w+_nsight_options|teacher_models)(?:\.|$)"
)
# What verl 0.9.1 reads and its YAML files leave out, where no dataclass says so.
_ALSO_READ: Mapping[str, Mapping[str, frozenset[str]]] = {
    # utils/dataset/rl_dataset.py; trainer/ppo/v1/trainer_base.py; experimental/reward_loop
    "grpo": {
        "data": frozenset(
            {"cache_dir", "chat_template_func", "filter_prompts", "need_tools_kwargs"}
        ),
        "reward": frozenset({"reward_kwargs"}),
        "trainer": frozenset({"remove_previous_ckpt_in_save"}),
    },
    # utils/dataset/multiturn_sft_dataset.py
    "sft": {
        "data": frozenset({"image_key", "image_patch_size", "seed", "shuffle", "video_key"}),
    },
}  # fmt: skip


def quote(text: str) -> str:
    """Return a value that hydra reads as exactly this text."""
    from hydra.core.override_parser.types import Quote, QuotedString

    # OmegaConf halves the backslashes before an interpolation, and an odd one makes it text.
    literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return str(QuotedString(literal, Quote.single).with_quotes())


def quoted(overrides: Sequence[str]) -> list[str]:
    """Return overrides that hydra's grammar takes: paths, and what else it would refuse, quoted.

    `~/` is the home folder, as in a shell. `${...}` stays an interpolation; what is quoted stays
    as it is.
    """
    return [_quoted(override) for override in overrides]


def _quoted(override: str) -> str:
    split = _SPLIT.fullmatch(override)
    if split is None:
        return override
    key, value = split["key"], split["value"]
    if _IS_PATH.search(key):
        listed = value[1:-1] if value.startswith("[") and value.endswith("]") else None
        if listed is not None and _MAY_LIST.search(key):
            parts = (_quoted_path(part.strip()) for part in _split_list(listed))
            return f"{key}=[{','.join(parts)}]"
        return f"{key}={_quoted_path(value)}"
    if _parsed(override) is None and value[:1] not in {"[", "{", "'", '"'}:
        return f"{key}={_with_interpolations(value)}"
    return override


def _split_list(text: str) -> list[str]:
    """Split at the commas that are outside quotes."""
    return re.findall(r"(?:'(?:\\.|[^'])*'|\"(?:\\.|[^\"])*\"|[^,])+", text)


def _quoted_path(value: str) -> str:
    is_quoted = value[:1] in {"'", '"'} and _parsed(f"key={value}") is not None
    if is_quoted or value in {"", "null"}:
        return value
    return _with_interpolations(str(Path(value).expanduser()) if value[:1] == "~" else value)


def _with_interpolations(value: str) -> str:
    from hydra.core.override_parser.types import Quote, QuotedString
    from omegaconf.errors import GrammarParseError
    from omegaconf.grammar_parser import parse

    try:
        parse(value)
    except GrammarParseError:
        return quote(value)
    return str(QuotedString(value, Quote.single).with_quotes())


def _parsed(override: str) -> Override | None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(override)
    except HydraException:
        return None


def check_overrides(base: Config, overrides: Sequence[str]) -> None:
    """Check that every override changes something that verl reads, to a value of its kind.

    Args:
        base: The configuration without overrides.
        overrides: As returned by `quoted`.

    Raises:
        ConfigurationError: Some do not.
    """
    parsed = {text: found for text in overrides if (found := _parsed(text)) and found.key_or_group}
    problems = [
        *_unreadable([text for text in overrides if text not in parsed]),
        *_added_twice(overrides),
        *(problem for text, found in parsed.items() for problem in _problems(base, text, found)),
    ]
    if problems:
        raise ConfigurationError(*problems)


def check_keys(base: Config, config: Config, followers: Collection[str] = ()) -> None:
    """Check that verl reads all that a configuration of a user holds, at values of its kind.

    hydra merges a misspelt key of a file as it does any other.

    Args:
        base: The recipe's configuration of the stage.
        config: The user's.
        followers: Keys that have the value of another, whose value alone is wrong or right.

    Raises:
        ConfigurationError: It does not.
    """
    problems: list[str] = []
    for key in all_keys(config):
        parent = key.rpartition(".")[0]
        if _FREE.search(key) or key in followers:
            continue
        if has_key(base, key):
            problems += _value(key, value_at(base, key), value_at(config, key))
        elif (not parent or has_key(base, parent)) and (reason := _unread(base, key)):
            problems.append(reason)
    if problems:
        raise ConfigurationError(*problems)


def _unreadable(words: Sequence[str]) -> Iterator[str]:
    """Yield that hydra cannot read some words, which a space may have parted: one fault."""
    if options := [text for text in words if text.startswith("-")]:
        yield f"{options[0]} is not an option of this command, nor an override: KEY=VALUE"
    elif words:
        yield (
            f"{' '.join(words)} cannot be read: give KEY=VALUE without spaces around the =, and "
            "quote a value that has spaces or what hydra's grammar reserves"
        )


def _added_twice(overrides: Sequence[str]) -> Iterator[str]:
    added = [text.partition("=")[0] for text in overrides if re.match(r"\+[^+]", text)]
    for key in dict.fromkeys(key for key in added if added.count(key) > 1):
        yield f"{key} is given {added.count(key)} times, and is added once: give one"


def superseded(overrides: Sequence[str]) -> Iterator[str]:
    """Yield which values give way to later ones of the same setting, as where a script adds some.

    Args:
        overrides: As on the command line.
    """
    values: dict[str, str] = {}
    for text in overrides:
        key, equals, value = text.lstrip("+").partition("=")
        if equals and values.get(key, value) != value:
            yield f"{key}={values[key]} gives way to {key}={value}, which comes later"
        values[key] = value


def _problems(base: Config, text: str, override: Override) -> Iterator[str]:
    key = override.key_or_group
    if key.split(".")[0].split("/")[0] == "hydra":
        return
    if "/" in key or override.package is not None or key == "model_engine":
        yield (
            f"{text} chooses another part of verl's configuration, and the recipes are for its "
            "FSDP engine: name it in the `defaults` of a copy of the recipe's YAML"
        )
    elif override.is_delete():
        yield from _deleted(base, key)
    elif override.is_sweep_override():
        yield f"{text} gives several values, and a run takes one: {_instead_of_comma(base, text)}"
    elif has_key(base, key):
        if override.is_add() and not override.is_force_add():
            yield f"{key} is there already: leave the + out"
        elif not _FREE.search(key):
            yield from _value(key, value_at(base, key), override.value())
    elif override.is_add() or override.is_force_add():
        yield from _added(base, key)
    else:
        yield from _missing(base, key)


def _instead_of_comma(base: Config, text: str) -> str:
    key, _, value = text.lstrip("+").partition("=")
    is_number = has_key(base, key) and isinstance(value_at(base, key), float)
    if is_number and value.count(",") == 1 and "." not in value:
        return f"write {key}={value.replace(',', '.')}"
    return "a comma needs quotes, \"'A,B'\""


def _deleted(base: Config, key: str) -> Iterator[str]:
    if not has_key(base, key):
        yield f"~{key}: {_no_setting(base, key)}"
    elif not _FREE.search(key):
        yield f"~{key}: verl fails without it; give it a value, or null where it may be off"


def _value(key: str, old: Any, new: Any) -> Iterator[str]:
    """Yield the problem of a value of another type.

    It fails late in verl, or counts as true: the string "no" does.
    """
    if isinstance(new, str) and "${" in new:
        return
    if isinstance(old, Mapping):
        if not isinstance(new, Mapping):
            yield f"{key}={new} is not a setting but a group of them: {', '.join(old)}"
    elif isinstance(old, bool):
        if not isinstance(new, bool):
            yield f"{key}={_shown(new)}: give true or false"
    elif isinstance(old, int | float):
        kind, types = ("whole number", int) if isinstance(old, int) else ("number", int | float)
        if new is None:
            if not _NULLABLE.search(key):
                yield f"{key}=null: give a number, such as the recipe's {old}"
        elif isinstance(new, bool) or not isinstance(new, types):
            yield f"{key}={_shown(new)}: give a {kind}, such as the recipe's {old}"


def _shown(value: Any) -> str:
    """Return a value as it was written; text that looks like a number or the like is quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(getattr(value, "text", value))
    is_text = isinstance(value, str) or hasattr(value, "text")
    return f"'{text}'" if is_text and _LITERAL.fullmatch(text) else text


def _added(base: Config, key: str) -> Iterator[str]:
    if reason := _unread(base, key):
        yield f"+{key}: {reason}"


def _unread(base: Config, key: str) -> str | None:
    """Return why verl reads no setting of a name that a configuration lacks; None if it does."""
    node, missing = _deepest(base, key)
    if _FREE.search(node):
        return None
    parent = value_at(base, node) if node else base
    if not isinstance(parent, Mapping):
        return f"{node} is one value ({parent}) and holds no settings"
    known = _ALSO_READ[stage_of(base)].get(node, frozenset()) | _fields(parent)
    return None if missing in known else _no_setting(base, key)


def _fields(node: Config) -> frozenset[str]:
    """Return the settings that a node's dataclass has, those that its YAML leaves out too."""
    if "_target_" not in node:
        return frozenset()
    module, _, name = str(node["_target_"]).rpartition(".")
    schema = getattr(import_module(module), name)
    return frozenset(field.name for field in dataclasses.fields(schema))


def _missing(base: Config, key: str) -> Iterator[str]:
    if _FREE.search(_deepest(base, key)[0]):
        near = _nearest(base, key)
        meant = f"; did you mean {near}?" if near else ""
        yield f"{key} is not set by the recipe: +{key}=VALUE adds it{meant}"
    else:
        yield _no_setting(base, key)


def _no_setting(base: Config, key: str) -> str:
    near = _nearest(base, key)
    return f"verl {VERL} reads no setting {key}" + (f"; did you mean {near}?" if near else "")


def _nearest(base: Config, key: str) -> str | None:
    """Return the setting whose name is most like a key, or that ends as it does."""
    keys = list(all_keys(base))
    last = key.rpartition(".")[2]

    def likeness(other: str) -> float:
        whole = difflib.SequenceMatcher(None, key, other).ratio()
        end = difflib.SequenceMatcher(None, last, other.rpartition(".")[2]).ratio()
        return max(whole, 0.5 * whole + 0.5 * end)

    best = max(keys, key=likeness, default=None)
    return best if best is not None and likeness(best) > 0.6 else None


def _deepest(base: Config, key: str) -> tuple[str, str]:
    """Return the longest part of a key that is there, and the name after it."""
    names = key.split(".")
    for n in range(len(names) - 1, 0, -1):
        if has_key(base, ".".join(names[:n])):
            return ".".join(names[:n]), names[n]
    return "", names[0]
