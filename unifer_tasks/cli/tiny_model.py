"""`ferbench tiny-model`: a checkpoint that needs no download."""

from __future__ import annotations

import argparse
from pathlib import Path

from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import MODEL


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "tiny-model",
        help="write an untrained Qwen2.5-VL small enough for any CPU",
        description="Write a Qwen2.5-VL checkpoint of under 2M random parameters, to try the "
        "whole pipeline without a download. Its answers are random.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="seed (default: %(default)s)")
    parser.set_defaults(run=_run, writes="out", needs=lambda _: [MODEL])


def _run(args: argparse.Namespace) -> int:
    from unifer_tasks.harness.models.tiny import write_tiny_model

    parameters = write_tiny_model(args.out, seed=args.seed)
    print(f"{args.out}: an untrained Qwen2.5-VL of {parameters:,} parameters")
    return 0
