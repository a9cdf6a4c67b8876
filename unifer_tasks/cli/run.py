"""`ferbench run`: benchmarks several models and reports on them."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from unifer_tasks.data.manifest import data_root, manifest_digest
from unifer_tasks.runner.additions import listing
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.counted import counted
from unifer_tasks.support.extras import EVAL, REPORT
from unifer_tasks.support.locks import hold
from unifer_tasks.support.numbers import positive_integer

if TYPE_CHECKING:
    from unifer_tasks.runner.additions import Addition
    from unifer_tasks.runner.jobs import Job, JobResult
    from unifer_tasks.runner.presets import Preset, Price

_ABOUT = (
    "Run presets one after the other, or side by side with --gpus, and end with a report. "
    "Finished work is skipped, killed runs resume, and failed models and requests are tried again. "
    "Exit status 1 if a model failed, 3 if requests failed."
)


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "run",
        help="benchmark several models and report on them",
        description=textwrap.fill(_ABOUT, 79),
        epilog=f"additions of --with, each with its requests for one of the base's:\n{listing()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models",
        required=True,
        metavar="A,B,...",
        help="presets (`ferbench preset` lists them), your own TOML or YAML files, or all, "
        "open, api",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--tasks", metavar="A,B,...", help="tasks (default: those of the preset, `ferbench`)"
    )
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="additions",
        metavar="A,B,...",
        help="measure more of the same models; the additions are listed below",
    )
    parser.add_argument(
        "--limit", type=positive_integer, metavar="N", help="ask only N questions per task"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="[PRESET:]KEY=VALUE",
        help="change a preset for this run: a key of lmms-eval's configuration, model_args.NAME "
        "or gen_kwargs.NAME",
    )
    parser.add_argument(
        "--gpus", metavar="0,1,...", help="run in parallel on these GPUs, one process per model"
    )
    parser.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="PRESET=IN,OUT",
        help="prices of a million input and output tokens of an API, to estimate the cost of a run",
    )
    parser.set_defaults(run=_run, needs=lambda _: [EVAL, REPORT])


def _run(args: argparse.Namespace) -> int:
    from unifer_tasks.runner.presets import PresetError, find_presets

    try:
        return run_presets(
            find_presets(args.models.split(",")),
            args.out,
            tasks=args.tasks,
            additions=",".join(args.additions).split(",") if args.additions else (),
            limit=args.limit,
            changes=args.changes,
            gpus=args.gpus.split(",") if args.gpus else None,
            prices=args.price,
        )
    except PresetError as error:
        print(f"ferbench run: {error}", file=sys.stderr)
        return 1


def run_presets(
    presets: Sequence[Preset],
    out: Path,
    *,
    tasks: str | None = None,
    additions: Sequence[str] = (),
    limit: int | None = None,
    changes: Sequence[str] = (),
    gpus: Sequence[str] | None = None,
    prices: Sequence[str] = (),
) -> int:
    """Run presets and report on them; each parameter is an option of `ferbench run`.

    Returns:
        The exit status: 0 if every question was answered, 1 if a model failed, 3 if requests did.

    Raises:
        PresetError: A preset or an option cannot be used; nothing has been run.
        DataError: The benchmark's data cannot be read.
        HoldError: Another run is at work on one of the models.
    """
    from unifer_tasks.harness.selection import check_data, selected
    from unifer_tasks.runner.additions import check_annotations, find_additions
    from unifer_tasks.runner.jobs import check
    from unifer_tasks.runner.rationales import lacks_rationales, with_own_rationales

    found = find_additions(additions)
    jobs = _jobs(presets, out, tasks, found, limit, changes)
    before = [each.name for each in found if not (each.variant and each.variant.forces)]
    if len(before) < len(found) and any(map(lacks_rationales, jobs)):
        check(jobs, gpus)
        # In processes of their own: what is forced follows a run that has ended.
        if status := run_presets(
            presets, out, tasks=tasks, additions=before, limit=limit, changes=changes, gpus=gpus,
            prices=prices,
        ):  # fmt: skip
            return status
    jobs = with_own_rationales(jobs)
    by_name = _prices(prices, jobs)
    to_do = [job for job in jobs if not job.is_done()]
    check(to_do, gpus)
    for job in to_do:
        check_data(selected(job.tasks))
    for job in jobs:
        check_annotations(found, job.tasks)
    with ExitStack() as stack:
        # Not the whole output: another run may be at work on other models.
        for job in to_do:
            stack.enter_context(hold(job.folder))
        return _run_all(jobs, to_do, by_name, gpus, out)


def _run_all(
    jobs: Sequence[Job],
    to_do: Sequence[Job],
    prices: Mapping[str, Price],
    gpus: Sequence[str] | None,
    out: Path,
) -> int:
    from unifer_tasks.runner.jobs import run_jobs

    for job in jobs:
        if job not in to_do:
            print(f"{job.preset.name}: done before")
            continue
        if len(job.tasks) > 1:
            _print_extent(job)
        if price := prices.get(job.preset.name):
            _print_estimate(job, price)
    broken = failed = 0
    for ended in run_jobs(to_do, gpus):
        _print_end(ended, prices.get(ended.job.preset.name))
        broken += ended.status != 0
        failed += ended.progress.failed if ended.progress else 0
    with_results = [job for job in jobs if any(job.results.rglob("*_results.json"))]
    if with_results:
        with hold(out / "report", wait=True):
            _report(with_results, out / "report")
    if broken:
        print(
            f"{broken} of {counted(len(jobs), 'model')} failed; start again to continue",
            file=sys.stderr,
        )
        return 1
    if failed:
        print(
            f"{counted(failed, 'request')} failed; start again to ask them again", file=sys.stderr
        )
        return 3
    return 0


def _jobs(
    presets: Sequence[Preset],
    out: Path,
    tasks: str | None,
    additions: Sequence[Addition],
    limit: int | None,
    changes: Sequence[str],
) -> list[Job]:
    from unifer_tasks.runner.additions import with_additions
    from unifer_tasks.runner.jobs import Job
    from unifer_tasks.runner.settings import changed, read_change

    read = [read_change(text) for text in changes]
    data = manifest_digest(data_root())
    all_settings = [changed(preset, read, tasks=tasks, limit=limit) for preset in presets]
    for settings in all_settings:
        settings["tasks"] = with_additions(str(settings["tasks"]), additions)
    return [
        # What a preset needs, its GPUs for one, may be changed as well.
        Job(preset.with_settings(settings), settings, out / preset.name, data)
        for preset, settings in zip(presets, all_settings, strict=True)
    ]


def _prices(given: Sequence[str], jobs: Sequence[Job]) -> dict[str, Price]:
    from unifer_tasks.runner.presets import PresetError, Price

    prices = {job.preset.name: job.preset.card.price for job in jobs if job.preset.card.price}
    for text in given:
        name, _, figures = text.partition("=")
        try:
            price = Price(*map(float, figures.split(",")))
        except (ValueError, TypeError):
            raise PresetError(f"--price {text!r} must have the form PRESET=IN,OUT") from None
        if name not in {job.preset.name for job in jobs}:
            raise PresetError(f"--price {text!r} names no model of this run")
        prices[name] = price
    return prices


def _print_extent(job: Job) -> None:
    parts = ", ".join(f"{job.n_requests(task):,} {task}" for task in job.tasks)
    print(f"{job.preset.name}: {counted(job.n_requests(), 'request')} ({parts})")


def _print_estimate(job: Job, price: Price) -> None:
    from unifer_tasks.runner.spend import estimate, most_tokens_out

    text = estimate(price, job.n_requests(), most_tokens_out(job.settings), job.progress)
    print(f"{job.preset.name}: will cost {text}")


def _print_end(ended: JobResult, price: Price | None) -> None:
    from unifer_tasks.runner.spend import spent

    name, progress = ended.job.preset.name, ended.progress
    if ended.status:
        print(f"{name}: failed ({ended.cause}); {ended.job.log} ends with")
        print(ended.tail())
        return
    if progress is None:
        print(f"{name}: done")
        return
    print(
        f"{name}: {progress.answered:,} of {progress.total:,} answered, {progress.reused:,} of "
        f"them before, {progress.failed:,} failed"
    )
    if price:
        print(f"{name}: cost {spent(price, progress)}")
    if not progress.failed:
        ended.job.remember()


def _report(jobs: list[Job], out: Path) -> None:
    from unifer_tasks.report.build import build_report
    from unifer_tasks.report.figures.published import published_scores
    from unifer_tasks.report.sources.given import read_runs

    runs = read_runs((job.preset.name, job.results) for job in jobs)
    report = build_report(runs, published_scores(), out, data=data_root())
    for run in runs:
        for note in run.notes:
            print(f"{run.title}: {note}", file=sys.stderr)
    print(report.page)
