"""`ferbench tasks-path`: where the task files lie."""

from __future__ import annotations

import argparse

from unifer_tasks.harness.plugin import TASKS_FOLDER
from unifer_tasks.support.command import Subparsers


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "tasks-path", help="print the task folder, for lmms-eval --include_path"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    print(TASKS_FOLDER)
    return 0
