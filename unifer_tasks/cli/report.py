"""`ferbench report`: what runs show, as a page, a leaderboard and plots."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from unifer_tasks.data.manifest import DATA_VARIABLE, DataError, data_root, read_manifest
from unifer_tasks.support.collector import collector_paused
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import REPORT

_LONGEST_NAME = 200


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "report",
        help="write page, leaderboard, plots and scores of any runs",
        description="Write index.html (one file, no network), scores.json, the leaderboard as "
        "md, csv and tex, and plots as png and svg. Interrupted and partial runs are included and "
        "marked as such.",
    )
    add_runs(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="benchmark folder whose images and annotations the report uses "
        f"(default: ${DATA_VARIABLE}, if set)",
    )
    parser.add_argument(
        "--embed-images",
        action="store_true",
        help="embed the images in the page; the datasets' terms then forbid passing it on",
    )
    parser.set_defaults(run=_run, writes="out", needs=lambda _: [REPORT])


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument RUN."""
    parser.add_argument(
        "runs",
        type=named_path,
        nargs="+",
        metavar="RUN",
        help="an lmms-eval output folder, or the *_results.json of one run in it; predictions of "
        "`ferbench score`; or results of the paper's scripts (JSON, or a folder of them); "
        "NAME=RUN names the model",
    )


def named_path(text: str) -> Path | tuple[str, Path]:
    """Split NAME=PATH; a path that exists as given is one, and a name may hold a `=`.

    Raises:
        argparse.ArgumentTypeError: The name is empty or too long.
    """
    # Not `Path.exists`, which raises where the text is too long for a path.
    exists = os.path.exists
    if "=" not in text or exists(text):
        return Path(text)
    splits = [(text[:at], text[at + 1 :]) for at, mark in enumerate(text) if mark == "="]
    name, path = next((split for split in splits if exists(split[1])), splits[0])
    if not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} has no name before the =")
    if len(name) > _LONGEST_NAME:
        raise argparse.ArgumentTypeError(
            f"the name of {path} has {len(name):,} characters; give at most {_LONGEST_NAME}"
        )
    return name, Path(path)


def _data(given: Path | None) -> Path | None:
    """Return the benchmark folder whose images the page shows; None for none.

    Raises:
        DataError: A folder that was asked for is not one.
    """
    if given is not None:
        read_manifest(given)
        return given
    if not os.environ.get(DATA_VARIABLE):
        return None
    try:
        root = data_root()
        read_manifest(root)
    except DataError as error:
        print(f"WARNING: the page shows no images: {error}", file=sys.stderr)
        return None
    return root


def _run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from unifer_tasks.report.build import build_report
    from unifer_tasks.report.figures.published import published_scores
    from unifer_tasks.report.sources.given import read_runs

    data = _data(args.data)
    with collector_paused():
        with tqdm(desc="reading", bar_format="{desc}: {postfix}", disable=None) as bar:
            runs = read_runs(args.runs, bar.set_postfix_str)
        report = build_report(
            runs, published_scores(), args.out, data=data, embed_images=args.embed_images
        )
    for run in runs:
        for note in run.notes:
            print(f"{run.title}: {note}", file=sys.stderr)
    for warning in report.warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    print(report.page)
    return 0
