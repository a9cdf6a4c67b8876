"""`unifer-data ferbench`: the benchmark, from the official archives."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.cli.options import (
    INCOMPLETE,
    add_jobs,
    add_push,
    add_sources,
    open_sources,
    output,
    say,
    to_evaluate_on,
    warn,
)
from data_prep.outputs import ferbench
from data_prep.outputs.benchmark_folder import check_folder
from data_prep.outputs.card import write_benchmark_card
from data_prep.outputs.quarantine import (
    QUARANTINE_NAME,
    SKIPPED_NAME,
    UNANNOTATED_NAME,
    Fault,
    read_list,
)
from data_prep.sources.index import Question, read_index
from data_prep.sources.samples import Split
from data_prep.support.errors import PreparationError
from unifer_tasks.data.manifest import Manifest
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.counted import counted

_LISTS = {
    SKIPPED_NAME: "not asked about",
    UNANNOTATED_NAME: "annotations that were left out",
}
"""List in a dataset's folder -> what it names."""

_NO_ANNOTATIONS = {
    "rafdb": "without gender, race and age groups: it has no Annotation/manual/*_manu_attri.txt; "
    "with these files the same command, to another folder, keeps them beside the questions",
}
"""Dataset -> message for an archive without its annotations."""


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "ferbench",
        help="build FERBench from the official archives",
        description="Build the benchmark from the datasets' official archives and check it "
        "against the published counts. Datasets that are not given are left out, as the manifest "
        "records.",
    )
    add_sources(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--index",
        type=Path,
        metavar="DIR",
        help="folder of the published question files: compare every id, label and prompt, and "
        "take their order",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="build although images are missing; scores then carry a caveat",
    )
    add_jobs(parser, "decode")
    add_push(parser)
    parser.set_defaults(run=_run, writes="out")


def _run(args: argparse.Namespace) -> int:
    index = read_index(args.index) if args.index else {}
    # Before anything is unpacked to it.
    check_folder(args.out)
    sources = open_sources(args, Split.TEST)
    plans = [ferbench.plan(source, index.get(key)) for key, source in sources.items()]
    _show_skipped(plans)
    _check(plans, index, args.partial)
    manifest = ferbench.build(output(args), plans)
    write_benchmark_card(args.out, manifest)
    status = _report(args.out, manifest)
    lacks = any(not entry.by_rule for plan in plans for entry in plan.skipped)
    return INCOMPLETE if lacks else status


def _show_skipped(plans: Sequence[ferbench.Plan]) -> None:
    for plan in plans:
        reasons = Counter(entry.reason for entry in plan.skipped)
        for reason, n in reasons.items():
            say(f"{plan.source.dataset:<10} {n:>6,} not asked about: {reason}")
        for reason, n in Counter(fault.reason for fault in plan.unannotated).items():
            say(f"{plan.source.dataset:<10} {n:>6,} without {reason}")


def _check(
    plans: Sequence[ferbench.Plan], index: Mapping[str, Sequence[Question]], partial: bool
) -> None:
    found = [
        difference
        for plan in plans
        for difference in ferbench.differences(plan, index.get(plan.source.dataset))
    ]
    may_be_partial = all(difference.is_absence for difference in found)
    if found and not (partial and may_be_partial):
        remedy = "; --partial builds what is there" if may_be_partial else ""
        raise PreparationError(
            f"{counted(len(found), 'difference')} from the published benchmark, listed above; "
            f"nothing was written{remedy}",
            [difference.text for difference in found],
        )
    for difference in found:
        warn(difference.text)


def _report(out: Path, manifest: Manifest) -> int:
    left_out = 0
    for dataset, file in manifest.datasets.items():
        listed = out / dataset / QUARANTINE_NAME
        faults = list(read_list(Fault, listed)) if listed.exists() else []
        left_out += len(faults)
        say(f"{dataset:<10} {file.rows:>6,} questions   {out / file.path}")
        for name, n in file.annotations.items():
            say(f"{dataset:<10} {n:>6,} with {name}")
        if dataset in _NO_ANNOTATIONS and not file.annotations:
            say(f"{dataset:<10} {_NO_ANNOTATIONS[dataset]}")
        for name, what in _LISTS.items():
            if (path := out / dataset / name).exists() and path.stat().st_size:
                say(f"{dataset:<10} {what}: listed in {path}")
        for fault in faults:
            warn(f"left out: {fault.dataset} {fault.id} {fault.reason}")
    caveat = manifest.caveat()
    if caveat is not None:
        say(f"This is a part of FERBench: {caveat}")
    say(f"To evaluate on it: {to_evaluate_on(out)}")
    return INCOMPLETE if left_out else 0
