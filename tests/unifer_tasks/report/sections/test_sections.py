"""What each section shows of runs, and that a section reaches every output."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unifer_tasks.report.page.made_up import three_runs
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison, compare, report_pairs
from unifer_tasks.report.figures.numbers import cell_text
from unifer_tasks.report.figures.tables import Percent, Points, PValue, Section, Table
from unifer_tasks.report.page import write_page
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.renderers.scores import scores_document
from unifer_tasks.report.sections import outcomes, repeats, variants
from unifer_tasks.report.sections.listed import sections

SMALL = Section(
    "small",
    "Small and plain",
    "One figure.",
    Table(("model", "figure"), (("m", Percent(0.5, 0.25, 0.75)), ("n", None))),
    {"m": Percent(0.5, 0.25, 0.75)},
)


@pytest.fixture(scope="module")
def runs() -> list[Assessment]:
    return three_runs(30)


@pytest.fixture(scope="module")
def comparisons(runs: list[Assessment]) -> list[Comparison]:
    return compare(report_pairs(runs))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "-"),
        ("a|b", "a|b"),
        (11072, "11,072"),
        (12.5, "12.5"),
        (Percent(0.12345), "12.35"),
        (Percent(None), "-"),
        (Percent(float("nan")), "-"),
        (Percent(0.5, 0.25, 0.75), "50.00 [25.00, 75.00]"),
        (Points(-0.0123, -0.1, 0.2), "-1.23 [-10.00, +20.00]"),
        (PValue(1e-9), "< 0.0001"),
        (
            (Percent(0.5, note="k = 1"), Percent(1.0, note="k = 2")),
            "50.00 (k = 1) / 100.00 (k = 2)",
        ),
    ],
)
def test_cells_as_text(cell: object, text: str) -> None:
    assert cell_text(cell) == text  # type: ignore[arg-type]


def test_only_what_the_runs_have_is_a_section(
    runs: list[Assessment], comparisons: list[Comparison]
) -> None:
    assert [each.key for each in sections(runs, comparisons)] == ["outcomes", "variants"]
    assert [each.key for each in sections(runs[:1], [])] == ["outcomes"]
    assert repeats.section(runs) is None


def test_every_answer_has_an_outcome(runs: list[Assessment]) -> None:
    for one, (title, *counts) in zip(runs, outcomes.section(runs).table.rows, strict=True):
        assert title == one.run.title
        assert sum(count for count in counts if isinstance(count, int)) == len(one.run.predictions)


def test_a_variant_is_beside_its_base(
    runs: list[Assessment], comparisons: list[Comparison]
) -> None:
    found = variants.section(runs, comparisons)
    assert found is not None
    ((base, direct),) = found.table.groups
    assert (base[:2], base[3]) == (("Smiler", "base"), None)
    assert direct[:2] == ("Smiler", "direct")
    change = direct[3]
    assert isinstance(change, Points)
    assert change.low < change.value < change.high


def test_a_listed_section_is_in_every_output(
    runs: list[Assessment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "section", lambda _: SMALL)
    report = contents(runs)
    text = as_markdown(report)
    assert "## Small and plain\n\nOne figure.\n\n| model | figure |" in text
    assert "| m | 50.00 [25.00, 75.00] |\n| n | - |" in text
    page = write_page(report, tmp_path).path.read_text()
    assert '<a href="#small">Small and plain</a>' in page
    assert '<td data-value="0.5">50.0<small>25.0 to 75.0</small></td>' in page
    figure = {"value": 0.5, "low": 0.25, "high": 0.75, "note": "", "digits": 0}
    assert scores_document(report)["small"] == {"m": figure}
