"""The command `unifer-data`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from data_prep.cli import cot, drawn, export, ferbench, rebase, reformat, rlvr, verify
from data_prep.cli.options import INCOMPLETE, say, warn
from data_prep.outputs.push import check_target, push
from data_prep.support.errors import PreparationError
from unifer_tasks.data.manifest import DataError, absent
from unifer_tasks.redaction.characters import visible_output
from unifer_tasks.redaction.secrets import redacted_output
from unifer_tasks.support.command import exit_status, require_extras, sole_run
from unifer_tasks.support.extras import HUB, require

_COMMANDS = (drawn, ferbench, rlvr, cot, rebase, reformat, verify, export)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    0: success; 1: an error, with nothing half-written; 2: a wrong option; 3: success with something
    left out; 130: interrupted.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    with redacted_output(arguments), visible_output():
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    args = _parser().parse_args(arguments)

    def selected() -> int:
        require_extras(f"unifer-data {args.command}", args)
        if getattr(args, "push", None):
            require("--push", HUB)
            check_target(args.push)
        if "reads" in args and not (folder := getattr(args, args.reads)).is_dir():
            # Before it is made, to be held.
            raise PreparationError(absent(folder))
        with sole_run(args):
            try:
                status = int(args.run(args))
            except PreparationError as error:
                for line in error.details:
                    warn(line)
                raise
            if getattr(args, "push", None) and status in (0, INCOMPLETE):
                say(f"published without images: {push(args.out, args.push)}")
        return status

    return exit_status(
        "unifer-data",
        selected,
        (PreparationError, DataError),
        interrupted="interrupted; the same command continues from here",
        say=warn,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unifer-data", description="Prepare the data of FERBench and of the UniFER recipe."
    )
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
