"""The command `unifer-data`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from data_prep import stand_in
from data_prep.benchmark import BuildError, Row
from data_prep.index import IndexFileError, read_index
from unifer_tasks.manifest import DATA_VARIABLE, DataError

PER_CLASS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (BuildError, DataError, IndexFileError, OSError) as error:
        print(f"unifer-data: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("unifer-data: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unifer-data", description="Prepares the data of FERBench and of the UniFER recipe."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    drawn = commands.add_parser(
        "drawn",
        help="write a stand-in FERBench with drawn faces",
        description="Writes a stand-in FERBench whose faces are drawn: for tests, demos and "
        "machines without the datasets. Scores on it say nothing about photographs.",
    )
    drawn.add_argument("--out", type=Path, required=True, help="folder to write")
    size = drawn.add_mutually_exclusive_group()
    size.add_argument(
        "--per-class",
        type=_positive,
        default=PER_CLASS,
        metavar="N",
        help="faces for each label of each dataset (default: %(default)s)",
    )
    size.add_argument(
        "--like-ferbench",
        action="store_true",
        help="the benchmark's 11,072 rows and class counts",
    )
    size.add_argument(
        "--index",
        type=Path,
        metavar="DIR",
        help="ids and labels of the published question files in DIR",
    )
    drawn.add_argument("--seed", type=_natural, default=0, help="default: %(default)s")
    drawn.add_argument("--jobs", type=_positive, help="processes that draw (default: one a core)")
    drawn.set_defaults(run=_drawn)
    return parser


def _drawn(args: argparse.Namespace) -> int:
    if args.index:
        targets = stand_in.targets_of_index(read_index(args.index))
        questions: str | int = "index"
    else:
        per_class = None if args.like_ferbench else args.per_class
        targets = stand_in.targets_of_counts(per_class, args.seed)
        questions = per_class or "like-ferbench"
    manifest = stand_in.build(
        args.out,
        targets,
        seed=args.seed,
        recipe={"questions": questions},
        jobs=args.jobs,
        progress=_progress,
    )
    for dataset, file in manifest.datasets.items():
        print(f"{dataset:<10} {file.rows:>6,} drawn faces   {args.out / file.path}")
    print(f"These are drawn stand-ins. To evaluate on them: export {DATA_VARIABLE}={args.out}")
    return 0


def _progress(title: str, rows: Iterable[Row], total: int) -> Iterable[Row]:
    bar: Iterable[Row] = tqdm(rows, desc=title, total=total, unit="face", disable=None)
    return bar


def _positive(text: str) -> int:
    value = _natural(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 up")
    return int(text)
