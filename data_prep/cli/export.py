"""`unifer-data export`: the benchmark in another suite's format."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_prep.cli.options import add_jobs, output, say
from data_prep.outputs import vlmevalkit
from unifer_tasks.support.command import Subparsers


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "export",
        help="write FERBench in the format of another evaluation suite",
        description="Write a benchmark folder in the format of another evaluation suite, for use "
        "on this machine: the images may not be passed on.",
    )
    suites = parser.add_subparsers(required=True, metavar="SUITE")
    suite = suites.add_parser(
        "vlmevalkit",
        help="a TSV for VLMEvalKit's custom datasets",
        description="Write a TSV that VLMEvalKit loads by its name, and a README that shows how.",
    )
    suite.add_argument("folder", type=Path, metavar="DIR", help="a folder that unifer-data wrote")
    suite.add_argument("--out", type=Path, required=True, help="folder to write, for $LMUData")
    suite.add_argument(
        "--form",
        type=vlmevalkit.Form,
        choices=list(vlmevalkit.Form),
        default=vlmevalkit.Form.CHOICE,
        help="lettered options that VLMEvalKit scores, or FERBench's own open question "
        "(default: %(default)s)",
    )
    add_jobs(suite, "encode")
    suite.set_defaults(run=_vlmevalkit)


def _vlmevalkit(args: argparse.Namespace) -> int:
    written = vlmevalkit.export(args.folder, output(args), args.form)
    for dataset, n in written.counts.items():
        say(f"{dataset:<10} {n:>6,} questions")
    if written.caveat is not None:
        say(f"This is not FERBench: {written.caveat}")
    say(f"{written.table} holds images that may not be passed on; see {written.card}")
    return 0
