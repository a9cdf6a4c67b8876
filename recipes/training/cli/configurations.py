"""`unifer-train ls` and `cp`."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipes.training.configuration.registry import (
    CHOICES,
    CopyError,
    copy_file,
    recipe_files,
)
from unifer_tasks.support.command import Subparsers

ERRORS = (CopyError,)


def add(commands: Subparsers) -> None:
    """Add the subcommands."""
    parser = commands.add_parser(
        "ls",
        description="List what the recipes have, by the names that the other commands take.",
        help="list configurations, scripts, and the choices of algorithm=, method= and the like",
    )
    parser.set_defaults(run=_ls)
    parser = commands.add_parser(
        "cp",
        help="copy a configuration or a script, to be edited",
        description="Copy a configuration or a script, to be edited; `--config FILE.yaml` runs "
        "it. `sft` and `grpo` are the annotated bases, of which the sizes change a few lines.",
    )
    parser.add_argument("name", metavar="NAME", help="as `unifer-train ls` lists it")
    parser.add_argument(
        "destination", type=Path, nargs="?", default=Path(), help="a file or a folder; default: ."
    )
    parser.set_defaults(run=_cp)


def _ls(args: argparse.Namespace) -> int:
    listed = [(file.name, file.summary) for file in recipe_files()]
    for choice in CHOICES:
        listed += [(f"{choice.name}={file.name}", file.summary) for file in choice.files]
    width = max(len(name) for name, _ in listed)
    for name, summary in listed:
        print(f"{name:<{width}}  {summary}")
    return 0


def _cp(args: argparse.Namespace) -> int:
    print(copy_file(args.name, args.destination))
    return 0
