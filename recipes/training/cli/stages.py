"""`unifer-train sft`, `grpo` and `check`."""

from __future__ import annotations

import argparse
import signal
from types import FrameType
from typing import NoReturn

from recipes.training.configuration.settings import STAGES, Settings
from recipes.training.launch.errors import RunError, RunningError
from recipes.training.runs.checkpoints import CheckpointError
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
    from recipes.training.checks.preflight import preflight
    from recipes.training.launch.launcher import launch

    signal.signal(signal.SIGTERM, _stop)
    settings = _settings(args)
    rows = preflight(settings)
    for file, n in rows.items():
        print(f"{n:>9,} rows   {file}")
    print(f"done: {launch(settings, rows, args.stall_minutes)}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from recipes.training.checks.preflight import preflight

    preflight(_settings(args))
    print("ready")
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    from recipes.training.configuration.compose import read_settings

    return read_settings(args.stage, args.config, args.overrides)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Turn a request to end (`scancel`, `ray job stop`) into an exception that cleans up."""
    raise RunError(f"ended by {signal.Signals(number).name}")
