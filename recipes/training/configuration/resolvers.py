"""Numbers of a recipe that follow other settings: `${unifer.sum:...}` and `${unifer.share:...}`.

OmegaConf has no arithmetic.
"""

from __future__ import annotations


def register_resolvers() -> None:
    """Make OmegaConf know the resolvers, in this process."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("unifer.sum", _sum, replace=True)
    OmegaConf.register_new_resolver("unifer.share", _share, replace=True)


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
