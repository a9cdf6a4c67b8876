"""`unifer-data cot`: cold-start rows with the rationales of a teacher."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from data_prep.cli.composition import (
    add_composition,
    build,
    check_rows,
    composition_options,
    published_inputs,
)
from data_prep.cli.options import INCOMPLETE, add_numbers, first_given, output, say, warn
from data_prep.outputs.card import write_training_card
from data_prep.outputs.training_folder import TrainingManifest, by_label, open_folder
from data_prep.sources.published import COT_KEYS
from data_prep.support.errors import PreparationError
from data_prep.training import compose, cot
from data_prep.training.answer_log import AnswerLog
from data_prep.training.balance import Balance
from data_prep.training.rationales import Limits, Mode
from data_prep.training.rows import PUBLISHED_COT
from data_prep.training.teacher import Pace, Tally, Teacher, ask_all
from unifer_tasks.protocol.labels import canonical
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import TEACHER
from unifer_tasks.support.numbers import non_negative_number, positive_integer

KEY_VARIABLE = "OPENAI_API_KEY"

RARE = 0.01
"""Share of the rows below which a class is reported: the demo's cold start forgot a class of 0.25 %
and kept one of 2 %."""


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "cot",
        help="build UniFER-CoT: rationales for the cold start",
        description="Ask a teacher model about the images of a folder of GRPO rows and write SFT "
        "rows of the answers that pass every filter; or convert the paper's published file. The "
        f"endpoint's key is read from {KEY_VARIABLE}.",
    )
    parser.add_argument(
        "--rows", type=Path, metavar="DIR", help="a folder that `unifer-data rlvr` wrote"
    )
    parser.add_argument("--teacher", metavar="MODEL", help="the model's name at the endpoint")
    parser.add_argument(
        "--base-url", metavar="URL", help="an OpenAI-compatible endpoint (default: OpenAI's)"
    )
    parser.add_argument(
        "--mode",
        type=Mode,
        choices=list(Mode),
        default=Mode.BLIND,
        help="blind: show the teacher the image alone; hinted: the label as well "
        "(default: %(default)s)",
    )
    add_numbers(
        parser,
        ("--limit", positive_integer, "N", None, "ask only the first N questions"),
        ("--concurrency", positive_integer, "N", 8, "concurrent requests"),
        ("--per-minute", positive_integer, "N", None, "maximum requests per minute"),
        ("--budget", non_negative_number, "COST", None, "stop asking once the cost reaches this"),
        ("--price-in", non_negative_number, "COST", 0.0, "price of a million input tokens"),
        ("--price-out", non_negative_number, "COST", 0.0, "price of a million output tokens"),
        ("--max-tokens", positive_integer, "N", 1024, "maximum tokens of an answer"),
        ("--temperature", non_negative_number, "T", 1.0, "sampling temperature"),
        ("--timeout", non_negative_number, "SECONDS", 120.0, "time limit of a request"),
        ("--tries", positive_integer, "N", 6, "attempts per question"),
        ("--backoff", non_negative_number, "SECONDS", 1.0, "wait before a retry, then doubled"),
        ("--min-words", positive_integer, "N", 20, "minimum words of a rationale"),
        ("--max-words", positive_integer, "N", 400, "maximum words of a rationale"),
    )
    parser.add_argument(
        "--balance-classes",
        type=Balance,
        choices=list(Balance),
        default=Balance.NONE,
        help="repeat accepted answers towards uniform shares of the labels within a dataset, or "
        "shares by the square roots of their counts: GRPO cannot bring back a class that the cold "
        "start forgets (default: %(default)s)",
    )
    add_composition(parser)
    parser.set_defaults(
        run=_run,
        writes="out",
        needs=lambda args: [TEACHER] if args.published is None else [],
        default_of=parser.get_default,
    )


def _run(args: argparse.Namespace) -> int:
    if args.published is not None:
        if given := first_given(args, ("rows", "teacher")):
            raise PreparationError(f"{given} asks a teacher, --from converts a file; leave one out")
        # Before anything is unpacked to it.
        open_folder(args.out)
        inputs = published_inputs(args, COT_KEYS)
        options = composition_options(args)
        return build(
            output(args), compose.Composition(inputs, PUBLISHED_COT, options, args.ferbench)
        )
    if args.rows is None or args.teacher is None:
        raise PreparationError("give --rows and --teacher, or the paper's file with --from")
    if given := first_given(args, ("images", "ferbench", "no_leak_check", "keep_leaks", "valid")):
        raise PreparationError(
            f"{given} is for --from: `unifer-data rlvr` has compared the rows of --rows with the "
            "benchmark and held some out; leave it out"
        )
    return _ask(args)


def _ask(args: argparse.Namespace) -> int:
    teacher = Teacher(
        model=args.teacher,
        base_url=args.base_url,
        api_key=_key(args.base_url),
        mode=args.mode,
        max_tokens=args.max_tokens,
        temperature=args.temperature,
        timeout_s=args.timeout,
        max_tries=args.tries,
        backoff_s=args.backoff,
    )
    if args.budget is not None and not (args.price_in > 0 or args.price_out > 0):
        raise PreparationError("--budget needs the prices of tokens: --price-in and --price-out")
    pace = Pace(args.concurrency, args.per_minute, args.budget, args.price_in, args.price_out)
    limits = Limits(args.min_words, args.max_words)
    task = cot.Task(args.rows, args.mode, args.teacher, args.limit, limits, args.balance_classes)
    n_questions = task.n_rows
    open_folder(args.out)
    with (
        AnswerLog(args.out / cot.ANSWERS_NAME, args.mode, args.teacher) as log,
        tqdm(
            desc=args.teacher, initial=len(log), total=n_questions, unit="answer", disable=None
        ) as bar,
    ):

        def show(tally: Tally, log: AnswerLog) -> None:
            bar.set_postfix(failed=len(tally.failed), cost=f"{pace.cost(log):.2f}")
            bar.update(len(log) - bar.n)

        tally = ask_all(task.questions(), teacher, pace, log, show)
        manifest = cot.finish(args.out, task, log)
        write_training_card(args.out, manifest)
        return _report(args.out, manifest, tally, pace, log)


def _key(base_url: str | None) -> str:
    key = os.environ.get(KEY_VARIABLE)
    if key:
        return key
    if base_url is None:
        raise PreparationError(f"set {KEY_VARIABLE}, or name another endpoint with --base-url")
    # `vllm serve` needs no key, but the client requires a non-empty one.
    return "none"


def _report_labels(manifest: TrainingManifest) -> None:
    """Report the rows of each expression, and which are so rare that they may be forgotten."""
    asked = _by_expression(manifest.counts_in)
    rows = sum(map(_by_expression, manifest.counts_out.values()), Counter())
    for label, n in asked.items():
        say(f"{rows[label]:>8,} rows of {n:,} questions: {label}")
    rare = [label for label in asked if rows[label] < RARE * rows.total()]
    if rare:
        warn(
            f"note: under {RARE:.0%} of the rows show {', '.join(rare)}: GRPO cannot bring back a "
            "class that the cold start no longer answers; --balance-classes sqrt repeats what "
            "there is, --mode hinted lets more pass"
        )


def _by_expression(counts: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, label), n in by_label(counts).items():
        found[canonical(label)] += n
    return found


def _report(out: Path, manifest: TrainingManifest, tally: Tally, pace: Pace, log: AnswerLog) -> int:
    say(f"{len(log):>8,} questions answered, {tally.answered:,} now")
    say(f"{log.tokens_in:>8,} tokens asked, {log.tokens_out:,} answered")
    say(f"{pace.cost(log):>8.2f} spent")
    for reason, n in manifest.left_out.items():
        say(f"{n:>8,} left out: {reason}")
    for part in manifest.shards:
        say(f"{part:<5} {manifest.rows(part):>8,} rows   {out}/{part}-*.parquet")
    _report_labels(manifest)
    for change in tally.changes:
        warn(f"note: {change}")
    for (dataset, sample_id), error in tally.failed.items():
        warn(f"no answer: {dataset} {sample_id}: {error}")
    if tally.out_of_budget:
        warn("unifer-data: the budget is spent; a larger --budget continues")
    elif manifest.unusable:
        warn(
            f"unifer-data: {manifest.unusable:,} questions have no answer yet; the same command "
            "asks them again"
        )
    check_rows(out, manifest)
    return INCOMPLETE if manifest.unusable else 0
