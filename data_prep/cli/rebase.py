"""`unifer-data rebase`: training rows whose images have moved."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_prep.errors import PreparationError
from data_prep.outputs.rebase import rebase
from data_prep.outputs.verify import missing_roots
from unifer_tasks.support.command import Subparsers


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "rebase",
        help="point training rows to where their images are now",
        description="Rewrites the image paths of a folder of training rows, for another machine or "
        "node. A benchmark folder holds its images and needs none of this.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of training rows")
    parser.add_argument(
        "--root",
        action="append",
        required=True,
        metavar="[SOURCE=]NEW",
        help="the folder in place of the one that all images lie below, or of one source's",
    )
    parser.set_defaults(run=_run, writes="folder")


def _run(args: argparse.Namespace) -> int:
    pairs = [_split(text) for text in args.root]
    given = dict(pairs)
    if len(given) < len(pairs):
        raise PreparationError(f"--root {args.root[-1]}: one source cannot have two roots")
    manifest = rebase(args.folder, given)
    for source, root in manifest.roots.items():
        print(f"{source:<10} {root}")
    for root in missing_roots(manifest):
        print(f"{root} is not on this machine; the rows are ready for one that has it")
    return 0


def _split(text: str) -> tuple[str | None, str]:
    source, mark, root = text.partition("=")
    # A folder's name may hold the mark too.
    return (source or None, root) if mark and "/" not in source else (None, text)
