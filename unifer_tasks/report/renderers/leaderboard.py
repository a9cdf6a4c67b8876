"""The leaderboard as CSV and LaTeX.

The best pooled accuracy (WAR) is at the top and the variants of a model are below it; what others
published has a part of its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from unifer_tasks.protocol.variants.listed import BASE
from unifer_tasks.redaction.characters import one_line, visible
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import (
    MAJORITY,
    SCOPES,
    datasets_shown,
    measures_of,
    ranked,
)
from unifer_tasks.report.figures.contents import Contents
from unifer_tasks.report.figures.marks import marks
from unifer_tasks.report.figures.numbers import percent
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.scoring.metrics import HEADLINE, READERS, Reader
from unifer_tasks.scoring.repeats import RepeatScores
from unifer_tasks.scoring.summary import OUTCOMES, DatasetScores, MeanScores, Scored

_VOTE = (MAJORITY, f"{MAJORITY}_low", f"{MAJORITY}_high")


def as_csv(report: Contents) -> str:
    """Return the leaderboard as CSV: a row for each run, reader and scope.

    Scores are in [0, 1]; a cell is empty where nothing was measured. `kind` is measured or
    published. A name that a spreadsheet would run as a formula has an apostrophe before it.
    """
    bounds = [f"{metric}_{end}" for metric in HEADLINE for end in ("low", "high")]
    fields = [
        "kind", "model", "variant", "reader", "scope", "n", "complete", "stand_in",
        *HEADLINE, *bounds, "unreadable", *OUTCOMES["strict"], "median_words", "repeats", *_VOTE,
        "source",
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, restval="", lineterminator="\n")
    writer.writeheader()
    for one in ranked(report.runs):
        for reader in READERS:
            for scope in SCOPES:
                if (part := one.summary(reader).scope(scope)) is not None:
                    writer.writerow(_csv_row(one, reader, scope, part))
    for score in report.published:
        writer.writerow(
            {
                "kind": "published",
                "model": _csv_text(score.model),
                "variant": BASE.key,
                "reader": _csv_text(score.reader),
                "scope": score.dataset,
                "n": "" if score.n is None else score.n,
                **({score.metric: score.score} if score.metric in fields else {}),
                "source": _csv_text(score.source),
            }
        )
    return text.getvalue()


def as_latex(report: Contents) -> str:
    """Return the leaderboard as a LaTeX table (booktabs), intervals as subscripts."""
    scopes = {"pooled": "Pooled", "mean": "Mean"} | {
        dataset: space.title for dataset, space in datasets_shown(report.runs).items()
    }
    columns = [(scope, metric) for scope in scopes for metric in ("accuracy", "uar")]
    lines = [
        "% Strict reader, percent; subscripts: 95 % intervals (bootstrap, or Wilson's where every",
        "% draw is alike). Needs booktabs.",
        rf"\begin{{tabular}}{{l{'r' * (len(columns) + 1)}}}",
        r"\toprule",
        " & ".join(["", *(rf"\multicolumn{{2}}{{c}}{{{_tex(t)}}}" for t in scopes.values()), ""])
        + r" \\",
        " & ".join(["Model", *(HEADLINE[metric] for _, metric in columns), "Unread."]) + r" \\",
        r"\midrule",
    ]
    for one in ranked(report.runs):
        cells = [_tex_score(one.strict.scope(scope), metric) for scope, metric in columns]
        unread = one.strict.pooled.scores["unreadable"]
        symbols = "".join(mark.symbol for mark in marks(one))
        lines.append(" & ".join([_tex(one.run.title) + symbols, *cells, percent(unread)]) + r" \\")
    if report.published:
        span = len(columns) + 2
        lines += [r"\midrule", rf"\multicolumn{{{span}}}{{l}}{{\emph{{Published by others}}}} \\"]
        lines += list(_tex_published(columns, report.published))
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        r"% $^{\ast}$ synthetic faces: no result on photographs. $^{\dagger}$ not all questions.",
    ]
    return "\n".join(lines) + "\n"


def _csv_row(
    one: Assessment, reader: Reader, scope: str, part: DatasetScores | MeanScores
) -> dict[str, object]:
    measures = measures_of(one, scope)
    median = measures.words.median if measures else None
    return {
        "kind": "measured",
        "model": _csv_text(one.run.name),
        "variant": one.run.variant_key,
        "reader": reader,
        "scope": scope,
        "n": part.n if isinstance(part, DatasetScores) else "",
        "complete": str(one.summary(reader).complete).lower(),
        "stand_in": {True: "true", False: "false", None: "unknown"}[one.run.stand_in],
        **{metric: _cell(part.scores[metric]) for metric in HEADLINE},
        **{
            f"{metric}_{end}": f"{bound:.6f}"
            for metric in HEADLINE
            for end, bound in zip(("low", "high"), part.interval(metric) or (), strict=False)
        },
        "unreadable": _cell(part.scores["unreadable"]),
        **{
            outcome: part.outcomes.get(outcome, "")
            for outcome in OUTCOMES["strict"]
            if isinstance(part, DatasetScores)
        },
        "median_words": "" if median is None else f"{median:g}",
        **(_vote(one.repeats.get(scope)) if reader == "strict" else {}),
        "source": _csv_text(one.run.source),
    }


def _vote(found: RepeatScores | None) -> dict[str, object]:
    """Return the columns of the majority vote; empty of questions that were asked once."""
    if found is None:
        return {}
    vote = found.curve[-1].majority_vote
    cells = map(_cell, (vote.value, *vote.interval))
    return {"repeats": found.repeats, **dict(zip(_VOTE, cells, strict=True))}


def _csv_text(text: str) -> str:
    """Keep a name from being a formula; the wide forms are taken for one as well."""
    plain = visible(text)
    starts = plain[:1] in {"\t", "\r", "\n"} or plain.lstrip()[:1] in set(
        "=+-@\uff1d\uff0b\uff0d\uff20"
    )
    return f"'{plain}" if starts else plain


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in one_line(text))


def _tex_score(part: Scored | None, metric: str) -> str:
    if part is None or part.scores[metric] is None:
        return "--"
    low_high = part.interval(metric)
    bounds = f"_{{[{percent(low_high[0])},\\,{percent(low_high[1])}]}}" if low_high else ""
    return f"${percent(part.scores[metric])}{bounds}$"


def _tex_published(
    columns: Sequence[tuple[str, str]], published: Sequence[PublishedScore]
) -> Iterator[str]:
    models: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for score in published:
        cells = models.setdefault((score.model, score.by), {})
        cells[score.dataset, score.metric] = f"{100 * score.score:.{score.decimals}f}"
    for (model, by), cells in models.items():
        row = [_tex(f"{model}, {by}"), *(cells.get(column, "--") for column in columns), "--"]
        yield " & ".join(row) + r" \\"
