"""Where a host is extended: functions of its own, each replaced once by one that may call it.

A host such as lmms-eval has few entry points, so the rest is replaced. A release may move what is
replaced or change what it takes. Each seam therefore names the parameters that the replacement
relies on. An extension whose seam has moved is left out with a warning; one that a run cannot do
without raises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, update_wrapper
from importlib import import_module
from importlib.metadata import version
from inspect import signature
from typing import Any

Function = Callable[..., Any]

_MARK = "__unifer_seam__"


class SeamError(RuntimeError):
    """A host has moved what a run cannot do without."""


@dataclass(frozen=True, slots=True)
class Seam:
    """A function of a host that is replaced.

    Attributes:
        module: The module in which it is looked up.
        name: The function, with its class if it is a method.
        parameters: Those that the replacement relies on, by name.
        purpose: What the replacement does, for the message if it cannot.
    """

    module: str
    name: str
    parameters: tuple[str, ...]
    purpose: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    def problem(self) -> str | None:
        """Return why the function cannot be replaced, or None; import its module."""
        try:
            owner, name = self._owner()
            function = getattr(owner, name)
        except (ImportError, AttributeError):
            return self._moved("is not there")
        known = signature(function).parameters
        if missing := [name for name in self.parameters if name not in known]:
            return self._moved(f"takes no {', '.join(missing)}")
        return None

    def extend(self, make: Callable[[Function], Function]) -> None:
        """Replace the function for good, once, if its module is loaded.

        Args:
            make: Return the replacement of a function, which it may call.
        """
        if self.module not in sys.modules:
            return
        if problem := self.problem():
            _warn(problem)
            return
        owner, name = self._owner()
        if not hasattr(getattr(owner, name), _MARK):
            setattr(owner, name, _made(make, getattr(owner, name)))

    @contextmanager
    def extended(self, make: Callable[[Function], Function]) -> Iterator[None]:
        """Replace the function until the block ends.

        Args:
            make: Return the replacement of a function, which it may call.

        Raises:
            SeamError: The function is not what it was.
        """
        if problem := self.problem():
            raise SeamError(problem)
        owner, name = self._owner()
        with replaced(owner, name, _made(make, getattr(owner, name))):
            yield

    def _owner(self) -> tuple[Any, str]:
        owner: Any = import_module(self.module)
        *classes, name = self.name.split(".")
        for each in classes:
            owner = getattr(owner, each)
        return owner, name

    def _moved(self, how: str) -> str:
        host = self.module.partition(".")[0].replace("_", "-")
        return (
            f"{self} of {host} {version(host)} {how}, so unifer cannot replace it "
            f"({self.purpose}); install the version that unifer's extras name"
        )


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module, class or object until the block ends."""
    own = vars(owner)
    # Of the owner itself: what it inherits is not its own afterwards either.
    before = [own[name]] if name in own else []
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before:
            setattr(owner, name, before[0])
        else:
            delattr(owner, name)


def _made(make: Callable[[Function], Function], original: Function) -> Function:
    function = update_wrapper(make(original), original)
    setattr(function, _MARK, True)
    return function


@cache
def _warn(text: str) -> None:
    from loguru import logger

    logger.warning(text)
