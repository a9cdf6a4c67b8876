"""Caveats beside the scores of a run, in the words of each output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES, N_QUESTIONS
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.scoring.summary import pooled_datasets

FACES: Mapping[bool | None, str] = {
    True: "STAND-IN (synthetic)",
    False: "benchmark",
    None: "unknown",
}
"""`Run.stand_in` -> what the images are."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A reason why scores are not the benchmark's, or not all of them.

    Attributes:
        text: For a badge on the page.
        short: For a row of a plot; "" leaves it out.
        symbol: For a row of the LaTeX table; "" leaves it out.
    """

    text: str
    short: str = ""
    symbol: str = ""


def marks(one: Assessment) -> tuple[Mark, ...]:
    """Return the marks of a run."""
    found = []
    if one.run.stand_in:
        found.append(Mark("stand-in faces", "synthetic faces", r"$^{\ast}$"))
    if not one.strict.complete:
        answered = sum(row.dataset in FERBENCH for row in one.run.predictions)
        if not answered:
            text = "no question of the benchmark"
        elif answered < N_QUESTIONS:
            text = f"incomplete: {answered:,} of {N_QUESTIONS:,}"
        else:
            text = "questions of other labels than the benchmark's"
        found.append(Mark(text, "incomplete", r"$^{\dagger}$"))
    if one.repeats:
        repeats = max(each.repeats for each in one.repeats.values())
        found.append(Mark(f"first of {repeats} answers"))
    return tuple(found)


def is_complete(one: Assessment, scope: str) -> bool:
    """Return whether a run was asked all questions of a scope, as many of each label."""
    part = one.strict.datasets.get(scope)
    if part is None or one.strict.complete:
        return one.strict.complete
    return LABEL_SPACES[scope].is_complete(part.targets)


def questions(one: Assessment, scope: str) -> str:
    """Describe how many questions were asked in a scope, and whether that is all of them.

    Of a run with `--limit` it also gives the number in the data: "8 of 28 of 431".
    """
    part = one.strict.datasets.get(scope) or one.strict.pooled
    n = part.answers
    if is_complete(one, scope):
        return f"{n:,}"
    if n == part.questions:
        return f"{n:,}, OTHER {'LABELS' if FERBENCH.keys() & one.strict.datasets else 'DATASETS'}"
    rows = one.run.rows
    pooled = [scope] if scope in one.strict.datasets else pooled_datasets(rows)
    held = sum(rows.get(dataset, 0) for dataset in pooled)
    of_held = f" of {held:,}" if n < held < part.questions else ""
    return f"{n:,}{of_held} of {part.questions:,}, INCOMPLETE"
