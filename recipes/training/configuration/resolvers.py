"""Numbers of a recipe that follow other settings: `${unifer.sum:...}` and `${unifer.share:...}`.

OmegaConf has no arithmetic, and verl resolves its configuration in processes that know no
resolvers but OmegaConf's. So they are resolved here, and verl is given their values as overrides.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes.training.configuration.keys import Config, all_keys, value_at

_PREFIX = "unifer."


def register_resolvers() -> None:
    """Make OmegaConf know the resolvers, in this process."""
    from omegaconf import OmegaConf

    for resolver in (_sum, _share):
        name = f"{_PREFIX}{resolver.__name__.lstrip('_')}"
        OmegaConf.register_new_resolver(name, resolver, replace=True)


def computed_overrides(written: Config, resolved: Config) -> Iterator[str]:
    """Yield what gives verl the value of each setting that only these resolvers compute.

    Args:
        written: A configuration with its interpolations as they are written.
        resolved: The same, resolved.
    """
    for key in all_keys(written):
        value = value_at(written, key)
        if isinstance(value, str) and f"${{{_PREFIX}" in value:
            yield f"{key}={value_at(resolved, key)}"


def _sum(*numbers: object) -> int:
    """Return the sum of some settings."""
    return sum(map(_whole, numbers))


def _share(share: float, number: object) -> int:
    """Return a share of a setting, rounded, and 1 at least."""
    return max(1, round(share * _whole(number)))


def _whole(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"{number} is not a whole number")
    return number
