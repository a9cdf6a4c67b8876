"""The base class of our models, and the precisions that they take."""

from __future__ import annotations

from typing import Any

import torch
from lmms_eval.api.model import lmms

from unifer_tasks.harness.options import OptionError, check_arguments, named_values


class OurModel(lmms):  # type: ignore[misc]
    """A chat model that refuses an argument which its constructor does not name."""

    is_simple = False

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: dict[str, Any] | None = None
    ) -> OurModel:
        """Construct the model from `--model_args` and what lmms-eval adds.

        Raises:
            OptionError: An argument is misspelt, missing, or given twice.
        """
        given, others = named_values("--model_args", arg_string), additional_config or {}
        check_arguments(cls.__name__.lower(), cls, given, others)
        return cls(**given, **{name: value for name, value in others.items() if value is not None})


def precision(name: str, device: torch.device) -> torch.dtype:
    """Return the precision of a model's weights.

    Args:
        name: "bfloat16", "float16" or "float32"; "auto" is bfloat16, float32 on a CPU.
        device: Where they are to be.

    Raises:
        OptionError: The name is unknown.
    """
    names = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if name not in names:
        raise OptionError(f"dtype must be auto or one of {', '.join(names)}, got {name!r}")
    return names[name]
