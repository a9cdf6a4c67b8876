from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from unifer_tasks.protocol.labels import FERBENCH
from unifer_tasks.redaction.characters import visible
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import ranked
from unifer_tasks.report.figures.numbers import p_value
from unifer_tasks.report.figures.published import published_scores
from unifer_tasks.report.renderers.leaderboard import as_csv, as_latex
from unifer_tasks.report.renderers.markdown import as_markdown


@pytest.fixture(scope="module")
def markdown(assessments: list[Assessment]) -> str:
    return as_markdown(contents(assessments, published_scores(), ["Mind the gap."]))


def lines_after(text: str, heading: str) -> list[str]:
    return text.partition(f"## {heading}\n\n")[2].partition("\n\n##")[0].splitlines()


def test_the_best_model_stands_first_and_its_variants_below_it(
    assessments: list[Assessment],
) -> None:
    titles = [one.run.title for one in ranked(list(reversed(assessments)))]
    assert titles[0] == "org/m_$1|<b>"
    assert {title.partition(" (")[0] for title in titles[1:-1]} == {"org/m_$1|<b>"}
    assert titles[-1] == "other"


def test_markdown_has_every_scope_with_its_denominator(markdown: str) -> None:
    pooled = lines_after(markdown, "Pooled over all answers")
    assert pooled[2].startswith(r"| org/m\_\$1\|\<b\> | 66.67 [")
    assert "| 42 of 11,072, INCOMPLETE | STAND-IN (synthetic) |" in pooled[2]
    assert pooled[-1].startswith("| other | 33.33 [")
    assert "| 21 of 11,072, INCOMPLETE | unknown |" in pooled[-1]
    assert "| 21 of 431, INCOMPLETE |" in lines_after(markdown, "SFEW 2.0")[2]
    assert len(lines_after(markdown, "RAF-DB")) == 3
    assert "## AffectNet" not in markdown
    assert "> **Mind the gap.**" in markdown


def test_markdown_sets_variants_beside_their_base(markdown: str) -> None:
    direct, shuffled = lines_after(markdown, "Variants")[5:7]
    # All 21 right against 14: 7 questions flip, p = 2 / 2^7, over 2 tests a pair and 6 pairs.
    assert "| direct | 100.00 | +33.33 [" in direct
    assert "| 0.0156 | " in direct
    assert "| 21 | 100.00 | 100.00 | 0.00 |" in direct
    assert "| shuffled_0 | 66.67 | 0.00 [" in shuffled
    (order,) = lines_after(markdown, "Order of the candidates")[4:]
    assert "| 66.67 / 66.67 / 66.67 / 66.67 | 0.00 | 100.00 |" in order


def test_published_scores_are_never_among_the_measured(markdown: str) -> None:
    measured, _, published = markdown.partition("## Published by others, not measured here")
    assert "UniFER-7B" not in measured
    assert "| UniFER-7B | Pooled over all answers | WAR | 68.84 | upstream | 11,072 |" in published


def test_csv_tells_measured_from_published(assessments: list[Assessment]) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(contents(assessments, published_scores())))))
    assert {row["kind"] for row in rows} == {"measured", "published"}
    first = rows[0]
    assert (first["model"], first["variant"], first["reader"], first["scope"]) == (
        "org/m_$1|<b>", "base", "strict", "pooled",
    )  # fmt: skip
    assert (first["n"], first["complete"], first["stand_in"]) == ("42", "false", "true")
    assert float(first["accuracy_low"]) <= float(first["accuracy"]) <= float(first["accuracy_high"])
    assert first["answered"] == "42"
    last = rows[-1]
    assert (last["kind"], last["accuracy"], last["uar"]) == ("published", "0.6884", "")


def test_latex_escapes_names_and_marks_stand_ins(assessments: list[Assessment]) -> None:
    text = as_latex(contents(assessments, published_scores()))
    assert (
        r"org/m\_\$1\textbar{}\textless{}b\textgreater{}$^{\ast}$$^{\dagger}$ & $66.67_{[" in text
    )
    assert text.index(r"\emph{Published by others}") < text.index("UniFER-7B")
    widths = {line.count(" & ") for line in text.splitlines() if line.endswith(r"\\")}
    assert max(widths) == 5 + 2 * len(FERBENCH)


@pytest.mark.parametrize(
    ("p", "text"), [(1.0, "1.0000"), (0.0312, "0.0312"), (1e-9, "< 0.0001"), (0.0, "< 0.0001")]
)
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text


HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =cmd|' /C calc'!A0",
    "\uff1d1+1",
    "\x1b[2Ja",
    "\x9b2Ja",
    "a\u202egnp",
    "\u2066=1",
    "a\x00b",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_no_formula_and_nothing_in_it_acts_unseen(
    assessments: list[Assessment], name: str
) -> None:
    one = replace(assessments[0], run=replace(assessments[0].run, name=name, source=name))
    texts = [
        as_csv(contents([one])),
        as_latex(contents([one])),
        as_markdown(contents([one], [], [name])),
    ]
    for text in texts:
        assert all(c.isprintable() or c == "\n" or c == "\t" for c in text)
    for row in csv.DictReader(io.StringIO(texts[0])):
        for cell in (row["model"], row["source"]):
            assert cell[0] not in "=+-@\t\r\n\uff1d"
            assert cell.removeprefix("'") == visible(name)


def test_a_plain_name_stays_as_it_is(assessments: list[Assessment]) -> None:
    (row, *_) = csv.DictReader(io.StringIO(as_csv(contents(assessments))))
    assert row["model"] == assessments[0].run.name
