"""`unifer-data rebase`: update training rows whose images have moved."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_prep.cli.options import say, warn
from data_prep.outputs.rebase import rebase, rebase_command
from data_prep.outputs.row_checks import missing_images
from data_prep.outputs.verify import missing_roots
from data_prep.support.errors import PreparationError
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.counted import counted


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "rebase",
        help="point training rows to where their images are now",
        description="Rewrite the image paths of a folder of training rows, after a move to another "
        "machine or folder. A benchmark folder holds its images and needs no rebase.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of training rows")
    parser.add_argument(
        "--root",
        action="append",
        required=True,
        metavar="[SOURCE=]NEW",
        help="the folder that now holds the images of a source; without SOURCE=, that of all",
    )
    parser.set_defaults(run=_run, reads="folder", writes="folder")


def _run(args: argparse.Namespace) -> int:
    pairs = [_split(text) for text in args.root]
    given = dict(pairs)
    if len(given) < len(pairs):
        raise PreparationError(f"--root {args.root[-1]}: one source cannot have two roots")
    manifest = rebase(args.folder, given)
    for source, root in manifest.roots.items():
        say(f"{source:<10} {root}")
    for root in missing_roots(manifest):
        say(f"{root} is not on this machine; the rows are ready for a machine that has it")
    for root, images in missing_images(args.folder, manifest).items():
        warn(
            f"unifer-data: {counted(len(images), 'image')} not found below {root}, such as "
            f"{images[0]}; if the images are elsewhere: {rebase_command(args.folder)}"
        )
    return 0


def _split(text: str) -> tuple[str | None, str]:
    source, mark, root = text.partition("=")
    # A folder's name may contain `=` too.
    return (source or None, root) if mark and "/" not in source else (None, text)
