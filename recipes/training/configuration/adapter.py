"""The LoRA adapter that a run trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Modules = str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter.

    Attributes:
        rank: Inner width of the two matrices of a module.
        alpha: Their product is scaled by `alpha / rank`.
        target: Modules that have one: "all-linear", a regular expression, or endings of names.
        excluded: Modules of these that have none: a regular expression, endings of names or None.
        parameters: Parameters that have one, for experts without modules of their own.
    """

    rank: int
    alpha: int
    target: Modules
    excluded: Modules = None
    parameters: tuple[str, ...] | None = None

    @property
    def settings(self) -> Mapping[str, int | str]:
        """The lines of a model card."""
        return {
            "LoRA rank": self.rank,
            "LoRA alpha": self.alpha,
            "adapted modules": shown(self.target),
            "excluded modules": shown(self.excluded),
        }

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.settings.items())

    def peft(self) -> Any:
        """Return peft's configuration, as verl's FSDP engine makes it."""
        from peft import LoraConfig, TaskType

        return LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=self.rank,
            lora_alpha=self.alpha,
            target_modules=_plain(self.target),
            target_parameters=None if self.parameters is None else list(self.parameters),
            exclude_modules=_plain(self.excluded),
            bias="none",
        )


def adapter_of(model: Mapping[str, Any]) -> Adapter | None:
    """Return the adapter that a run trains; None where it trains the model's own weights.

    Args:
        model: The model's group of verl's configuration.
    """
    rank = model.get("lora_rank") or 0
    if rank <= 0:
        return None
    return Adapter(
        rank,
        model.get("lora_alpha") or 0,
        _modules(model.get("target_modules")),
        _modules(model.get("exclude_modules")),
        tuple(model.get("target_parameters") or ()) or None,
    )


def shown(value: Modules) -> str:
    """Return a choice of modules as text."""
    return "none" if value is None else value if isinstance(value, str) else ", ".join(value)


def _modules(value: Any) -> Modules:
    return value if value is None or isinstance(value, str) else tuple(value)


def _plain(value: Modules) -> str | list[str] | None:
    return list(value) if isinstance(value, tuple) else value
