"""`unifer-data drawn`: a stand-in benchmark."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_prep.cli.options import (
    add_jobs,
    add_numbers,
    add_seed,
    first_given,
    output,
    say,
    to_evaluate_on,
)
from data_prep.sources.index import read_index
from data_prep.support.errors import PreparationError
from data_prep.synthetic import stand_in
from data_prep.synthetic.stand_in_training import LABELS, Recipe, build_training
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.numbers import natural_number, positive_integer, share

PER_CLASS = 8


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "drawn",
        help="write a stand-in FERBench with synthetic faces",
        description="Write a stand-in for FERBench, made of synthetic faces, for tests, demos "
        "and machines without the datasets. Scores on it say nothing about photographs.",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--per-class",
        type=positive_integer,
        default=PER_CLASS,
        metavar="N",
        help="faces for each label of each dataset (default: %(default)s)",
    )
    size.add_argument(
        "--like-ferbench",
        action="store_true",
        help="as many faces of each label as the benchmark has, 11,072 in all",
    )
    size.add_argument(
        "--index",
        type=Path,
        metavar="DIR",
        help="a face for each id and label of the published question files in DIR",
    )
    size.add_argument(
        "--train",
        type=positive_integer,
        metavar="N",
        help="draw N training faces instead: SFT rows in OUT/cot, GRPO rows in OUT/rlvr",
    )
    parser.add_argument(
        "--bias",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="weaken the expressions of RAF-DB's female faces by this share, a bias that the "
        "report's comparison of groups should detect (default: %(default)s)",
    )
    parser.add_argument(
        "--labels",
        choices=LABELS,
        default=LABELS[0],
        help="label distribution of training faces: uniform, that of the official training "
        "splits, or by the square roots of their counts (default: %(default)s)",
    )
    add_numbers(
        parser,
        ("--untagged", share, "SHARE", 0.0, "share of SFT rows that answer without tags"),
        ("--valid", natural_number, "N", 0, "validation faces, in addition to --train"),
    )
    add_seed(parser)
    add_jobs(parser, "draw")
    parser.set_defaults(run=_run, writes="out", default_of=parser.get_default)


def _run(args: argparse.Namespace) -> int:
    _check_options(args)
    return _train(args) if args.train else _benchmark(args)


def _check_options(args: argparse.Namespace) -> None:
    """Check that no option is given that would change nothing.

    Raises:
        PreparationError: One is.
    """
    if args.train and args.bias:
        raise PreparationError(
            "--bias weakens faces of a benchmark, and --train draws training faces; leave one out"
        )
    given = first_given(args, ("labels", "untagged", "valid"))
    if given and not args.train:
        raise PreparationError(
            f"{given} is for training faces; give --train N too, or leave it out"
        )


def _train(args: argparse.Namespace) -> int:
    manifests = build_training(
        output(args), Recipe(args.train, args.labels, args.untagged, args.valid, args.seed)
    )
    for kind, manifest in manifests.items():
        parts = ", ".join(f"{manifest.rows(part):,} {part}" for part in manifest.shards)
        say(f"{kind:<10} {parts} rows about synthetic faces   {args.out / kind}")
    return 0


def _benchmark(args: argparse.Namespace) -> int:
    if args.index:
        targets = stand_in.targets_of_index(read_index(args.index))
        questions: str | int = "index"
    else:
        per_class = None if args.like_ferbench else args.per_class
        targets = stand_in.targets_of_counts(per_class, args.seed)
        questions = per_class or "like-ferbench"
    recipe = {"questions": questions}
    manifest = stand_in.build(output(args), targets, seed=args.seed, recipe=recipe, bias=args.bias)
    for dataset, file in manifest.datasets.items():
        say(f"{dataset:<10} {file.rows:>6,} synthetic faces   {args.out / file.path}")
    say(f"These faces are synthetic. To evaluate on them: {to_evaluate_on(args.out)}")
    return 0
