"""The leaderboard as Markdown, CSV and LaTeX.

Measured runs come first, the best pooled accuracy (WAR) at the top and the variants of a model
below it; what others published stands in a part of its own. WAR is the accuracy, UAR the mean
recall of the classes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from unifer_tasks.protocol.answers import Outcome
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.redaction.characters import one_line, visible
from unifer_tasks.redaction.markdown import Markdown, escape, table
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.order import order_biases
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.report.renderers.numbers import signed
from unifer_tasks.report.sources.runs import BASE
from unifer_tasks.scoring.metrics import HEADLINE, READERS, Reader
from unifer_tasks.scoring.summary import Mean, Scored, Section

SCOPES: Mapping[str, str] = {
    "pooled": "Pooled over all answers",
    "mean": "Mean of the datasets",
    **{dataset: space.title for dataset, space in LABEL_SPACES.items()},
}
"""Scope -> its title, in the order in which they are shown."""

_NOT_MEASURED = "-"


def ranked(assessments: Sequence[Assessment]) -> list[Assessment]:
    """Return the runs by pooled accuracy, the variants of a model right after its base.

    Models that were not asked everything come after those that were.
    """
    first: dict[str, tuple[bool, float]] = {}
    for one in assessments:
        accuracy = one.strict.pooled.scores["accuracy"] or 0.0
        if one.run.variant == BASE or one.run.name not in first:
            first[one.run.name] = (not one.strict.complete, -accuracy)
    return sorted(
        assessments,
        key=lambda one: (first[one.run.name], one.run.name, one.run.variant != BASE),
    )


def is_complete(one: Assessment, scope: str) -> bool:
    """Return whether a run was asked all questions of a scope, as many of each label."""
    part = one.strict.datasets.get(scope)
    if part is None or one.strict.complete:
        return one.strict.complete
    return LABEL_SPACES[scope].is_complete(part.targets)


def questions(one: Assessment, scope: str) -> str:
    """Describe how many questions were asked in a scope, and whether that is all of them.

    Of a run with `--limit` it also says how many the data holds: "8 of 28 of 431".
    """
    part = one.strict.datasets.get(scope) or one.strict.pooled
    n = part.answers
    if is_complete(one, scope):
        return f"{n:,}"
    if n == part.questions:
        return f"{n:,}, OTHER LABELS"
    rows = one.run.rows
    held = rows.get(scope, 0) if scope in one.strict.datasets else sum(rows.values())
    of_held = f" of {held:,}" if n < held < part.questions else ""
    return f"{n:,}{of_held} of {part.questions:,}, INCOMPLETE"


def faces(one: Assessment) -> str:
    """Describe what the images are."""
    return {True: "STAND-IN (drawn)", False: "benchmark", None: "unknown"}[one.run.stand_in]


def as_markdown(
    assessments: Sequence[Assessment],
    comparisons: Sequence[Comparison],
    published: Sequence[PublishedScore],
    warnings: Sequence[str] = (),
) -> str:
    """Return the leaderboard as Markdown."""
    runs = ranked(assessments)
    blocks = ["# FERBench leaderboard", *(f"> **{escape(warning)}**" for warning in warnings)]
    blocks.append(
        "Strict reader, in percent, with 95 % intervals: bootstrapped over the questions, Wilson's "
        "where every draw is alike. WAR is the accuracy, UAR the mean recall of the classes. "
        "Words: the median length of a response."
    )
    for scope, title in SCOPES.items():
        rows = [
            [
                escape(one.run.title),
                *_scores(part),
                _words(one, scope),
                questions(one, scope),
                faces(one),
            ]
            for one in runs
            if (part := one.strict.scope(scope)) is not None
        ]
        if rows:
            head = ["model", *HEADLINE.values(), "unreadable", "words", "questions", "faces"]
            blocks += [f"## {title}", table(head, rows, numeric=range(1, 6))]
    blocks += ["## What became of the questions", _outcomes(runs)]
    blocks += ["## Upstream reader", _upstream(runs)]
    if repeats := _repeats(runs):
        blocks += ["## Repeated answers", repeats]
    if variants := _variants(runs, comparisons):
        blocks += ["## Variants", variants]
    if orders := _orders(runs):
        blocks += ["## Order of the candidates", orders]
    if notes := [
        f"- {escape(one.run.title)}: {escape(note)}" for one in runs for note in one.run.notes
    ]:
        blocks += ["## Notes", "\n".join(notes)]
    if published:
        blocks += ["## Published by others, not measured here", _published(published)]
    return "\n\n".join(blocks) + "\n"


def as_csv(assessments: Sequence[Assessment], published: Sequence[PublishedScore]) -> str:
    """Return the leaderboard as CSV: a row for each run, reader and scope.

    Scores are in [0, 1]; a cell is empty where nothing was measured. `kind` tells measured rows
    from published ones. A name that a spreadsheet would run as a formula has an apostrophe
    before it.
    """
    outcomes = [outcome.value for outcome in Outcome]
    bounds = [f"{metric}_{end}" for metric in HEADLINE for end in ("low", "high")]
    fields = [
        "kind", "model", "variant", "reader", "scope", "n", "complete", "stand_in",
        *HEADLINE, *bounds, "unreadable", *outcomes, "median_words", "source",
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, restval="", lineterminator="\n")
    writer.writeheader()
    for one in ranked(assessments):
        for reader in READERS:
            for scope in SCOPES:
                if (part := one.summary(reader).scope(scope)) is not None:
                    writer.writerow(_csv_row(one, reader, scope, part))
    for score in published:
        writer.writerow(
            {
                "kind": "published",
                "model": _csv_text(score.model),
                "variant": BASE,
                "reader": _csv_text(score.reader),
                "scope": score.dataset,
                "n": "" if score.n is None else score.n,
                **({score.metric: score.score} if score.metric in fields else {}),
                "source": _csv_text(score.source),
            }
        )
    return text.getvalue()


def as_latex(assessments: Sequence[Assessment], published: Sequence[PublishedScore]) -> str:
    """Return the leaderboard as a LaTeX table (booktabs), intervals as subscripts."""
    scopes = {"pooled": "Pooled", "mean": "Mean"} | {
        dataset: space.title for dataset, space in LABEL_SPACES.items()
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
    for one in ranked(assessments):
        marks = (r"$^{\ast}$" if one.run.stand_in else "") + (
            "" if one.strict.complete else r"$^{\dagger}$"
        )
        cells = [_tex_score(one.strict.scope(scope), metric) for scope, metric in columns]
        unread = one.strict.pooled.scores["unreadable"]
        lines.append(" & ".join([_tex(one.run.title) + marks, *cells, _percent(unread)]) + r" \\")
    if published:
        span = len(columns) + 2
        lines += [r"\midrule", rf"\multicolumn{{{span}}}{{l}}{{\emph{{Published by others}}}} \\"]
        lines += list(_tex_published(columns, published))
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        r"% $^{\ast}$ drawn faces: no result on photographs. $^{\dagger}$ not all questions.",
    ]
    return "\n".join(lines) + "\n"


def _scores(part: Scored) -> list[str]:
    cells = []
    for metric in HEADLINE:
        low_high = part.interval(metric)
        bounds = f" [{_percent(low_high[0])}, {_percent(low_high[1])}]" if low_high else ""
        cells.append(Markdown(_percent(part.scores[metric]) + bounds))
    return [*cells, _percent(part.scores["unreadable"])]


def _words(one: Assessment, scope: str) -> str:
    median = _median_words(one, scope)
    return _NOT_MEASURED if median is None else f"{median:g}"


def _median_words(one: Assessment, scope: str) -> float | None:
    by_dataset = one.measures.datasets.get(scope)
    return (by_dataset or one.measures.overall).all.words.median if scope != "mean" else None


def _outcomes(runs: Sequence[Assessment]) -> str:
    names = [outcome.value for outcome in Outcome]
    rows = [
        [escape(one.run.title), *(f"{one.strict.pooled.outcomes[name]:,}" for name in names)]
        for one in runs
    ]
    return table(["model", *names], rows, numeric=range(1, len(names) + 1))


def _upstream(runs: Sequence[Assessment]) -> str:
    rows = []
    for one in runs:
        pooled = one.upstream.pooled
        excluded = f"{pooled.excluded:,}"
        rows.append([escape(one.run.title), *_scores(pooled)[:-1], f"{pooled.n:,}", excluded])
    head = ["model", *HEADLINE.values(), "counted", "failed requests, left out"]
    text = "Pooled, by the rules of the paper's evaluators: for comparison with published figures."
    return f"{text}\n\n{table(head, rows, numeric=range(1, 6))}"


def _repeats(runs: Sequence[Assessment]) -> str:
    rows = [
        [
            escape(one.run.title),
            SCOPES[scope],
            f"{found.repeats}",
            _percent(found.accuracy),
            _percent(found.majority_vote),
            " / ".join(f"{_percent(share)} ({k})" for k, share in found.pass_at.items()),
            _percent(found.agreement),
            f"{found.questions:,}",
        ]
        for one in runs
        for scope in SCOPES
        if (found := one.repeats.get(scope)) is not None
    ]
    if not rows:
        return ""
    head = ["model", "scope", "k", "WAR of all answers", "majority vote", "pass@k (k)",
            "agreement", "questions"]  # fmt: skip
    text = (
        "Each question was asked k times. Majority vote: the label that most answers chose is "
        "right; an unreadable answer has no vote, of equals the first answered wins. pass@k: one "
        "of k answers is right, without bias. Agreement: all answers are the same label."
    )
    return f"{text}\n\n{table(head, rows, numeric=range(2, 8))}"


def _variants(runs: Sequence[Assessment], comparisons: Sequence[Comparison]) -> str:
    title_of = {(one.run.name, one.run.variant): one.run.title for one in runs}
    against = {(each.a, each.b): each.pooled for each in comparisons}
    rows = []
    for one in runs:
        base = title_of.get((one.run.name, BASE))
        if one.run.variant == BASE or base is None:
            continue
        # Pairs come in the order of the runs; either may be the base.
        forward, backward = (
            against.get((one.run.title, base)),
            against.get((base, one.run.title)),
        )
        if found := forward or backward:
            points = 100 if forward else -100
            low, high = sorted(points * bound for bound in found.interval)
            change = f"{signed(points * found.difference, 2)} [{signed(low, 2)}, {signed(high, 2)}]"
            tests = [
                Markdown(change),
                p_value(found.p),
                p_value(found.p_holm),
                f"{found.counts.n:,}",
            ]
        else:
            tests = [_NOT_MEASURED] * 4
        war = _percent(one.strict.pooled.scores["accuracy"])
        rows.append([escape(one.run.name), one.run.variant, war, *tests])
    if not rows:
        return ""
    head = ["model", "variant", "WAR", "against base", "p", "p (Holm)", "shared questions"]
    text = (
        "Points of pooled WAR against the benchmark as published, on the shared questions; "
        "McNemar's exact test, corrected over all tests of this report."
    )
    return f"{text}\n\n{table(head, rows, numeric=range(2, 7))}"


def _orders(runs: Sequence[Assessment]) -> str:
    rows = [
        [
            escape(name),
            LABEL_SPACES[dataset].title,
            " / ".join(_percent(value) for value in bias.accuracy),
            _percent(bias.spread),
            _percent(bias.agreement),
        ]
        for name, parts in order_biases(runs).items()
        for dataset, bias in parts.items()
    ]
    if not rows:
        return ""
    head = ["model", "dataset", "WAR under each order", "spread", "same answer under all"]
    return table(head, rows, numeric=range(2, 5))


def _published(published: Sequence[PublishedScore]) -> str:
    rows = [
        [
            escape(score.model),
            SCOPES[score.dataset],
            HEADLINE.get(score.metric, score.metric),
            f"{100 * score.score:.{score.decimals}f}",
            escape(score.reader),
            "" if score.n is None else f"{score.n:,}",
            escape(score.by),
            Markdown(f"[{escape(score.source)}]({score.url})"),
        ]
        for score in published
    ]
    head = ["model", "scope", "metric", "score", "reader", "questions", "measured by", "source"]
    return table(head, rows, numeric=(3, 5))


def _csv_row(
    one: Assessment, reader: Reader, scope: str, part: Section | Mean
) -> dict[str, object]:
    median = _median_words(one, scope)
    return {
        "kind": "measured",
        "model": _csv_text(one.run.name),
        "variant": one.run.variant,
        "reader": reader,
        "scope": scope,
        "n": part.n if isinstance(part, Section) else "",
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
            outcome.value: part.outcomes.get(outcome.value, "")
            for outcome in Outcome
            if isinstance(part, Section)
        },
        "median_words": "" if median is None else f"{median:g}",
        "source": _csv_text(one.run.source),
    }


def _csv_text(text: str) -> str:
    """Keep a name from being a formula; the wide forms are taken for one as well."""
    plain = visible(text)
    starts = plain[:1] in {"\t", "\r", "\n"} or plain.lstrip()[:1] in set(
        "=+-@\uff1d\uff0b\uff0d\uff20"
    )
    return f"'{plain}" if starts else plain


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _percent(value: float | None) -> str:
    return _NOT_MEASURED if value is None or value != value else f"{100 * value:.2f}"


def p_value(p: float) -> str:
    """Write a p-value: three digits, and no more zeros than anyone needs."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


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
    bounds = f"_{{[{_percent(low_high[0])},\\,{_percent(low_high[1])}]}}" if low_high else ""
    return f"${_percent(part.scores[metric])}{bounds}$"


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
