"""Options of lmms-eval, checked before anything is loaded.

lmms-eval answers a misspelt model argument with a traceback at best and ignores it at worst, and
rejects a batch size that is not a number only after minutes of loading.
"""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unifer_tasks.data.headings import variant_of
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.harness.rationales import check_rationales, forced_tasks
from unifer_tasks.harness.selection import check_data, question_counts, selected
from unifer_tasks.support.arguments import named_arguments
from unifer_tasks.support.extras import BACKENDS, require
from unifer_tasks.support.files import explain
from unifer_tasks.support.nearest import did_you_mean

if TYPE_CHECKING:
    from lmms_eval.api.model import lmms

_MISSPELT = 0.88
"""The similarity from which an unknown argument counts as a misspelling of a known one.

Only for models that pass unknown arguments on to their back end, as vLLM's does.
"""

_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
"""Of loguru, which lmms-eval logs with."""


class OptionError(ValueError):
    """An option has an invalid value; the message names it and what to give instead."""


def check_run(args: argparse.Namespace) -> None:
    """Check what can be checked of one run before its tasks and its model are loaded.

    Args:
        args: Of lmms-eval's own parser, with a configuration file's values.

    Raises:
        OptionError: A value cannot be used.
        DataError: The data of FERBench's tasks is absent or damaged.
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
    given = named_values("--model_args", args.model_args)
    others = {name: getattr(args, name) for name in ("batch_size", "max_batch_size", "device")}
    check_arguments(args.model, model, given, others)
    named_values("--gen_kwargs", args.gen_kwargs)
    if not isinstance(args.tasks, str | None):
        raise OptionError(f"tasks must be names with commas between, got {args.tasks!r}")
    if asked := selected((args.tasks or "").split(",")):
        _check_asking(args, model)
        # A property of the class, so that models of other plugins can have it.
        if not getattr(model, "ranks_candidates", False) and (
            problem := ranking_problem(args.model, asked)
        ):
            raise OptionError(problem)
    _check_extent(args)
    _check_formats(args)
    if args.output_path:
        _check_output(str(args.output_path))
    if args.check_integrity:
        raise OptionError(
            "--check_integrity runs lmms-eval's own tests, which pip does not install: leave it "
            "out; `ferbench doctor` checks the data"
        )
    if (args.log_samples or args.predict_only) and not args.output_path:
        raise OptionError("--log_samples and --predict_only need --output_path")
    if asked:
        _check_folder("HF_DATASETS_CACHE", _data_cache())
    check_data(asked)
    _check_offset(args.offset, asked)
    _check_rationales(args, given, asked)


def ranking_problem(backend: str, tasks: Iterable[str]) -> str | None:
    """Explain which of these tasks needs likelihoods that a back end does not compute.

    Args:
        backend: A model id whose model computes none.
        tasks: Names of tasks and groups of FERBench.

    Returns:
        A sentence; None if no task does.
    """
    ranked = [name for name in tasks if variant_of(name).ranks]
    if not ranked:
        return None
    return (
        f"{ranked[0]} asks how likely each candidate label is, which --model {backend} does not "
        "compute: use --model unifer or unifer_vllm, or leave it out"
    )


def _check_rationales(
    args: argparse.Namespace, given: Mapping[str, Any], tasks: Sequence[str]
) -> None:
    """Check the earlier run whose rationales a task needs."""
    forced = forced_tasks(args.model, tasks)
    source = given.get("rationales")
    if not forced:
        return
    if source is None:
        raise OptionError(
            f"{forced[0]} forces answers after the rationales of an earlier run: add "
            "rationales=RUN to --model_args, where RUN is the --output_path of this model's run of "
            "ferbench with --log_samples"
        )
    asked = question_counts(forced, args.limit, args.offset)
    try:
        check_rationales(str(source), str(given.get("pretrained", "")), asked)
    except PredictionError as error:
        raise OptionError(str(error)) from None


def _check_asking(args: argparse.Namespace, model: type[lmms]) -> None:
    """Check what would change how FERBench asks."""
    from loguru import logger

    for name in ("num_fewshot", "fewshot_as_multiturn"):
        if getattr(args, name):
            raise OptionError(f"FERBench shows no examples: leave --{name} out")
    if args.apply_chat_template:
        # lmms-eval 0.7.3 calls a method that its tasks do not have.
        raise OptionError(
            "lmms-eval cannot apply a chat template to FERBench, and a chat model applies its own "
            "without being told: leave --apply_chat_template out"
        )
    if args.cache_requests:
        # lmms-eval 0.7.3 keeps them by the task's name, whatever its data, without their functions.
        raise OptionError(
            "lmms-eval cannot keep the requests of FERBench: leave --cache_requests out; "
            "`ferbench lmms-eval --use_cache DIR` keeps answers"
        )
    if args.system_instruction and not model.is_simple:
        # lmms-eval 0.7.3 puts it before the text of a question, of which a chat model makes no use.
        logger.warning(
            "--system_instruction has no effect: lmms-eval gives it to no chat model, which "
            f"{args.model} is"
        )


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


def _check_offset(offset: int, tasks: Sequence[str]) -> None:
    for task, n in question_counts(tasks).items() if offset else ():
        if offset >= n:
            raise OptionError(
                f"--offset {offset:,} skips every question of {task}, which has {n:,}"
            )


def _check_formats(args: argparse.Namespace) -> None:
    """Check what lmms-eval parses by itself, some of it only when the model has answered."""
    from lmms_eval.utils import get_datetime_str

    check_verbosity(args.verbosity)
    for name in ("hf_hub_log_args", "wandb_args", "swanlab_args", "launcher_args"):
        named_values(f"--{name}", getattr(args, name))
    if args.max_tokens is not None:
        positive("--max_tokens", args.max_tokens)
    for folder in [args.include_path] if isinstance(args.include_path, str) else []:
        if not Path(folder).is_dir():
            raise OptionError(f"--include_path {folder} is not a directory")
    try:
        get_datetime_str(timezone=args.timezone)
    except Exception:
        raise OptionError(
            f"--timezone {args.timezone} is not a time zone; give one such as Europe/Berlin or UTC"
        ) from None


def check_verbosity(name: str) -> None:
    """Check that a level of logging exists.

    Raises:
        OptionError: It does not.
    """
    if name not in _LEVELS:
        near = did_you_mean(str(name).upper(), _LEVELS)
        raise OptionError(
            f"--verbosity has no level {name!r}{near or '; it takes ' + ', '.join(_LEVELS)}"
        )


def _check_output(value: str) -> None:
    """Check that lmms-eval can write into a folder: it would say otherwise only in the end."""
    # It hands the path on within a list of NAME=VALUE, in which 2026 is a number.
    try:
        read = named_values("--output_path", f"output_path={value}")
    except OptionError:
        read = {}
    if read != {"output_path": value}:
        raise OptionError(
            f"--output_path {value} cannot be used: lmms-eval splits it at commas and takes a "
            "number, true or false for no path; choose another name, or write ./ before it"
        )
    _check_folder("--output_path", value)


def check_cache(value: str | None) -> None:
    """Check that answers can be kept in a folder.

    Raises:
        OptionError: They cannot.
    """
    if value is not None:
        _check_folder("--use_cache", value)


def _check_folder(option: str, value: str | Path) -> None:
    folder = Path(value)
    for place in (folder, *folder.parents):
        if not os.path.lexists(place):
            continue
        if not place.is_dir():
            what = "is a file" if place.exists() else "is a link to nothing"
            where = "" if place == folder else f": {place}"
            raise OptionError(f"{option} {value}{where} {what}; name a directory")
        if not os.access(place, os.W_OK | os.X_OK):
            raise OptionError(f"{option} {value}: no permission to write into {place}")
        return


def _data_cache() -> Path:
    """Return where lmms-eval lets `datasets` write: it tries five times, and says RetryError."""
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    chosen = map(os.environ.get, ("LMMS_EVAL_DATASETS_CACHE", "HF_DATASETS_CACHE"))
    return Path(os.path.expandvars(next(filter(None, chosen), f"{home}/datasets"))).expanduser()


def check_invocation(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Check what lmms-eval reads before the first run: its log level and configuration file.

    Args:
        parser: Of lmms-eval.
        args: As given on the command line.

    Raises:
        OptionError: One of them cannot be used.
    """
    check_verbosity(args.verbosity)
    if args.config:
        _check_config(Path(args.config), parser)


