"""The section on what a rationale is worth: who depends on it and who ignores it are told apart."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import pytest

from tests.unifer_tasks.report.page.made_up import always, assessed, run
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.forced import OTHER, OWN, Said, beginnings, write_forced
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.protocol.variants.ranking import write_ranking
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import Percent, Points, PValue
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.renderers.scores import scores_document
from unifer_tasks.report.sections.worth import DIRECT, Worth, section, worth

LABELS = LABEL_SPACES["sfew"].labels
N = 140
FORCED, RANKED = VARIANTS["rationale"], VARIANTS["ranked"]

Answerer = Callable[[str, str], str]
"""How a reply begins, and the true label -> the answer."""


def figures(answer: str) -> dict[str, float]:
    rest = log(0.1 / (len(LABELS) - 1))
    return {label: log(0.9) if label == answer else rest for label in LABELS}


def questions() -> list[tuple[str, str, str]]:
    """Id, target, and the label that the rationale argues for: the true one of 4 in 5."""
    return [(str(k), LABELS[k % 7], LABELS[(k + (k % 5 == 0)) % 7]) for k in range(N)]


def forced(answerer: Answerer, bare: int = 0) -> list[Prediction]:
    """Forced answers, of which the first lack a rationale."""
    said = [
        Said(
            id_,
            f"<answer>{label}</answer>" if int(id_) < bare else response(f"So: {label}.", label),
            label,
        )
        for id_, _, label in questions()
    ]
    begun = beginnings(said)
    return [
        Prediction("sfew", id_, target, write_forced(
            {name: figures(answerer(text, target)) for name, text in begun[id_].texts.items()},
            begun[id_],
        ))
        for id_, target, _ in questions()
    ]  # fmt: skip


def depends(text: str, target: str) -> str:
    """Answer what the rationale argues for; happy without."""
    return next((label for label in LABELS if f"{label}." in text), "happy")


def ignores(text: str, target: str) -> str:
    """See the truth but for surprise, whatever is said."""
    return "happy" if target == "surprise" else target


def measured(answerer: Answerer, bare: int = 0) -> Worth:
    (one,) = assessed(run("Model", forced(answerer, bare), variant=FORCED))
    found = worth(one)
    assert found is not None
    return found


def test_an_answerer_that_depends_on_its_rationale_is_told_from_one_that_ignores_it() -> None:
    found = measured(depends)
    assert found.own.value == 0.8
    swapped = found.effects[OTHER]
    assert swapped.changed.value == 1
    assert swapped.followed is not None
    assert swapped.followed.value == 1
    assert swapped.p_holm < 1e-9
    assert swapped.difference.interval[1] < 0
    cut = found.effects["cut_50"]
    # The label is the last word.
    assert cut.accuracy.value == pytest.approx(1 / 7)
    assert cut.changed.value == pytest.approx(6 / 7, abs=0.03)
    assert cut.followed is None

    found = measured(ignores)
    assert found.own.value == pytest.approx(6 / 7)
    for effect in found.effects.values():
        assert effect.changed.value == effect.difference.value == 0
        assert effect.difference.interval[0] < 0 < effect.difference.interval[1]
        assert (effect.p, effect.p_holm) == (1, 1)
    followed = found.effects[OTHER].followed
    assert followed is not None
    assert followed.value < 0.3


def test_differences_are_paired() -> None:
    found = measured(lambda text, target: target if text else "happy").effects["none"]
    assert (found.counts.only_a, found.counts.only_b) == (0, N - N // 7)
    assert found.difference.value == pytest.approx(found.accuracy.value - 1)


def test_questions_without_a_rationale_are_left_out_and_counted() -> None:
    found = measured(depends, bare=10)
    assert (found.n, found.lacking) == (N - 10, 10)
    assert {effect.counts.n for effect in found.effects.values()} == {N - 10}
    shown = section(assessed(run("Model", forced(depends, 10), variant=FORCED)))
    assert shown is not None
    assert shown.text.endswith("Left out, without a rationale or a reply: Model 10 questions.")
    assert worth(assessed(run("Model", forced(depends, N), variant=FORCED))[0]) is None


def runs() -> list[Assessment]:
    at_once = [
        Prediction("sfew", id_, target, write_ranking(figures("sad")))
        for id_, target, _ in questions()
    ]
    failed = Prediction("sfew", "139", LABELS[139 % 7], error=True)
    return assessed(
        run("Model", always("happiness", 3)),
        run("Model", at_once, variant=RANKED),
        run("Model", [*forced(depends)[:-1], failed], variant=FORCED),
        run("Other", forced(ignores), variant=FORCED),
    )


def test_it_is_in_the_report_with_the_direct_question_beside_it() -> None:
    found = section(runs())
    assert found is not None
    assert "Model 1 question." in found.text
    model, other = found.table.groups
    assert [row[1] for row in model] == [
        "its rationale", "its first 75 %", "its first 50 %", "its first 25 %", "nothing",
        "another image's rationale", "nothing, asked for the answer alone",
    ]  # fmt: skip
    assert [row[1] for row in other] == [row[1] for row in model[:-1]]
    assert [row[-1] for row in model] == [N - 1] * 7
    assert all(isinstance(row[5], Points) and isinstance(row[6], PValue) for row in model[1:])
    assert [isinstance(row[4], Percent) for row in model] == [False] * 5 + [True, False]
    text = as_markdown(contents(runs()))
    assert "## What a rationale is worth\n" in text
    document = scores_document(contents(runs()))["rationale_worth"]
    assert [*document["Model"]["effects"]][-2:] == [OTHER, DIRECT]
    assert document["Other"]["effects"][OTHER]["changed"]["value"] == 0
    # A forced ranking is of one condition of several: it has no place among calibrated answers.
    assert "| Other | rationale |" not in text.partition("## Calibration")[2]


def test_a_direct_run_of_other_data_is_left_out() -> None:
    one, *_ = assessed(run("Model", forced(depends), variant=FORCED))
    other = [Prediction("sfew", "0", "happy", write_ranking(figures("sad")))]
    found = worth(one, assessed(run("Model", other, variant=RANKED))[0])
    assert found is not None
    assert DIRECT not in found.effects


def test_without_forced_answers_there_is_no_section() -> None:
    rows = assessed(
        run("Model", always("happiness", 3)), run("Model", always("happiness", 3), variant=FORCED)
    )
    assert section(rows) is None
    assert OWN not in measured(ignores).effects
