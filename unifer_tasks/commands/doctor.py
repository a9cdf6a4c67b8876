"""`ferbench doctor`: what a run needs."""

from __future__ import annotations

import argparse

from unifer_tasks.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "doctor",
        help="check data, versions and the lmms-eval plugin",
        description="Checks what a run needs. Exit status 1 if something is missing or wrong.",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from unifer_tasks.doctor import examine

    findings = examine()
    for finding in findings:
        print(finding)
    return int(any(finding.level == "error" for finding in findings))
