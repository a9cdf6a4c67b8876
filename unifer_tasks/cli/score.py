"""`ferbench score`: the scores of any system's predictions."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unifer_tasks.data.manifest import read_manifest
from unifer_tasks.data.predictions import (
    BadRowsError,
    Prediction,
    PredictionError,
    iter_predictions,
)
from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.labels import FERBENCH, N_QUESTIONS
from unifer_tasks.scoring.metrics import METRICS, READERS
from unifer_tasks.scoring.summary import DatasetScores, MeanScores, Reading, Summary, read, score
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.counted import counted
from unifer_tasks.support.files import atomic_write, atomic_write_lines


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "score",
        help="score predictions of any system, without a model or images",
        description="Score a file of predictions: JSON lines, a JSON list, CSV, TSV or XLSX, with "
        "dataset, id, target and one of response, label and error; or a file that VLMEvalKit "
        "wrote for `unifer-data export vlmevalkit --form open`.",
    )
    parser.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS", help="a file; - for standard input"
    )
    parser.add_argument(
        "--reader",
        choices=READERS,
        default="strict",
        help="rules for reading a response (default: %(default)s)",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out malformed and duplicate rows, and list them",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="also measure by the annotators' votes and attributes that this benchmark folder has",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every score as JSON")
    parser.add_argument(
        "--answers", type=Path, metavar="OUT.jsonl", help="write what was read from every row"
    )
    parser.set_defaults(run=_run, writes_files=("json", "answers"))


def _run(args: argparse.Namespace) -> int:
    for output in filter(None, (args.json, args.answers)):
        if output.exists() and args.predictions.exists() and output.samefile(args.predictions):
            raise PredictionError(f"{output} holds the predictions; write to another file")
    if args.data and args.reader != "strict":
        raise PredictionError(
            "--data measures what the strict reader takes: leave --reader upstream or --data out"
        )
    skipped = 0
    all_predictions: list[Prediction] = []

    def skip(problem: str) -> None:
        nonlocal skipped
        skipped += 1
        print(f"skipped {problem}", file=sys.stderr)

    try:
        with ExitStack() as stack:
            note = stack.enter_context(atomic_write_lines(args.answers)) if args.answers else None
            predictions = iter_predictions(args.predictions, skip if args.skip_bad else None)
            if args.data:
                read_manifest(args.data)
                predictions = _kept(predictions, all_predictions)
            readings = (read(prediction, args.reader) for prediction in predictions)
            summary = score(_noted(readings, note) if note else readings, args.reader)
    except BadRowsError as error:
        raise PredictionError(f"{error}\n  (--skip-bad leaves them out)") from None
    annotated = _by_annotations(all_predictions, args) if args.data else _Annotated()
    if args.json:
        with atomic_write(args.json) as partial:
            document = {**summary.as_json(), "skipped": skipped, **annotated.figures}
            partial.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print("\n\n".join([_table(summary), *annotated.texts]))
    for line in (*_notes(summary, skipped), *annotated.notes):
        print(line, file=sys.stderr)
    return 0


@dataclass(frozen=True, slots=True)
class _Annotated:
    """What annotations say of predictions: tables, what a file holds of them, and notes."""

    texts: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


def _kept(predictions: Iterator[Prediction], into: list[Prediction]) -> Iterator[Prediction]:
    for prediction in predictions:
        into.append(prediction)
        yield prediction


def _by_annotations(predictions: Sequence[Prediction], args: argparse.Namespace) -> _Annotated:
    from unifer_tasks.report.figures.assessment import assess
    from unifer_tasks.report.figures.numbers import text_table
    from unifer_tasks.report.renderers.scores import as_plain
    from unifer_tasks.report.sections import groups, votes
    from unifer_tasks.report.sources.annotated import annotations_of, read_annotated, unlike
    from unifer_tasks.report.sources.given import run_of_predictions

    run = run_of_predictions(args.predictions, predictions)
    data = read_annotated(args.data, [run])
    one = assess(run, annotations_of(run, data))
    found = [part for build in (votes.section, groups.section) if (part := build([one]))]
    if not found and not (notes := unlike([run], data)):
        notes = [f"{args.data} has no votes and no attributes of these questions."]
    texts = []
    for part in found:
        tables = (f"{title}\n{text_table(table)}" for title, table in part.tables.items())
        texts += [*tables, textwrap.fill(part.text, 100)]
    figures = {part.key: as_plain(part.figures[run.title]) for part in found}
    return _Annotated(texts, figures, [] if found else notes)


def _noted(
    readings: Iterator[Reading], note: Callable[[Mapping[str, Any]], None]
) -> Iterator[Reading]:
    for row in readings:
        note(
            {
                "dataset": row.prediction.dataset,
                "id": row.prediction.id,
                "label": row.label,
                "outcome": row.outcome,
            }
        )
        yield row


def _table(summary: Summary) -> str:
    widths = {name: max(12, len(metric.title) + 2) for name, metric in METRICS.items()}
    titles = "".join(f"{metric.title:>{widths[name]}}" for name, metric in METRICS.items())
    lines = [f"{summary.reader:<10} {'n':>7}{titles}"]
    rows: dict[str, DatasetScores | MeanScores] = {
        **summary.datasets,
        "pooled": summary.pooled,
        "mean": summary.mean,
    }
    for name, row in rows.items():
        cells = "".join(f"{_cell(row.scores[name]):>{width}}" for name, width in widths.items())
        n = f"{row.n:,}" if isinstance(row, DatasetScores) else ""
        lines.append(f"{name:<10} {n:>7}{cells}")
    if summary.pooled.intervals:
        low, high = summary.pooled.intervals["accuracy"]
        lines.append(f"pooled accuracy, 95 % interval: {low:.4f} to {high:.4f}")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _notes(summary: Summary, skipped: int) -> Iterator[str]:
    """Yield what must not be overlooked beside the scores."""
    pooled = summary.pooled
    scored = sum(part.targets.total() for part in summary.datasets.values())
    if skipped:
        yield f"SKIPPED: {skipped:,} of {counted(skipped + scored, 'row')}, listed above"
    if not summary.complete:
        yield (
            f"PARTIAL: {counted(scored, 'prediction')} for {', '.join(summary.datasets)}; FERBench "
            f"has {N_QUESTIONS:,} questions in four datasets{_other_labels(summary)}. These are "
            "not FERBench scores."
        )
    if summary.reader == "upstream" and pooled.excluded:
        yield (
            f"left out of the denominator: {counted(pooled.excluded, 'failed request')}, as the "
            "paper's evaluators do; the strict reader counts what failed as wrong."
        )
    unread = {k: v for k, v in pooled.outcomes.items() if v and k != "answered"}
    if unread:
        yield "not read: " + ", ".join(f"{v:,} {k}" for k, v in unread.items())
    if unread.keys() - {Outcome.REQUEST_FAILED.value} and not pooled.outcomes["answered"]:
        yield (
            "NO ANSWER WAS READ: `response` takes a whole output with its <answer> block, `label` "
            "one of the dataset's words; --answers OUT.jsonl lists the rows."
        )


def _other_labels(summary: Summary) -> str:
    """Say where a dataset has as many predictions as questions, and not as many of each label."""
    found = []
    for dataset, space in FERBENCH.items():
        part = summary.datasets.get(dataset)
        if part is None or part.targets.total() != space.n_test:
            continue
        differing = [
            f"{part.targets[label]:,} {label} instead of {n:,}"
            for label, n in space.test_counts.items()
            if part.targets[label] != n
        ]
        if differing:
            found.append(f"{dataset} {', '.join(differing)}")
    return f"; the label counts differ: {'; '.join(found)}" if found else ""
