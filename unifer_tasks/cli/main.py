"""The command `ferbench`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from unifer_tasks.cli import compare, doctor, preset, report, run, score, tasks_path, tiny_model
from unifer_tasks.data.manifest import DataError
from unifer_tasks.redaction.characters import visible_output
from unifer_tasks.redaction.secrets import redacted_output
from unifer_tasks.support.command import exit_status, in_one_line, require_extras, sole_run
from unifer_tasks.support.records import FileError

_COMMANDS = (doctor, tasks_path, preset, run, score, report, compare, tiny_model)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    0 is success, 1 an error that left nothing half-written, 2 a wrong option, 130 an interrupt.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["lmms-eval"]:
        # Before argparse, so that every option of lmms-eval reaches lmms-eval.
        from unifer_tasks.harness.host import run_lmms_eval

        return run_lmms_eval(arguments[1:])
    with redacted_output(arguments), visible_output():
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    args = _parser().parse_args(arguments)

    def selected() -> int:
        require_extras(f"ferbench {args.command}", args)
        with sole_run(args):
            return int(args.run(args))

    return exit_status("ferbench", selected, (FileError, DataError), say=_say)


def _say(text: str) -> None:
    """Print a message, whose own further lines are indented: any other is a part of a name."""
    first, *more = text.split("\n  ")
    print("\n  ".join([in_one_line(first), *map(in_one_line, more)]), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferbench", description="FERBench: facial expression recognition for MLLMs."
    )
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    commands.add_parser(
        "lmms-eval",
        help="run lmms-eval with FERBench registered; a failed run has exit status 1",
        add_help=False,
    )
    return parser
