"""What our models have in common."""

from __future__ import annotations

from typing import Any

from lmms_eval.api.model import lmms

from unifer_tasks.harness.options import check_arguments, model_arguments


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
        given, others = model_arguments(arg_string), additional_config or {}
        check_arguments(cls.__name__.lower(), cls, given, others)
        return cls(**given, **{name: value for name, value in others.items() if value is not None})
