"""`ferbench score`: the scores of any system's predictions."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unifer_tasks.protocol.labels import N_QUESTIONS
from unifer_tasks.scoring.metrics import READERS
from unifer_tasks.scoring.predictions import read_predictions
from unifer_tasks.scoring.summary import Reading, read, summarise
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.files import replacing


def add(commands: Subparsers) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "score",
        help="score predictions of any system, without a model or images",
        description="Scores a JSONL file of predictions: one object a line with dataset, id, "
        "target and either response or label, or error: true.",
    )
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS.jsonl")
    parser.add_argument("--reader", choices=READERS, default="strict", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every score as JSON")
    parser.add_argument(
        "--answers", type=Path, metavar="OUT.jsonl", help="write what was read from every line"
    )
    parser.set_defaults(run=_run, writes_files=("json", "answers"))


def _run(args: argparse.Namespace) -> int:
    readings = [read(prediction, args.reader) for prediction in read_predictions(args.predictions)]
    summary = summarise(readings, args.reader)
    if args.json:
        _write(args.json, [json.dumps(summary, indent=2)])
    if args.answers:
        _write(args.answers, (json.dumps(_answer(row)) for row in readings))
    print(_table(summary))
    for note in _notes(summary):
        print(note, file=sys.stderr)
    return 0


def _answer(row: Reading) -> dict[str, Any]:
    return {
        "dataset": row.prediction.dataset,
        "id": row.prediction.id,
        "label": row.label,
        "outcome": row.outcome,
    }


def _write(path: Path, lines: Iterable[str]) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


_COLUMNS = {
    "accuracy": "accuracy",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "F1",
    "uar": "UAR",
    "unreadable": "unreadable",
}


def _table(summary: dict[str, Any]) -> str:
    lines = [f"{summary['reader']:<10} {'n':>7}" + "".join(f"{c:>12}" for c in _COLUMNS.values())]
    rows = {**summary["datasets"], "pooled": summary["pooled"], "mean": summary["mean"]}
    for name, row in rows.items():
        values = (row[metric] for metric in _COLUMNS)
        cells = "".join(f"{'-' if v is None else format(v, '.4f'):>12}" for v in values)
        lines.append(f"{name:<10} {format(row['n'], ',') if 'n' in row else '':>7}{cells}")
    low_high = (summary["pooled"]["intervals"] or {}).get("accuracy")
    if low_high:
        lines.append("pooled accuracy, 95 % interval: {:.4f} to {:.4f}".format(*low_high))
    return "\n".join(lines)


def _notes(summary: dict[str, Any]) -> list[str]:
    """What must not be overlooked beside the scores."""
    pooled = summary["pooled"]
    notes = []
    if not summary["complete"]:
        scored = pooled["n"] + pooled["excluded"]
        notes.append(
            f"PARTIAL: {scored:,} predictions for {', '.join(summary['datasets'])}; FERBench has "
            f"{N_QUESTIONS:,} questions in four datasets. These are not FERBench scores."
        )
    if summary["reader"] == "upstream" and pooled["excluded"]:
        notes.append(
            f"{pooled['excluded']:,} failed requests are left out of the denominator, as the "
            "paper's evaluators do; the strict reader counts them as wrong."
        )
    unread = {k: v for k, v in pooled["outcomes"].items() if v and k != "answered"}
    if unread:
        notes.append("not read: " + ", ".join(f"{v:,} {k}" for k, v in unread.items()))
    return notes
