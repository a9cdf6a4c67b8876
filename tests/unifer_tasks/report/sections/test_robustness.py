"""The section on robustness: a kind that was planted to hurt is found, the others are not."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest

from tests.unifer_tasks.report.page.made_up import always, assessed, run
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.corruptions import KINDS, STRENGTHS, condition_of, in_words
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import Percent, PValue, Section
from unifer_tasks.report.renderers.markdown import as_markdown, section_blocks
from unifer_tasks.report.sections.robustness import Robustness, section

LABELS = LABEL_SPACES["sfew"].labels
ACCURACY = 0.8


def answers(
    n: int, kinds: Collection[str] = (), hurt: Collection[str] = (), factor: float = 1.0
) -> list[Prediction]:
    """Return answers that are right as often as `ACCURACY`, times a factor for some kinds.

    A corrupted image is answered as the clean one, but for as many that turn wrong as turn right.
    """
    rows = []
    for number in range(n):
        target, wrong = (LABELS[(number + turn) % len(LABELS)] for turn in (0, 1))
        luck, loss, flip = np.random.default_rng([number, 7]).random(3)
        right = luck < ACCURACY
        if kinds:
            right = flip >= 0.02 if right else flip < 0.02 * ACCURACY / (1 - ACCURACY)
            if condition_of("sfew", str(number), tuple(kinds)).kind in hurt:
                right = right and loss < factor
        text = response("The brows are raised.", target if right else wrong)
        rows.append(Prediction("sfew", str(number), target, text))
    return rows


def runs_of(
    n: int, hurt: Collection[str], factor: float, key: str = "corrupted"
) -> list[Assessment]:
    variant = VARIANTS[key]
    corrupted = answers(n, variant.corrupts, hurt, factor)
    return assessed(run("Model", answers(n)), run("Model", corrupted, variant=variant))


def found_in(runs: list[Assessment]) -> tuple[Section, Robustness]:
    found = section(runs)
    assert found is not None
    ((_, measured),) = found.figures.items()
    assert isinstance(measured, Robustness)
    return found, measured


@pytest.mark.parametrize("hurt", [("mask",), ("noise", "sunglasses"), ()], ids=str)
def test_the_kinds_that_hurt_are_found_and_no_others(hurt: tuple[str, ...]) -> None:
    _, measured = found_in(runs_of(2000, set(hurt), 0.5))
    assert {kind for kind, kept in measured.kinds.items() if kept.p_holm < 0.05} == set(hurt)
    for kind, kept in measured.kinds.items():
        assert kept.ratio is not None
        low, high = kept.ratio.interval
        assert low < (0.5 if kind in hurt else 1.0) < high
        assert high - low < 0.25


def test_the_text_names_the_losses_the_worst_first() -> None:
    found, measured = found_in(runs_of(1500, {"mask", "low_resolution"}, 0.5))
    losses = sorted(
        (kept.ratio.value, in_words(kind))
        for kind, kept in measured.kinds.items()
        if kept.ratio is not None and kind in {"mask", "low_resolution"}
    )
    listed = ", ".join(f"{kind} ({100 * ratio:.1f} % kept)" for ratio, kind in losses)
    assert found.lines == (f"Model (corrupted) loses accuracy beyond chance under {listed}.",)
    unhurt, _ = found_in(runs_of(700, set(), 1.0))
    (line,) = unhurt.lines
    assert line.startswith("Model (corrupted): no loss is shown under any kind")
    assert f"\n\n- {line}\n\n" in "\n\n".join(section_blocks(unhurt))


def test_a_row_for_each_kind_adds_up() -> None:
    found, measured = found_in(runs_of(700, {"blur"}, 0.7))
    every, *rows = found.table.rows
    assert every[:3] == ("Model (corrupted)", "all kinds", 700)
    assert [row[1] for row in rows] == [*map(in_words, KINDS)]
    assert sum(row[2] for row in rows if isinstance(row[2], int)) == 700
    for row in (every, *rows):
        assert len(row) == len(found.table.columns)
        clean, corrupted, kept = (cell.value for cell in row[3:6] if isinstance(cell, Percent))
        assert kept == pytest.approx((corrupted or 0) / (clean or 1))
    assert isinstance(rows[0][7], PValue)
    for kind, parts in measured.strengths.items():
        assert tuple(parts) == STRENGTHS
        assert sum(part.counts.n for part in parts.values()) == measured.kinds[kind].counts.n


def test_a_kind_alone_is_a_run_of_its_own() -> None:
    one = runs_of(300, {"mask"}, 0.5, "corrupted_mask")
    found, measured = found_in(one)
    assert list(measured.kinds) == ["mask"]
    ((title, kind, n, *_),) = found.table.rows
    assert (title, kind, n) == ("Model (corrupted_mask)", "mask", 300)
    both = section([*runs_of(300, {"mask"}, 0.5), one[1]])
    assert both is not None
    assert list(both.figures) == ["Model (corrupted)", "Model (corrupted_mask)"]


def test_only_the_questions_that_both_answered_count() -> None:
    variant = VARIANTS["corrupted"]
    short = run("Model", answers(200)[50:])
    _, measured = found_in(assessed(short, run("Model", answers(120, KINDS), variant=variant)))
    assert measured.overall.counts.n == 70


@pytest.mark.parametrize(
    ("name", "variant", "stand_in"),
    [("Other", BASE, False), ("Model", VARIANTS["direct"], False), ("Model", BASE, True)],
    ids=["another model", "another variant", "other faces"],
)
def test_without_the_same_images_clean_there_is_no_figure(
    name: str, variant: object, stand_in: bool
) -> None:
    corrupted = run("Model", answers(50, KINDS), variant=VARIANTS["corrupted"])
    other = run(name, answers(50), variant=variant, stand_in=stand_in)  # type: ignore[arg-type]
    assert section(assessed(corrupted, other)) is None
    again, base = runs_of(50, set(), 1.0)
    lonely = assessed(run("Lonely", answers(50, KINDS), variant=VARIANTS["corrupted"]))
    found = section([again, base, *lonely])
    assert found is not None
    assert "Not shown for Lonely (corrupted): the report has no run" in found.text


def test_a_model_that_has_nothing_right_keeps_nothing_that_could_be_measured() -> None:
    wrong = [row for row in always("happiness", 140, ["sfew"]) if row.target != "happy"]
    corrupted = run("Model", wrong, variant=VARIANTS["corrupted"])
    found, measured = found_in(assessed(run("Model", wrong), corrupted))
    assert measured.overall.ratio is None
    assert found.table.rows[0][5] is None


def test_a_report_shows_it_apart_from_the_benchmarks_figures() -> None:
    runs = runs_of(700, {"mask"}, 0.2)
    text = as_markdown(contents(runs))
    assert "## Robustness\n" in text
    assert "| Model (corrupted) | mask |" in text
    alone = as_markdown(contents(runs[:1]))
    assert "Robustness" not in alone
    rows = [line for line in alone.splitlines() if line.startswith("| Model |")]
    assert rows
    assert set(rows) <= set(text.splitlines())
