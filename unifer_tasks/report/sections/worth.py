"""What a rationale is worth: whether the answer depends on the reasoning before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from unifer_tasks.protocol.variants.forced import CUTS, NONE, OTHER
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.tables import (
    Percent,
    Points,
    PValue,
    Row,
    Section,
    Table,
    with_interval,
)
from unifer_tasks.report.figures.worth import DIRECT, Worth, worth
from unifer_tasks.support.counted import counted

_TEXT = (
    "Forced answers: the likeliest candidate where the reply begins with the model's rationale "
    "from an earlier run, with its first words, with nothing, or with the rationale of another "
    "image of the dataset, one that had led to another answer where there is one. Differences, "
    "McNemar's exact test (Holm over a model's rows) and changed answers are against the own "
    "rationale, on the same questions. Followed: the answer is that of the other image's "
    "rationale. An answer that changes with the rationale depends on it. One that does not may "
    "rest on the image alone or on the same thoughts unwritten, so it does not prove a rationale "
    "unfaithful; nor does dependence prove it true. A forced answer is not what the model would "
    "have written."
)
_COLUMNS = ("model", "the reply begins with", "WAR", "changed", "followed", "against own", "p",
            "p (Holm)", "questions")  # fmt: skip
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{condition: f"its first {100 * share:.0f} %" for condition, share in CUTS.items()},
        NONE: "nothing",
        OTHER: "another image's rationale",
        DIRECT: "nothing, asked for the answer alone",
    }
)


def section(assessments: Sequence[Assessment], _: Sequence[Comparison]) -> Section | None:
    """Return what the rationales of each run are worth; None if no answer was forced."""
    direct = {one.run.name: one for one in assessments if one.run.variant is VARIANTS["ranked"]}
    found = {
        one.run.name: measured
        for one in assessments
        if one.run.variant.forces and (measured := worth(one, direct.get(one.run.name)))
    }
    if not found:
        return None
    lacking = [
        f"{name} {counted(measured.lacking, 'question')}"
        for name, measured in found.items()
        if measured.lacking
    ]
    text = _TEXT
    if lacking:
        text += f" Left out, without a rationale or a reply: {', '.join(lacking)}."
    rows = tuple(row for name, measured in found.items() for row in _rows(name, measured))
    return Section(
        "rationale_worth",
        "What a rationale is worth",
        text,
        Table(_COLUMNS, rows, n_texts=2),
        found,
    )


def _rows(name: str, measured: Worth) -> Iterator[Row]:
    yield name, "its rationale", with_interval(Percent, measured.own), *(None,) * 5, measured.n
    for condition, title in _NAMES.items():
        if effect := measured.effects.get(condition):
            yield (
                name,
                title,
                with_interval(Percent, effect.accuracy),
                with_interval(Percent, effect.changed),
                with_interval(Percent, effect.followed),
                with_interval(Points, effect.difference),
                PValue(effect.p),
                PValue(effect.p_holm),
                effect.counts.n,
            )
