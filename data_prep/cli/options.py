"""Options and output shared by several subcommands."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from data_prep.sources.archives import DATASETS, open_source
from data_prep.sources.samples import Source, Split
from data_prep.support.errors import PreparationError
from data_prep.support.output import Output
from data_prep.support.packed import UNPACKED
from unifer_tasks.data.manifest import DATA_VARIABLE
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.support.command import in_one_line
from unifer_tasks.support.numbers import natural_number, positive_integer

INCOMPLETE = 3
"""Exit status of a run that succeeded with something left out."""

Number = tuple[str, Callable[[str], float], str, float | None, str]
"""An option: its name, parser, metavar, default and help text."""

Item = TypeVar("Item")


def say(text: str) -> None:
    """Print a message on one line, whatever names it holds."""
    print(in_one_line(text))


def to_evaluate_on(out: Path) -> str:
    """Return the command by which a run of the benchmark finds a folder."""
    return f"export {DATA_VARIABLE}={shlex.quote(str(out.absolute()))}"


def warn(text: str) -> None:
    """Print a message on one line of standard error, whatever names it holds."""
    print(in_one_line(text), file=sys.stderr)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add an option for the archive of each dataset."""
    for dataset in DATASETS:
        parser.add_argument(
            f"--{dataset}",
            type=Path,
            metavar="PATH",
            help=f"{label_space(dataset).title}: its official folder, zip, tar or 7z",
        )


def open_sources(args: argparse.Namespace, wanted: Split) -> dict[str, Source]:
    """Open the archives given as options, to read a split.

    Raises:
        PreparationError: None was given, or one is malformed.
    """
    paths: Mapping[str, Path | None] = {dataset: getattr(args, dataset) for dataset in DATASETS}
    sources = {
        dataset: open_source(
            dataset,
            path,
            unpacked(args),
            wanted=wanted,
            majority=getattr(args, "ferplus_majority", False),
        )
        for dataset, path in paths.items()
        if path is not None
    }
    if not sources:
        options = ", ".join(f"--{dataset}" for dataset in DATASETS)
        raise PreparationError(f"no archive was named; give at least one of {options}")
    return sources


def first_given(args: argparse.Namespace, names: Iterable[str]) -> str | None:
    """Return the first of some options that is not at its default, as it is typed.

    The command has set `default_of` to what its parser says of them.
    """
    given = (name for name in names if getattr(args, name) != args.default_of(name))
    return next((f"--{name.replace('_', '-')}" for name in given), None)


def output(args: argparse.Namespace) -> Output:
    """Return where the command writes, and how."""
    return Output(args.out, args.jobs, _progress)


def unpacked(args: argparse.Namespace) -> Path:
    """Return the folder below the output for unpacked archives."""
    out: Path = args.out
    return out / UNPACKED


def add_push(parser: argparse.ArgumentParser) -> None:
    """Add `--push`, which `main` handles once the command has finished."""
    parser.add_argument(
        "--push",
        metavar="USER/NAME",
        help="publish the result, without images, as a private dataset on the hub",
    )


def add_numbers(parser: argparse.ArgumentParser, *rows: Number) -> None:
    """Add numeric options, with their defaults in the help texts."""
    for option, read, metavar, default, text in rows:
        shown = text if default is None else f"{text} (default: %(default)s)"
        parser.add_argument(option, type=read, metavar=metavar, help=shown, default=default)


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add `--seed`."""
    add_numbers(parser, ("--seed", natural_number, "N", 0, "seed of every random choice"))


def add_jobs(parser: argparse.ArgumentParser, work: str) -> None:
    """Add `--jobs`."""
    text = f"processes that {work} (default: one per core)"
    add_numbers(parser, ("--jobs", positive_integer, "N", None, text))


def _progress(title: str, items: Iterable[Item], total: int) -> Iterable[Item]:
    bar: Iterable[Item] = tqdm(items, desc=title, total=total, unit="image", disable=None)
    return bar
