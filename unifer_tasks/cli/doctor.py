"""`ferbench doctor`: what a run needs."""

from __future__ import annotations

import argparse

from unifer_tasks.support.command import Subparsers


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "doctor",
        help="check data, versions, imports and the lmms-eval plugin",
        description="Check what a run needs. Exit status 1 if something is missing or wrong.",
    )
    parser.add_argument(
        "--model",
        action="append",
        dest="models",
        metavar="ID",
        help="check that this model of lmms-eval can be imported (default: unifer); repeatable",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from unifer_tasks.harness.doctor import MODELS, examine

    findings = examine(args.models or MODELS)
    for finding in findings:
        print(finding)
    return int(any(finding.level == "error" for finding in findings))
