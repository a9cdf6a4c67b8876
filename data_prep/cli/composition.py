"""Options and final report of the commands that compose training rows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from data_prep.cli.options import (
    INCOMPLETE,
    add_jobs,
    add_numbers,
    add_push,
    add_seed,
    say,
    unpacked,
    warn,
)
from data_prep.images.duplicates import Duplicate
from data_prep.images.nearness import MAX_BITS
from data_prep.outputs.card import write_training_card
from data_prep.outputs.quarantine import read_list
from data_prep.outputs.rebase import rebase_command
from data_prep.outputs.training_folder import Repeats, TrainingManifest
from data_prep.sources.inputs import Input, inputs_of_published
from data_prep.sources.published import Keys
from data_prep.support.errors import PreparationError
from data_prep.support.output import Output
from data_prep.support.packed import open_tree
from data_prep.training import compose
from unifer_tasks.support.numbers import natural_number, share


def add_composition(parser: argparse.ArgumentParser) -> None:
    """Add the options of every composition: input, output, images to leave out."""
    parser.add_argument(
        "--from",
        dest="published",
        type=Path,
        metavar="JSON",
        help="convert the paper's published file",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="ROOT",
        help="folder or archive that the image paths of --from are relative to",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    leaks = parser.add_mutually_exclusive_group()
    leaks.add_argument(
        "--ferbench",
        type=Path,
        metavar="DIR",
        help="benchmark folder whose images are left out of training",
    )
    leaks.add_argument(
        "--no-leak-check",
        action="store_true",
        help="skip the comparison with the benchmark, and record that in the manifest",
    )
    parser.add_argument(
        "--keep-leaks", action="store_true", help="list images of the benchmark, but train on them"
    )
    add_numbers(
        parser,
        (
            "--near-bits",
            natural_number,
            "N",
            MAX_BITS,
            "maximum bits in which near duplicates differ",
        ),
        ("--valid", share, "SHARE", 0.0, "share of the samples held out for validation"),
    )
    add_seed(parser)
    add_jobs(parser, "decode and compare")
    add_push(parser)


def composition_options(args: argparse.Namespace) -> compose.Options:
    """Read the options.

    Raises:
        PreparationError: Neither `--ferbench` nor `--no-leak-check` was given.
    """
    if args.ferbench is None and not args.no_leak_check:
        raise PreparationError(
            "name the benchmark whose images must not be trained on (--ferbench DIR), or decline "
            "with --no-leak-check"
        )
    return compose.Options(
        valid=args.valid, seed=args.seed, keep_leaks=args.keep_leaks, near_bits=args.near_bits
    )


def published_inputs(args: argparse.Namespace, keys: Keys) -> list[Input]:
    """Return the rows of the paper's file that `--from` names.

    Raises:
        PreparationError: `--images` is missing.
    """
    if args.images is None:
        raise PreparationError("--from needs --images: what its image paths are relative to")
    return inputs_of_published(args.published, open_tree(args.images, unpacked(args)), keys)


def build(output: Output, composition: compose.Composition) -> int:
    """Write the rows and their card, and report what was written; return the exit status."""
    manifest = compose.build(output, composition)
    write_training_card(output.folder, manifest)
    return _report(output, composition.inputs, manifest)


def _report(output: Output, inputs: Sequence[Input], manifest: TrainingManifest) -> int:
    """Print what was written, what was left out and what differs from the official counts."""
    out = output.folder
    official = {given.name for given in inputs if given.official is not None}
    for dataset, counts in manifest.counts_in.items():
        differs = any(line.startswith(f"{dataset} ") for line in manifest.differences)
        note = ", the official counts" if dataset in official and not differs else ""
        say(f"{dataset:<10} {sum(counts.values()):>8,} samples read{note}")
    for difference in manifest.differences:
        say(f"not the official counts: {difference}")
    for reason, n in manifest.left_out.items():
        say(f"{n:>8,} left out: {reason}")
    _report_repeats(manifest)
    listed = read_list(Duplicate, out / compose.DUPLICATES_NAME)
    conflicts = [duplicate.is_conflict for duplicate in listed]
    say(
        f"{len(conflicts):>8,} groups of equal or nearly equal images within a split, "
        f"{sum(conflicts):,} of them with different labels"
    )
    tested = manifest.recipe["tested_against"]
    if tested is None:
        say("Not compared with any benchmark: scores of a model trained on this may be too good.")
    elif tested["caveat"]:
        say(f"Compared with a part of FERBench only: {tested['caveat']}")
    for part in manifest.shards:
        say(f"{part:<10} {manifest.rows(part):>8,} rows   {out}/{part}-*.parquet")
    say(f"Lists: {', '.join((compose.LEFT_OUT_NAME, compose.LEAKS_NAME, compose.DUPLICATES_NAME))}")
    _report_roots(output, inputs, manifest)
    if manifest.unusable:
        warn(f"unifer-data: {manifest.unusable:,} entries could not be used")
    check_rows(out, manifest)
    return INCOMPLETE if manifest.unusable else 0


def _report_roots(output: Output, inputs: Sequence[Input], manifest: TrainingManifest) -> None:
    """Report which sources were read from elsewhere than the rows say.

    Raises:
        PreparationError: The manifest lacks a source.
    """
    out = output.folder
    for given in inputs:
        root, now = manifest.roots.get(given.name), str(given.root(output.images))
        if root is None:
            raise PreparationError(
                f"the manifest of {out} has no root of {given.name}; remove it and build again"
            )
        if root != now:
            say(
                f"{given.name}: these rows name images below {root}, where `rebase` put them; "
                f"{rebase_command(out, f'{given.name}={now}')} moves them to those read now"
            )


def _report_repeats(manifest: TrainingManifest) -> None:
    """Report which images are in several rows or in none, if there are any."""
    uneven = manifest.uneven_repeats()
    if uneven:
        say(f"training: {Repeats.total(uneven.values())}")
    for (dataset, label), repeats in uneven.items():
        say(f"    {dataset} {label}: {repeats}")


def check_rows(out: Path, manifest: TrainingManifest) -> None:
    """Check that a build without faults left something to train on.

    Raises:
        PreparationError: No row was written, and running again would not change that.
    """
    if manifest.rows("train") or manifest.unusable:
        return
    reason, n = max(manifest.left_out.items(), key=lambda item: item[1], default=("", 0))
    why = f"{n:,} entries were left out: {reason}" if n else "the sources hold no sample for it"
    raise PreparationError(f"{out} holds no row to train on; {why}")
