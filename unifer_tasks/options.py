"""Options of lmms-eval, checked before anything is loaded.

lmms-eval takes a misspelt model argument for a traceback at best and ignores it at worst, and
finds that a batch size is no number after minutes of loading.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Mapping
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from unifer_tasks.extras import BACKENDS, require
from unifer_tasks.nearest import did_you_mean
from unifer_tasks.selection import selected

if TYPE_CHECKING:
    from lmms_eval.api.model import lmms

_MISSPELT = 0.88
"""How alike an unknown argument and a known one are at least, if one was meant to be the other.

Only for models that hand what they do not know to their back end, as vLLM's does.
"""


class OptionError(ValueError):
    """An option has no such value; the message names it and says what to give."""


def check_run(args: argparse.Namespace) -> None:
    """Check the options of one run that can be checked without its tasks, data and weights.

    Args:
        args: Of lmms-eval's own parser, with a configuration file's values.

    Raises:
        OptionError: A value cannot be used.
        MissingModuleError: The model needs a module that is not installed.
    """
    from lmms_eval.models import MODEL_REGISTRY_V2, get_model

    known = MODEL_REGISTRY_V2.list_model_names()
    if args.model not in known:
        raise OptionError(f"no model is called {args.model!r}{did_you_mean(args.model, known)}")
    if need := BACKENDS.get(args.model):
        require(f"--model {args.model}", need)
    try:
        model = get_model(args.model, args.force_simple)
    except ImportError as error:
        raise OptionError(f"the model {args.model} cannot be imported: {error}") from error
    given = model_arguments(args.model_args)
    others = {name: getattr(args, name) for name in ("batch_size", "max_batch_size", "device")}
    check_arguments(args.model, model, given, others)
    _named("--gen_kwargs", args.gen_kwargs)
    if not isinstance(args.tasks, str | None):
        raise OptionError(f"tasks must be names with commas between, got {args.tasks!r}")
    if args.num_fewshot and _asks_ferbench(args.tasks):
        raise OptionError("FERBench shows no examples: leave --num_fewshot out")
    _check_extent(args)
    if args.check_integrity:
        raise OptionError(
            "--check_integrity runs lmms-eval's own tests, which pip does not install: leave it "
            "out; `ferbench doctor` checks the data"
        )
    if (args.log_samples or args.predict_only) and not args.output_path:
        raise OptionError("--log_samples and --predict_only need --output_path")


def _check_extent(args: argparse.Namespace) -> None:
    """Check how much is asked, as far as that is known without the data."""
    for name in ("limit", "offset"):
        # A configuration file's values have its types.
        if not isinstance(value := getattr(args, name), int | float | None):
            raise OptionError(f"--{name} must be a number, got {value!r}")
    if args.limit == 0:
        raise OptionError("--limit 0 asks nothing; give a number of questions, or leave it out")
    if args.limit is not None and args.limit < 0 and args.limit != -1:
        raise OptionError(f"--limit {args.limit:g} is negative: give a number of questions, or -1")
    if args.offset < 0:
        raise OptionError(f"--offset {args.offset} is negative")
    positive("--repeats", args.repeats)


def model_arguments(text: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the arguments of a model by name.

    Args:
        text: As on the command line, or the mapping of a configuration file.

    Raises:
        OptionError: A part of it has no name.
    """
    return _named("--model_args", text)


def _named(option: str, text: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the values of an option by name, from its text or a configuration file's mapping."""
    from lmms_eval.utils import simple_parse_args_string

    if not isinstance(text, str):
        return text or {}
    try:
        return dict(simple_parse_args_string(text))
    except ValueError:
        raise OptionError(f"{option} {text!r} must have the form NAME=VALUE,NAME=VALUE") from None


def check_arguments(
    title: str, model: type[lmms], given: Mapping[str, Any], others: Mapping[str, Any]
) -> None:
    """Check that a model takes the arguments that it is given.

    Args:
        title: What the model is called.
        model: Its class.
        given: Its arguments.
        others: What lmms-eval adds to them, where it is not None.

    Raises:
        OptionError: It does not.
    """
    added = {name: value for name, value in others.items() if value is not None}
    if twice := sorted(given.keys() & added.keys() - {"batch_size"}):
        raise OptionError(f"{twice[0]} is given twice, in --model_args and as --{twice[0]}")
    if "batch_size" in given:
        raise OptionError("batch_size belongs into --batch_size, not into --model_args")
    known, is_open = _parameters(model)
    for name in given:
        if name not in known and (not is_open or _is_misspelt(name, known)):
            near = did_you_mean(name, known) or f"; it takes {', '.join(sorted(known))}"
            raise OptionError(f"the model {title} takes no argument {name!r}{near}")
    for name in added:
        if name not in known and not is_open:
            raise OptionError(f"the model {title} does not take --{name}")
    needed = [name for name, parameter in known.items() if parameter.default is Parameter.empty]
    if missing := [name for name in needed if name not in {*given, *added}]:
        raise OptionError(f"the model {title} needs {missing[0]}: --model_args {missing[0]}=...")
    if "batch_size" in added:
        positive("--batch_size", added["batch_size"])


def positive(name: str, value: int | str) -> int:
    """Return an option's value as the positive integer that it must be.

    Raises:
        OptionError: It is none.
    """
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise OptionError(f"{name} must be a positive integer, got {str(value)!r}")
    return number


def _parameters(model: type[lmms]) -> tuple[dict[str, Parameter], bool]:
    """A constructor's parameters by name, and whether it hands on those that it does not name."""
    from lmms_eval.api.model import lmms

    known: dict[str, Parameter] = {}
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    for owner in model.__mro__[: model.__mro__.index(lmms)]:
        constructor = vars(owner).get("__init__")
        if constructor is None:
            continue
        parameters = list(signature(constructor).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in named:
                known.setdefault(parameter.name, parameter)
        if not any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
            return known, False
    return known, True


def _is_misspelt(name: str, known: Iterable[str]) -> bool:
    swapped = any(sorted(name) == sorted(other) for other in known)
    return swapped or bool(difflib.get_close_matches(name, known, n=1, cutoff=_MISSPELT))


def _asks_ferbench(tasks: str | None) -> bool:
    return bool(selected((tasks or "").split(",")))
