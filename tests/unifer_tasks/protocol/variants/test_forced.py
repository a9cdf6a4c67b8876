"""How forced replies begin, and responses that hold the answers under all conditions."""

from __future__ import annotations

from collections import Counter
from math import isclose, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.answers.upstream import read_upstream
from unifer_tasks.protocol.variants.forced import (
    CONDITIONS,
    CUTS,
    NONE,
    OTHER,
    OWN,
    Beginnings,
    Said,
    beginnings,
    cut,
    read_forced,
    write_forced,
)
from unifer_tasks.protocol.variants.ranking import read_ranking

THOUGHT = "<think>The brows are\n\nlowered and drawn.</think>\n"


@pytest.mark.parametrize(
    ("rationale", "share", "expected"),
    [
        (THOUGHT, 1, THOUGHT),
        (THOUGHT, 0.75, "<think>The brows are\n\nlowered</think>\n"),
        (THOUGHT, 0.5, "<think>The brows are</think>\n"),
        (THOUGHT, 0.25, "<think>The</think>\n"),
        (THOUGHT, 0.1, ""),
        (THOUGHT, 0, ""),
        ("Brows down, so angry.\n", 0.5, "Brows down,\n"),
        ("<think> A b </think> So c.\n", 0.75, "<think> A b </think>\n"),
        ("Sad.\n", 0.75, ""),
    ],
)
def test_the_first_words_are_kept_and_a_thought_is_closed(
    rationale: str, share: float, expected: str
) -> None:
    assert cut(rationale, share) == expected


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_less_is_the_beginning_of_more(rationale: str, a: float, b: float) -> None:
    less, more = (
        cut(rationale, share).removesuffix("\n").removesuffix("</think>")
        for share in sorted((a, b))
    )
    assert more.startswith(less)


def said(id_: str, label: str | None, *, reasoned: bool = True) -> Said:
    thought = f"<think>Seen {id_}.</think>\n" if reasoned else ""
    return Said(id_, f"{thought}<answer>{label}</answer>", label)


labels = st.sampled_from(["happy", "sad", "fear", None])


@given(st.lists(st.tuples(labels, st.booleans()), max_size=12))
def test_the_other_rationale_is_of_another_question_with_another_answer(
    answers: list[tuple[str | None, bool]],
) -> None:
    every = [
        said(str(number), label, reasoned=reasoned)
        for number, (label, reasoned) in enumerate(answers)
    ]
    found = beginnings(every)
    assert found == beginnings(every[::-1])
    donors = {each.rationale: each for each in every if each.rationale and each.label}
    for each in every:
        own = found[each.id]
        if not each.rationale:
            assert own == Beginnings({OWN: ""})
            continue
        assert [*own.texts] == [c for c in CONDITIONS if c != OTHER or c in own.texts]
        assert own.texts[OWN] == each.rationale
        assert own.texts[NONE] == ""
        others = [one for one in donors.values() if one.id != each.id]
        assert (OTHER in own.texts) == bool(others)
        if others:
            donor = donors[own.texts[OTHER]]
            assert donor.id != each.id
            assert own.other_answer == donor.label
            if any(one.label != each.label for one in others):
                assert donor.label != each.label


def test_donors_are_spread_over_the_questions() -> None:
    every = [said(str(number), ("happy", "sad")[number % 2]) for number in range(400)]
    times = Counter(own.texts[OTHER] for own in beginnings(every).values())
    assert len(times) > 150
    assert max(times.values()) < 20


def test_the_choice_never_changes() -> None:
    every = [said(str(number), ("happy", "sad", "fear")[number % 3]) for number in range(6)]
    chosen = {id_: own.texts[OTHER] for id_, own in beginnings(every).items()}
    numbers = {id_: text.split()[1][0] for id_, text in chosen.items()}
    assert numbers == {"0": "4", "1": "0", "2": "1", "3": "4", "4": "5", "5": "1"}


@pytest.mark.parametrize(
    "response", ["", "[LMMS_EVAL_REQUEST_FAILED after 3]", "<answer>sad</answer>", "  "]
)
def test_without_a_rationale_there_is_nothing_to_compare(response: str) -> None:
    (own,) = beginnings([Said("a", response, None)]).values()
    assert own == Beginnings({OWN: ""})


FIGURES = {OWN: {"sad": log(0.6), "fear": log(0.2)}, NONE: {"sad": -9.0, "fear": -1.0}}


def test_every_reader_reads_the_answer_after_the_own_rationale() -> None:
    begun = Beginnings({OWN: THOUGHT, NONE: ""}, "fear")
    response = write_forced(FIGURES, begun)
    assert response.startswith(THOUGHT + "<answer>sad</answer> {")
    assert read_answer(response, "sfew").label == read_upstream(response, "sfew") == "sad"
    found = read_forced(response)
    assert found is not None
    assert found.other_answer == "fear"
    assert [found.answer(condition) for condition in (OWN, NONE, OTHER)] == ["sad", "fear", None]
    assert isclose(found.probabilities[OWN]["sad"], 0.75, abs_tol=1e-5)
    assert read_ranking(response) is None


@pytest.mark.parametrize(
    "response",
    [
        "", "<answer>sad</answer>", '<answer>sad</answer> {"sad": -0.1, "fear": -2}',
        '<answer>sad</answer> {"own": {"sad": "x"}}', '<answer>sad</answer> {"none": {"sad": 0}}',
        '<answer>sad</answer> {"own": {}}', "<answer>sad</answer> [1]",
        "<answer>sad</answer> " + "[" * 100_000, "[LMMS_EVAL_REQUEST_FAILED]",
    ],
)  # fmt: skip
def test_what_holds_no_own_ranking_is_none(response: str) -> None:
    assert read_forced(response) is None


def test_the_conditions_are_those_of_the_description() -> None:
    from unifer_tasks.protocol.variants import forced

    assert forced.__doc__ is not None
    assert all(f"`{condition}`" in forced.__doc__ for condition in CONDITIONS)
    assert [f"cut_{share:.0%}".rstrip("%") for share in CUTS.values()] == [*CUTS]
