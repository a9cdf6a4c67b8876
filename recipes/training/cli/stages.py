"""`unifer-train sft`, `grpo` and `check`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from recipes.training.configuration.overrides import superseded
from recipes.training.configuration.settings import STAGES, Settings
from recipes.training.launch.errors import RunError, RunInterrupted, RunningError
from recipes.training.runs.checkpoints import CheckpointError, newest_checkpoint
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import TRAIN
from unifer_tasks.support.numbers import positive_number

ERRORS = (RunError, RunningError, CheckpointError)

_WHAT = {
    "sft": "cold start: supervised fine-tuning on chains of thought",
    "grpo": "reinforcement learning with verifiable rewards",
}
_EVERY_STAGE = "Check everything first; continue from the newest checkpoint of the run, if any."
_DESCRIPTIONS = {
    "sft": "Train a model on chains of thought (`unifer-data cot`), the cold start of GRPO.",
    "grpo": "Train a model by verifiable rewards (`unifer-data rlvr`) of the responses that it "
    "samples in vLLM.",
}
_EPILOG = "OVERRIDE: KEY=VALUE of any setting of verl, in hydra's grammar"


def add(commands: Subparsers) -> None:
    """Add the subcommands."""
    for stage, what in _WHAT.items():
        parser = commands.add_parser(
            stage,
            help=what,
            description=f"{_DESCRIPTIONS[stage]} {_EVERY_STAGE}",
            usage=f"unifer-train {stage} --config CONFIG [OPTION ...] [OVERRIDE ...]",
            epilog=_EPILOG,
            allow_abbrev=False,
        )
        _add_config(parser)
        parser.add_argument("--check", action="store_true", help="only check; start nothing")
        parser.add_argument(
            "--stall-minutes",
            type=positive_number,
            default=60,
            metavar="N",
            help="end a run that prints nothing for N minutes (default: %(default)s)",
        )
        parser.set_defaults(run=_train, stage=stage)
    parser = commands.add_parser(
        "check",
        help="find what would make a run fail, without starting it",
        description="Check versions, GPUs, settings, model, rows and batch sizes of a run, "
        "without starting it; print each problem with its remedy. `sft` and `grpo` do the same "
        "before they start.",
        usage="unifer-train check STAGE --config CONFIG [OVERRIDE ...]",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("stage", choices=STAGES, help="stage of the recipe")
    _add_config(parser)
    parser.set_defaults(run=_check)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        required=True,
        metavar="CONFIG",
        help="3b, 7b, 32b, tiny, or a YAML file; `unifer-train cp` gives one to edit",
    )
    parser.set_defaults(overrides=[], needs=lambda _: [TRAIN])


def _train(args: argparse.Namespace) -> int:
    if args.check:
        return _check(args)
    from recipes.training.launch.launcher import launch

    settings = _settings(args)
    signal.signal(signal.SIGTERM, _stop)
    try:
        rows = _checked(settings)
        for file, n in rows.items():
            print(f"{n:>9,} rows   {file}")
        checkpoint = launch(settings, rows, args.stall_minutes)
    except KeyboardInterrupt:
        raise RunInterrupted(f"interrupted; {_continuation(settings)}") from None
    except _EndedError as signalled:
        raise RunError(f"{signalled}; {_continuation(settings)}") from None
    print(f"done: {checkpoint or 'no checkpoint was asked for'}")
    return 0


def _continuation(settings: Settings) -> str:
    """Return what the command of a run that was ended does when it is given again."""
    trainer = settings.trainer
    newest = newest_checkpoint(trainer.folder) if trainer.resume_mode == "auto" else None
    if newest is not None:
        return f"the same command resumes from {newest}"
    if trainer.resume_mode == "auto":
        return "no checkpoint was written yet, and the same command starts from the beginning"
    return f"with trainer.resume_mode={trainer.resume_mode} the same command starts as before"


def _check(args: argparse.Namespace) -> int:
    _checked(_settings(args))
    print("ready")
    return 0


def _checked(settings: Settings) -> Mapping[Path, int]:
    """Check a run, say what may be meant or too large, and return the rows of its files."""
    from recipes.training.checks.preflight import preflight
    from recipes.training.plan.this_machine import fit_notes

    rows = preflight(settings, say_note)
    for note in fit_notes(settings):
        say_note(note)
    return rows


def _settings(args: argparse.Namespace) -> Settings:
    from recipes.training.configuration.compose import read_settings

    settings = read_settings(args.stage, args.config, args.overrides)
    for note in superseded(args.overrides):
        print(note, file=sys.stderr)
    return settings


def say_note(text: str) -> None:
    """Print what need not be wrong."""
    print(f"note: {text}", file=sys.stderr)


class _EndedError(Exception):
    """A request to end (`scancel`, `ray job stop`), as an exception that cleans up."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise _EndedError(f"ended by {signal.Signals(number).name}")
