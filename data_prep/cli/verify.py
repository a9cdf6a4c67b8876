"""`unifer-data verify`: check an output against its manifest and verl's own readers."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_prep.cli.options import add_jobs, add_numbers, say, warn
from data_prep.images.fingerprints import FOLDER as EXAMINED
from data_prep.outputs import verify
from data_prep.outputs.training_folder import is_training_folder
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.counted import counted
from unifer_tasks.support.extras import TRAIN
from unifer_tasks.support.numbers import positive_integer

MAX_LISTED = 20
"""Problems of each kind that are listed; all are counted."""


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "verify",
        help="check an output against its manifest and verl's own readers",
        description="Check hashes, counts and images of any folder that unifer-data wrote. With "
        "--processor, read training rows with verl's own datasets too.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a benchmark folder or a folder of training rows"
    )
    parser.add_argument(
        "--processor", metavar="MODEL", help="read the rows with verl and this model's processor"
    )
    add_numbers(
        parser,
        ("--max-prompt-tokens", positive_integer, "N", 4096, "maximum tokens of a GRPO prompt"),
        ("--max-tokens", positive_integer, "N", 4096, "maximum tokens of an SFT row"),
    )
    add_jobs(parser, "decode")
    parser.set_defaults(run=_run, needs=lambda args: [TRAIN] if args.processor else [])


def _run(args: argparse.Namespace) -> int:
    if is_training_folder(args.folder):
        manifest, problems = verify.verify_rows(args.folder, args.jobs)
        rows = {part: manifest.rows(part) for part in manifest.shards}
        listed = [shard.path for shards in manifest.shards.values() for shard in shards]
        if not problems and not (args.folder / EXAMINED).is_dir():
            say("every image was decoded; without fingerprints, its content could not be compared")
        if args.processor and not problems:
            limits = verify.Limits(args.max_prompt_tokens, args.max_tokens)
            problems = [list(verify.verify_with_verl(args.folder, args.processor, limits))]
    else:
        benchmark, problems = verify.verify_benchmark(args.folder, args.jobs)
        rows = {dataset: file.rows for dataset, file in benchmark.datasets.items()}
        listed = [file.path for file in benchmark.datasets.values()]
        caveat = benchmark.caveat()
        say("the whole of FERBench" if caveat is None else f"not FERBench: {caveat}")
    for part, n in rows.items():
        say(f"{part:<10} {n:>8,} rows")
    if others := verify.unlisted(args.folder, listed):
        unknown = counted(len(others), "parquet file")
        say(f"not checked: {unknown} that the manifest does not list, such as {others[0]}")
    for kind in problems:
        for problem in kind[:MAX_LISTED]:
            warn(f"unifer-data: {problem}")
        if len(kind) > MAX_LISTED:
            warn(f"unifer-data: and {len(kind) - MAX_LISTED:,} more of this kind")
    n_problems = sum(map(len, problems))
    say(counted(n_problems, "problem") if n_problems else "all is as the manifest says")
    return 1 if n_problems else 0
