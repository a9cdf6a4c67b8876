"""AffectNet with eight and seven labels: what is planted is found, and nothing is pooled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unifer_tasks.report.page.made_up import always, assessed, run
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.figures.tables import Percent, Points
from unifer_tasks.report.renderers.leaderboard import as_latex
from unifer_tasks.report.renderers.scores import scores_document
from unifer_tasks.report.sections.parts import PartScores, part_scores, section
from unifer_tasks.report.sources.runs import Run

EIGHT = LABEL_SPACES["affectnet"].labels
SEVEN = LABEL_SPACES["affectnet7"].labels


def answers(dataset: str, said: Sequence[tuple[str, str]]) -> list[Prediction]:
    """Return predictions of (target, label); the n-th question has the same id in each dataset."""
    return [Prediction(dataset, str(n), target, label=label) for n, (target, label) in
            enumerate(said) if target in LABEL_SPACES[dataset].labels]  # fmt: skip


def planted(n: int = 40) -> list[Prediction]:
    """Answers with n questions of each label.

    Of eight labels a quarter of each is answered with contempt and contempt itself rightly; of
    seven an eighth is answered with neutral, and neutral rightly.
    """
    targets = [label for label in EIGHT for _ in range(n)]
    eight = [
        (label, "contempt" if number % 4 == 0 else label) for number, label in enumerate(targets)
    ]
    seven = [
        (label, "neutral" if number % 8 == 0 else label) for number, label in enumerate(targets)
    ]
    return [*answers("affectnet", eight), *answers("affectnet7", seven)]


def scored(predictions: Sequence[Prediction]) -> PartScores:
    found = part_scores(assess(Run("m", "m", tuple(predictions))), "affectnet7")
    assert found is not None
    return found


def test_each_figure_has_its_name_and_its_planted_value() -> None:
    found = section(assessed(Run("m", "m", tuple(planted()))))
    assert found is not None
    assert found.title == "AffectNet with 8 and 7 labels"
    assert "the answer contempt is wrong" in found.text
    assert (
        "has 500 images of each label, so over all of them WAR, the accuracy, equals" in found.text
    )
    rows = {row[1]: row for row in found.table.rows}
    assert list(rows) == [
        "AffectNet, 8-class",
        "AffectNet, 8-class answers over 7 labels",
        "AffectNet, 7-class",
    ]
    shares = {name: (row[2], row[3], row[4]) for name, row in rows.items()}
    for n, war, uar in shares.values():
        assert n in (320, 280)
        assert isinstance(war, Percent)
        assert isinstance(uar, Percent)
        # As many questions of each label.
        assert war.value == pytest.approx(uar.value)
        assert war.low is not None
        assert war.value is not None
        assert war.low < war.value
    values = {name: war.value for name, (_, war, _) in shares.items() if isinstance(war, Percent)}
    assert list(values.values()) == pytest.approx([7.0 / 8 * 0.75 + 1 / 8, 0.75, 1 - 6 / 7 / 8])
    change = rows["AffectNet, 7-class"][6]
    assert isinstance(change, Points)
    assert change.value == pytest.approx(0.25 - 6 / 7 / 8)
    assert change.low < change.value < change.high
    assert [row[7] for row in rows.values()] == [None, 70, None]


def test_a_dataset_has_the_leaderboards_intervals() -> None:
    """The benchmark's other datasets are drawn before it, so its own draws would be others."""
    one = assess(Run("m", "m", (*answers("rafdb", [("anger", "anger")] * 9), *planted())))
    found = part_scores(one, "affectnet7")
    assert found is not None
    for figures, dataset in ((found.whole, "affectnet"), (found.part, "affectnet7")):
        assert figures is not None
        scored = one.strict.datasets[dataset]
        for metric, estimate in figures.scores.items():
            assert estimate == scored.estimate(metric)


CELLS = st.lists(st.tuples(st.sampled_from(EIGHT), st.sampled_from([*EIGHT, ""])), min_size=1)


@settings(max_examples=25, deadline=None)
@given(CELLS)
def test_the_view_is_of_the_questions_with_another_target_and_no_answer_is_lost(
    said: list[tuple[str, str]],
) -> None:
    found = scored(answers("affectnet", said))
    view = [(target, label) for target, label in said if target != "contempt"]
    assert found.whole is not None
    assert found.whole.questions == len(said)
    if not view:
        assert found.view is None
        return
    assert found.view is not None
    assert found.view.questions == len(view)
    right = sum(target == label for target, label in view)
    assert found.view.scores["accuracy"].value == pytest.approx(right / len(view))
    assert found.outside == sum(label == "contempt" for _, label in view)
    assert (found.part, found.difference) == (None, None)


@settings(max_examples=25, deadline=None)
@given(CELLS)
def test_asked_without_contempt_and_never_answered_with_it_the_answers_score_alike(
    said: list[tuple[str, str]],
) -> None:
    alike = [(target, label) for target, label in said if label != "contempt"]
    if all(target == "contempt" for target, _ in alike):
        return
    found = scored([*answers("affectnet", alike), *answers("affectnet7", alike)])
    assert found.view == found.part
    assert found.difference is not None
    assert found.difference.value == 0


def test_affectnet7_changes_no_figure_of_the_pool() -> None:
    with_part, without = (
        assess(
            Run("m", "m", tuple(row for row in planted() if keep or row.dataset != "affectnet7"))
        )
        for keep in (True, False)
    )
    assert "affectnet7" in with_part.strict.datasets
    for one, other in ((with_part.strict, without.strict), (with_part.upstream, without.upstream)):
        assert one.pooled.as_json() == other.pooled.as_json()
        assert one.mean.as_json() == other.mean.as_json()
    assert with_part.measures.overall == without.measures.overall


def test_repeated_answers_to_affectnet7_are_not_pooled() -> None:
    def repeated(*datasets: str) -> Assessment:
        several = tuple(
            tuple(Prediction(dataset, "1", "anger", label=label) for label in ("anger", "fear"))
            for dataset in datasets
        )
        return assess(Run("m", "m", tuple(each[0] for each in several), repeated=several))

    both, alone = repeated("affectnet", "affectnet7"), repeated("affectnet7")
    assert both.repeats["pooled"].questions == 1
    assert both.repeats["affectnet7"] == alone.repeats["affectnet7"] == alone.repeats["pooled"]


def test_only_base_runs_that_were_asked_about_it_are_shown() -> None:
    assert section(assessed(run("m", always("happiness", 7)))) is None
    assert section(assessed(run("m", planted(), variant=VARIANTS["direct"]))) is None
    alone = [row for row in planted() if row.dataset == "affectnet7"]
    found = section(assessed(run("m", alone)))
    assert found is not None
    assert [row[1] for row in found.table.rows] == ["AffectNet, 7-class"]


def test_programs_and_tables_have_it_where_it_was_asked() -> None:
    runs = assessed(Run("m", "m", tuple(planted())))
    figures = scores_document(contents(runs))["parts"]["m"]["affectnet7"]
    assert figures["outside"] == 70
    assert figures["view"]["scores"]["accuracy"]["value"] == 0.75
    assert "AffectNet-7" in as_latex(contents(runs))
    assert "AffectNet-7" not in as_latex(contents(assessed(run("m", always("happiness", 7)))))
