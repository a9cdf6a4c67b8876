"""A recipe's YAML and its overrides -> what verl's trainer will see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recipes.training.configuration.choices import hydra_choices, makes_choice
from recipes.training.configuration.keys import Config, all_keys, has_key, value_at
from recipes.training.configuration.overrides import check_keys, check_overrides, quote, quoted
from recipes.training.configuration.parse import parse_settings, stage_of
from recipes.training.configuration.registry import (
    find_configuration,
    is_recipe_file,
    recipe_files,
)
from recipes.training.configuration.required import verl_configurations
from recipes.training.configuration.resolvers import register_resolvers
from recipes.training.configuration.settings import ConfigurationError, Settings, Stage

_RECIPES = ("pkg://recipes.qwen2_5_vl", "pkg://recipes.tiny_cpu")


def read_settings(stage: Stage, given: str, overrides: Sequence[str]) -> Settings:
    """Return the settings of a run.

    Args:
        stage: "sft" or "grpo".
        given: A YAML file or the name of a configuration; see `find_configuration`.
        overrides: As on the command line.

    Raises:
        ConfigurationError: There is no such configuration, it is for the other stage, or verl
            reads no such setting or value.
    """
    file = find_configuration(stage, given)
    _check_stage(file, stage)
    composed = _checked(file, overrides)
    if not is_recipe_file(file):
        base = _compose_once(find_configuration(stage, stage), ())
        check_keys(base.verl, composed.verl, _followers(base.written, composed.written))
    algorithm = composed.choices.get("algorithm")
    return parse_settings(composed.verl, file, composed.overrides, algorithm)


def _check_stage(file: Path, stage: Stage) -> None:
    """Check that a file configures a stage, before anything is said of its overrides.

    Raises:
        ConfigurationError: It does not.
    """
    composed = _as_it_is(file)
    found = stage_of(composed.verl)
    if not is_recipe_file(file):
        base = _compose_once(find_configuration(found, found), ())
        if base.verl.keys() - composed.verl.keys():
            raise ConfigurationError(
                f"{file} does not build on a configuration of verl: begin it with "
                f"`defaults: [{stage}, _self_]`"
            )
    if found != stage:
        raise ConfigurationError(f"{file} configures {found.upper()}: run unifer-train {found}")


def _as_it_is(file: Path, overrides: tuple[str, ...] = ()) -> _Composed:
    return (_compose_once if is_recipe_file(file) else _compose)(file, overrides)


def _followers(base: Config, config: Config) -> set[str]:
    """Return the keys that follow another setting, in the recipe as in a user's file."""
    return {
        key
        for key in all_keys(base)
        if isinstance(value := value_at(base, key), str)
        and "${" in value
        and has_key(config, key)
        and value_at(config, key) == value
    }


