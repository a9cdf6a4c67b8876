"""`unifer-data reformat`: training rows that ask for another response format."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_prep.cli.options import say
from data_prep.outputs.card import write_training_card
from data_prep.training.reformat import reformat
from unifer_tasks.protocol.answers.formats import FORMATS
from unifer_tasks.support.command import Subparsers


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "reformat",
        help="write training rows that answer first, or without reasoning",
        description="Rewrite questions and responses of a folder of rows in another format: "
        "`answer_first`, `direct` (the answer alone), or `reasoned`, which is what the other "
        "commands write. Images stay where they are.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of training rows")
    parser.add_argument(
        "--format", choices=list(FORMATS), required=True, help="the format to ask for"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.set_defaults(run=_run, reads="folder", writes="out")


def _run(args: argparse.Namespace) -> int:
    manifest, unchanged = reformat(args.folder, args.out, FORMATS[args.format])
    write_training_card(args.out, manifest)
    for part in manifest.shards:
        say(f"{manifest.rows(part):>8,} {part} rows   {args.out}/{part}-*.parquet")
    if unchanged:
        say(f"{unchanged:>8,} responses are in no known format and were left unchanged")
    return 0
