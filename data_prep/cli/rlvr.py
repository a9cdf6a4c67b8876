"""`unifer-data rlvr`: GRPO rows for verl."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

from data_prep.cli.composition import add_composition, build, composition_options, published_inputs
from data_prep.cli.options import add_numbers, add_sources, first_given, open_sources, output
from data_prep.outputs.training_folder import open_folder
from data_prep.sources.archives import DATASETS
from data_prep.sources.inputs import Input, inputs_of
from data_prep.sources.published import RLVR_KEYS
from data_prep.sources.samples import Split
from data_prep.support.errors import PreparationError
from data_prep.training import compose
from data_prep.training.balance import Balance
from data_prep.training.rows import RLVR
from data_prep.training.tokens import prompt_token_counter
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import MODEL
from unifer_tasks.support.numbers import positive_integer


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "rlvr",
        help="build UniFER-RLVR: GRPO rows for verl",
        description="Build GRPO rows from the official training splits, or from the paper's "
        "published file, without the images that the benchmark holds.",
    )
    add_sources(parser)
    parser.add_argument(
        "--ferplus-valid", action="store_true", help="train on FERPlus's validation split as well"
    )
    parser.add_argument(
        "--ferplus-majority",
        action="store_true",
        help="label FERPlus by the majority rule of its paper instead of the most votes",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="accept counts that differ from the official ones, and record them in the manifest",
    )
    add_composition(parser)
    for name, what in (("classes", "labels within a dataset"), ("datasets", "datasets")):
        parser.add_argument(
            f"--balance-{name}",
            type=Balance,
            choices=list(Balance),
            default=Balance.NONE,
            help=f"repeat or leave out rows to balance the {what} (default: %(default)s)",
        )
    add_numbers(parser, ("--rows", positive_integer, "N", None, "number of training rows, roughly"))
    parser.add_argument(
        "--processor",
        metavar="MODEL",
        help="count each prompt's tokens with this model's processor (needs transformers)",
    )
    parser.set_defaults(
        run=_run,
        writes="out",
        needs=lambda args: [MODEL] if args.processor else [],
        default_of=parser.get_default,
    )


def _run(args: argparse.Namespace) -> int:
    of_archives = (*DATASETS, "partial", "ferplus_valid", "ferplus_majority")
    if args.published is not None and (given := first_given(args, of_archives)):
        raise PreparationError(
            f"{given} is for official archives, --from converts a file; leave one out"
        )
    options = replace(
        composition_options(args),
        classes=args.balance_classes,
        datasets=args.balance_datasets,
        rows=args.rows,
    )
    counter: Callable[[str], int] | None = (
        prompt_token_counter(args.processor) if args.processor else None
    )
    # Before anything is unpacked to it.
    open_folder(args.out)
    inputs = _inputs(args)
    return build(
        output(args),
        compose.Composition(inputs, RLVR, options, args.ferbench, args.partial, counter),
    )


def _inputs(args: argparse.Namespace) -> list[Input]:
    if args.published is not None:
        return published_inputs(args, RLVR_KEYS)
    return inputs_of(open_sources(args, Split.TRAIN), ferplus_valid=args.ferplus_valid)
