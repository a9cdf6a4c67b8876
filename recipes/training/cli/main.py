"""The command `unifer-train`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from recipes.training.cli import configurations, evaluate, plan, results, stages
from recipes.training.configuration.settings import ConfigurationError
from recipes.training.launch.errors import RunInterrupted
from unifer_tasks.redaction.characters import visible_output
from unifer_tasks.redaction.secrets import redacted_output
from unifer_tasks.support.command import exit_status, require_extras

_NAME = "unifer-train"
_COMMANDS = (stages, plan, results, evaluate, configurations)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    0 is success, 1 an error, 2 a wrong option, 130 an interrupt.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    with redacted_output(arguments):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    parser = _parser()
    # The rest are overrides, which may come between options.
    args, rest = parser.parse_known_args(arguments)
    if "overrides" in args:
        args.overrides = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")

    def selected() -> int:
        require_extras(f"{_NAME} {args.command}", args)
        try:
            return int(args.run(args))
        except ConfigurationError as error:
            _say(f"{_NAME}: this run would fail\n{error}")
            return 1
        except RunInterrupted as interrupt:
            _say(f"{_NAME}: {interrupt}")
            return 130

    errors = tuple(error for module in _COMMANDS for error in module.ERRORS)
    interrupted = getattr(args, "interrupted", "interrupted")
    return exit_status(_NAME, selected, errors, interrupted=interrupted, say=_say)


def _say(text: str) -> None:
    with visible_output():
        print(text, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_NAME, description="The UniFER recipe: SFT and GRPO of Qwen2.5-VL in verl."
    )
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return parser