def compose(file: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration as verl's trainer will see it, resolved.

    Args:
        file: A YAML file of a recipe.
        overrides: As on the command line, or as a run's settings have them.

    Raises:
        ConfigurationError: The file cannot be composed, or an override cannot be meant.
    """
    return _checked(file, overrides).verl


@dataclass(frozen=True, slots=True)
class _Composed:
    """What hydra made of a file and its overrides.

    Attributes:
        verl: The configuration, as verl's trainer will see it.
        written: The same with its interpolations as they are written.
        overrides: What was given besides the file, as hydra takes it.
        choices: hydra's groups -> the name of the file that was chosen.
    """

    verl: dict[str, Any]
    written: Config
    overrides: tuple[str, ...]
    choices: Mapping[str, str]


def _checked(file: Path, overrides: Sequence[str]) -> _Composed:
    given = quoted(overrides)
    named = [override for override in given if makes_choice(override)]
    chosen: Mapping[str, str] = {}
    if named:
        base = _as_it_is(file)
        chosen = hydra_choices(file, stage_of(base.verl), named, base.choices)
    if given:
        # What a chosen file sets is there to be set otherwise.
        settings = [override for override in given if override not in chosen]
        check_overrides(_as_it_is(file, tuple(chosen.values())).verl, settings)
    return _compose(file, [chosen.get(override, override) for override in given])


def search_path(file: Path) -> str:
    """Return the override by which hydra finds what a configuration builds on.

    Given from outside, so that a copy of the file works in any folder.
    """
    from omegaconf import OmegaConf

    loaded = OmegaConf.load(file)
    if not OmegaConf.is_dict(loaded):
        raise ConfigurationError(
            f"{file} holds a list, not settings: begin it with `defaults: [grpo, _self_]`"
        )
    own = OmegaConf.select(loaded, "hydra.searchpath", default=[])
    if not OmegaConf.is_list(own) and own != []:
        raise ConfigurationError(f"{file}: hydra.searchpath={own}: give a list")
    places = dict.fromkeys([*map(str, own), f"file://{verl_configurations()}", *_RECIPES])
    return f"hydra.searchpath=[{','.join(map(quote, places))}]"


def _compose(file: Path, overrides: Sequence[str]) -> _Composed:
    from hydra import compose as compose_config
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf, open_dict

    register_resolvers()
    with _explained(file):
        with initialize_config_dir(str(file.parent.resolve()), version_base=None):
            composed = compose_config(
                file.stem,
                overrides=[search_path(file), *overrides],
                return_hydra_config=True,
            )
        choices = dict(composed.hydra.runtime.choices)
        with open_dict(composed):
            del composed["hydra"]
        resolved = OmegaConf.to_container(composed, resolve=True)
        written = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(resolved, dict)
    assert isinstance(written, dict)
    verl, as_written = (
        {str(key): value for key, value in found.items()} for found in (resolved, written)
    )
    return _Composed(verl, as_written, tuple(overrides), choices)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Turn what hydra and its readers raise on a file into a sentence."""
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import (
        InterpolationKeyError,
        InterpolationResolutionError,
        OmegaConfBaseException,
    )
    from yaml import YAMLError

    try:
        yield
    except InterpolationKeyError as error:
        raise ConfigurationError(
            f"{error.full_key}: {str(error).splitlines()[0]}; ${{...}} names another setting, and "
            "is text where a backslash precedes it"
        ) from None
    except InterpolationResolutionError as error:
        reason = str(error).splitlines()[0]
        cause = reason.partition("raised while resolving interpolation: ")[2] or reason
        raise ConfigurationError(
            f"{file}: {error.full_key} follows other settings, and of their values {cause}"
        ) from None
    except YAMLError as error:
        raise ConfigurationError(_yaml_problem(file, error)) from None
    except MissingConfigException as error:
        missing = error.missing_cfg_file or str(error).splitlines()[0]
        names = ", ".join(f.name for f in recipe_files() if f.path.suffix == ".yaml")
        raise ConfigurationError(
            f"{file} builds on {missing}, which is neither beside it nor a configuration of the "
            f"recipes: {names}"
        ) from None
    except RecursionError:
        raise ConfigurationError(
            f"{file} includes itself by its `defaults`: name another file there"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is not UTF-8 ({error.reason}): save it as such") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(f"{file}: {str(error).splitlines()[0]}") from None


@cache
def _compose_once(file: Path, overrides: tuple[str, ...]) -> _Composed:
    """Compose a file of a recipe to look at; it changes with no run, and hydra takes a second."""
    return _compose(file, overrides)


def _yaml_problem(file: Path, error: Exception) -> str:
    """Return the problem of a YAML file, and its place.

    hydra reads the file itself or one that it builds on; YAML's parser names none of them.
    """
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return f"{file}: {str(error).splitlines()[0]}"
    named = Path(str(mark.name))
    place = named if named.is_file() else file
    return f"{place}, line {mark.line + 1}, column {mark.column + 1}: {problem}"
