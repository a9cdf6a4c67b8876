"""`ferbench compare`: whether a difference between runs is real."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from unifer_tasks.cli.report import add_runs
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.counted import counted
from unifer_tasks.support.files import atomic_write_lines

if TYPE_CHECKING:
    from unifer_tasks.report.figures.assessment import Assessment
    from unifer_tasks.report.figures.comparison import Comparison, Difference


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "compare",
        help="paired tests between runs, on the questions that both answered",
        description="Compare each pair of the given runs, by the strict reader: accuracies on the "
        "shared questions, their difference with a 95 % interval (Newcombe's square-and-add for "
        "paired proportions), McNemar's exact test, and Holm's correction over all tests.",
    )
    add_runs(parser)
    parser.add_argument(
        "--flips",
        type=Path,
        metavar="OUT.jsonl",
        help="write each question that one run of a pair answers correctly and the other does not",
    )
    parser.set_defaults(run=_run, writes_files=("flips",))


def _run(args: argparse.Namespace) -> int:
    from unifer_tasks.report.figures.assessment import assess_runs
    from unifer_tasks.report.figures.comparison import ComparisonError, compare

    assessments = assess_runs(args.runs)
    if len(assessments) < 2:
        raise ComparisonError(f"{assessments[0].run.title} is one run; give two or more")
    pairs = list(combinations(assessments, 2))
    comparisons = compare(pairs)
    if args.flips:
        _write_flips(args.flips, pairs)
    print("\n\n".join("\n".join(_lines(each)) for each in comparisons))
    for one in assessments:
        for note in one.run.notes:
            print(f"{one.run.title}: {note}", file=sys.stderr)
    return 0


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"a: {comparison.a}"
    yield f"b: {comparison.b}"
    yield (
        f"{'':<10} {'shared':>7} {'a':>8} {'b':>8} {'a - b':>9} {'95 % interval':>20} "
        f"{'only a':>7} {'only b':>7} {'p':>10} {'p (Holm)':>10}"
    )
    for name, part in {**comparison.datasets, "pooled": comparison.pooled}.items():
        yield _line(name, part)
    if comparison.only_in_a or comparison.only_in_b:
        yield (
            f"not shared: {counted(comparison.only_in_a, 'question')} only in a, "
            f"{comparison.only_in_b:,} only in b"
        )


def _line(name: str, part: Difference) -> str:
    low, high = part.interval
    interval = f"{low:+.4f} to {high:+.4f}"
    return (
        f"{name:<10} {part.counts.n:>7,} {part.a:>8.4f} {part.b:>8.4f} {part.difference:>+9.4f} "
        f"{interval:>20} {part.counts.only_a:>7,} {part.counts.only_b:>7,} "
        f"{part.p:>10.3g} {part.p_holm:>10.3g}"
    )


def _write_flips(path: Path, pairs: Sequence[tuple[Assessment, Assessment]]) -> None:
    from unifer_tasks.report.figures.comparison import flips

    with atomic_write_lines(path) as write:
        for a, b in pairs:
            for of_a, of_b in flips(a, b):
                write(
                    {
                        "a": a.run.title,
                        "b": b.run.title,
                        "dataset": of_a.prediction.dataset,
                        "id": of_a.prediction.id,
                        "target": of_a.prediction.target,
                        "label_a": of_a.label,
                        "label_b": of_b.label,
                        "outcome_a": of_a.outcome,
                        "outcome_b": of_b.outcome,
                    }
                )