def _check_config(path: Path, parser: argparse.ArgumentParser) -> None:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"--config {explain(error)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise OptionError(f"--config {path} is not a YAML file: {reason}") from None
    runs = content if isinstance(content, list) else [content]
    if not runs or content is None:
        raise OptionError(f"--config {path} is empty; give at least model and tasks")
    known = {action.dest: action for action in parser._actions if action.dest != "help"}
    for run in runs:
        if not isinstance(run, dict):
            raise OptionError(f"--config {path} must map options to values, got {run!r}")
        for key, value in run.items():
            if key == "env":
                if not isinstance(value, dict | None):
                    raise OptionError(f"--config {path}: env must map names to values")
            elif key not in known:
                near = did_you_mean(str(key), known)
                raise OptionError(f"--config {path} has an unknown key {key!r}{near}")
            else:
                _check_value(path, known[key], value)


def _check_value(path: Path, action: argparse.Action, value: Any) -> None:
    """Check a value of a configuration file, which lmms-eval takes as it is."""
    where = f"--config {path}: {action.dest}"
    if action.nargs == 0:
        if not isinstance(value, bool | None):
            raise OptionError(f"{where} must be true or false, got {value!r}")
    elif value is None:
        if action.type not in (None, str) and action.default is not None:
            raise OptionError(f"{where} has no value; give one, or leave it out")
    elif action.choices is not None and value not in action.choices:
        raise OptionError(f"{where} must be one of {', '.join(action.choices)}, got {value!r}")
    elif action.type not in (None, str):
        assert callable(action.type)
        parse: Callable[[str], Any] = action.type
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        try:
            parsed = parse(text)
        except (ValueError, TypeError, argparse.ArgumentTypeError):
            raise OptionError(f"{where} cannot be {value!r}") from None
        if isinstance(value, list) and len(value) != len(parsed):
            raise OptionError(f"{where} must have {len(parsed)} values, got {value!r}")
        if parsed != value or isinstance(value, bool):
            raise OptionError(f"{where} must be {parsed!r}, not {value!r}")


def named_values(option: str, text: object) -> Mapping[str, Any]:
    """Return the values of an option by name, with the types that lmms-eval gives them.

    Args:
        option: Its name.
        text: As on the command line; None if it is not given.

    Raises:
        OptionError: A part of it has no name, or a configuration file holds no text.
    """
    from lmms_eval.utils import handle_arg_string

    if not isinstance(text, str | None):
        raise OptionError(
            f"{option} must be one text NAME=VALUE,NAME=VALUE, as on the command line, not a "
            f"{type(text).__name__}"
        )
    try:
        given = named_arguments(text or "")
    except ValueError as error:
        raise OptionError(f"{option} {error}") from None
    return {name: handle_arg_string(value) for name, value in given.items()}


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
        OptionError: It is not.
    """
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise OptionError(f"{name} must be a positive integer, got {str(value)!r}")
    return number


def _parameters(model: type[lmms]) -> tuple[dict[str, Parameter], bool]:
    """Return a constructor's parameters by name, and whether it hands on those it does not name."""
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
