"""How a host's functions are replaced: once, and only where they are what they were."""

from __future__ import annotations

import sys
from contextlib import suppress
from inspect import signature
from types import ModuleType
from typing import Any

import pytest

from unifer_tasks.support.seams import Function, Seam, SeamError, replaced


class Greeter:
    """What a host might offer."""

    def greet(self, name: str, mark: str = "!") -> str:
        """Greet."""
        return f"Hello {name}{mark}"


class Heir(Greeter):
    """What inherits it."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("pytest")
    vars(module)["Greeter"] = type("Greeter", (), {"greet": Greeter.greet})
    vars(module)["greet"] = lambda name: f"Hello {name}"
    monkeypatch.setitem(sys.modules, "pytest", module)
    return module


def seam(name: str = "greet", *parameters: str, module: str = "pytest") -> Seam:
    return Seam(module, name, parameters, "greetings are loud")


def loud(greet: Function) -> Function:
    def shout(*given: Any, **named: Any) -> str:
        return str(greet(*given, **named)).upper()

    return shout


def test_a_function_is_replaced_once_and_keeps_its_face(host: Any) -> None:
    before = host.greet
    seam("greet", "name").extend(loud)
    once = host.greet
    seam("greet", "name").extend(loud)
    assert host.greet is once
    assert host.greet.__wrapped__ is before
    assert host.greet("you") == "HELLO YOU"


def test_a_method_is_replaced(host: Any) -> None:
    greet = seam("Greeter.greet", "self", "name")
    greet.extend(loud)
    assert host.Greeter().greet("you", mark="?") == "HELLO YOU?"
    assert host.Greeter.greet.__doc__ == "Greet."
    assert list(signature(host.Greeter.greet).parameters) == ["self", "name", "mark"]


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        (seam("greets", "name"), "pytest.greets of pytest "),
        (seam("Greeters.greet", "name"), "is not there, so unifer cannot replace it (greetings"),
        (seam("greet", "name", "mark"), "takes no mark, so unifer cannot replace it"),
    ],
)
def test_what_has_moved_is_left_alone_and_reported(host: Any, moved: Seam, message: str) -> None:
    from loguru import logger

    before = host.greet
    said: list[str] = []
    number = logger.add(said.append, format="{message}")
    try:
        moved.extend(loud)
        moved.extend(loud)
    finally:
        logger.remove(number)
    assert len(said) == 1
    assert message in said[0]
    assert host.greet is before
    remedy = "install the version that unifer's extras name"
    with pytest.raises(SeamError, match=remedy), moved.extended(loud):
        pass


def test_a_module_that_is_not_loaded_is_left_alone() -> None:
    seam(module="lmms_eval.not_loaded").extend(loud)
    assert "lmms_eval.not_loaded" not in sys.modules


def test_a_function_is_replaced_for_a_while(host: Any) -> None:
    before = host.greet
    with suppress(KeyError), seam().extended(loud):
        assert host.greet("you") == "HELLO YOU"
        raise KeyError
    assert host.greet is before


@pytest.mark.parametrize("owner", [Greeter, Heir, Greeter(), Heir()])
def test_what_was_there_before_is_there_afterwards(owner: Any) -> None:
    before = dict(vars(owner))
    with replaced(owner, "greet", str.upper):
        assert vars(owner)["greet"] is str.upper
    assert dict(vars(owner)) == before
