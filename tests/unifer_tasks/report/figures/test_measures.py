from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.answers.outcomes import REQUEST_FAILED_PREFIX
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.report.figures.measures import (
    Measures,
    RationaleRecord,
    Share,
    measure,
    rationale_record,
)
from unifer_tasks.scoring.metrics import READERS, Reader
from unifer_tasks.scoring.summary import Reading, pooled_datasets, read

SMILE = "The cheeks are raised, with a smile. This is happiness."
SCOWL = "The brows are lowered, the lids are tight. It looks like anger."


def reading(text: str | None, target: str = "happy", reader: Reader = "strict") -> Reading:
    return read(Prediction("sfew", str(text), target, response=text), reader)


def record(text: str, target: str = "happy") -> RationaleRecord:
    found = rationale_record(reading(text, target))
    assert found
    return found


def overall(*texts: str) -> Measures:
    return measure([reading(text) for text in texts]).overall.all


def test_figures_of_a_ranking_are_no_part_of_what_was_said() -> None:
    said = response(SMILE, "happy")
    ranked = f'{said} {{"happy": -0.1, "sad": -3}}'
    assert record(ranked) == record(said)
    forced = f'{said} {{"own": {{"happy": -0.1, "sad": -3}}, "other_answer": "sad"}}'
    assert record(forced) == record(said)


def test_a_record_of_a_good_response() -> None:
    found = record(response(SMILE, "happy"))
    assert found.format_kept
    assert not (found.truncated)
    assert not (found.repeats)
    assert not (found.no_evidence)
    assert found.words == len(response(SMILE, "happy").split())
    assert found.rationale == SMILE
    assert [SMILE[cue.start : cue.end] for cue in found.cues] == ["cheeks are raised", "smile"]
    assert found.argued == ("happiness",)
    assert (found.agreement_with_answer, found.agreement_with_truth) == (1, 1)
    assert not found.contradictions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"words": 0, "format_kept": False, "rationale": None, "no_evidence": False}),
        ("happy", {"words": 1, "format_kept": False, "truncated": False, "rationale": None}),
        ("<think>The brows", {"truncated": True, "rationale": None, "cues": ()}),
        ("<think>A smile.</think><answer>ha", {"truncated": True, "rationale": "A smile."}),
        ("<think> \n</think><answer>sad</answer>", {"rationale": None, "format_kept": False}),
        ("<think>\u3164_</think><answer>sad</answer>", {"rationale": None, "format_kept": False}),
        (response("I see joy.", "happy"), {"no_evidence": True, "argued": ("happiness",)}),
        (response("Closed lips.", "happy"), {"no_evidence": False, "agreement_with_answer": 0}),
        (response("so it is " * 40, "sad"), {"repeats": True, "agreement_with_truth": 0}),
        (response("A smile. No smile.", "happy"), {"agreement_with_answer": 0}),
        (response("A smile.", "none"), {"agreement_with_answer": None}),
        (
            response("Fear or surprise.", "fear"),
            {"argued": ("fear", "surprise"), "agreement_with_answer": 0},
        ),
    ],
)
def test_records(text: str, expected: dict[str, object]) -> None:
    found = record(text)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("rationale", "n"),
    [
        ("AU 12 (lip corner puller) is active.", 1),
        ("AU6 (cheek raiser) and AU12 (lip corner puller).", 2),
        ("The brows are lowered (AU4).", 1),
        ("The brows are raised and arched.", 1),
        ("The furrowed, lowered brows.", 1),
        ("The lip corners are pulled up into a smile.", 1),
        ("The mouth is open with the jaw dropped.", 1),
        ("The jaw dropped, the mouth is open.", 2),
        ("The cheeks are raised, with a smile.", 2),
        ("A smile. The lip corners are pulled up.", 2),
        ("A smile\nRaised lip corners", 2),
        ("A smile.Raised lip corners", 2),
        ("AU 12: lip corner puller.", 1),
        ("No smile, and no raised brows.", 0),
        ("The mouth is closed.", 0),
        ("", 0),
    ],
)
def test_one_phrase_counts_one_cue_of_an_action_unit(rationale: str, n: int) -> None:
    assert record(response(rationale, "happy")).n_affirmed == n


def test_a_record_tells_which_cues_exclude_each_other() -> None:
    found = record(response("A smile. No smile.", "happy"))
    (pair,) = found.contradictions
    assert (pair.first, pair.second, pair.reason) == (0, 1, "affirmed and denied")


@pytest.mark.parametrize(
    "prediction",
    [
        Prediction("sfew", "a", "sad", error=True),
        Prediction("sfew", "a", "sad", label="sad"),
        Prediction("sfew", "a", "sad", response=f"{REQUEST_FAILED_PREFIX}: timeout]"),
    ],
)
@pytest.mark.parametrize("reader", READERS)
def test_what_was_not_heard_has_no_record(prediction: Prediction, reader: Reader) -> None:
    found = read(prediction, reader)
    assert rationale_record(found) is None
    measures = measure([found]).overall.all
    assert measures.responses == Share(0, 1)
    assert measures.words.n == measures.rationale.n == measures.cues.n == 0
    assert measures.cues.value is measures.words.median is measures.rationale.value is None


def test_every_figure_has_its_own_denominator() -> None:
    measures = overall(
        response(SMILE, "happy"),
        response("The smile makes it sadness.", "happy"),
        response("A smile. No smile.", "unclear"),
        response("It feels good.", "happy"),
        "happy",
        "<think>The brows are",
        f"{REQUEST_FAILED_PREFIX}]",
    )
    assert measures.responses == Share(6, 7)
    assert measures.format_kept == Share(4, 6)
    assert measures.truncated == Share(1, 6)
    assert measures.repeats == Share(0, 6)
    assert measures.words.n == 6
    assert measures.rationale == Share(4, 6)
    assert measures.contradictory == Share(1, 4)
    assert measures.no_evidence == Share(1, 4)
    assert (measures.cues.value, measures.cues.n) == (1, 4)
    # "unclear" is no readable answer.
    assert measures.consistency.answer == Share(1, 3)
    assert measures.consistency.other == Share(1, 3)
    assert measures.consistency.none == Share(1, 3)
    assert measures.consistency.several == Share(0, 3)
    assert measures.agreement_with_answer.n == 3
    assert measures.agreement_with_answer.value == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert measures.agreement_with_truth.n == 4


def test_an_answer_among_others_is_not_argued_for_alone() -> None:
    consistency = overall(response("Joy or fear.", "happy")).consistency
    assert (consistency.several, consistency.answer) == (Share(1, 1), Share(0, 1))


def test_words_are_spread() -> None:
    words = overall("a", "a a", "a a a", "a a a a", "a a a a a").words
    assert (words.lower, words.median, words.upper, words.n) == (2, 3, 4, 5)


def test_right_and_wrong_answers_and_datasets_stand_apart() -> None:
    rows = [
        reading(response(SMILE, "happy"), "happy"),
        reading(response(SCOWL, "angry"), "happy"),
        reading("no answer", "happy"),
        read(Prediction("rafdb", "a", "anger", response(SCOWL, "anger")), "strict"),
    ]
    measures = measure(rows)
    assert list(measures.datasets) == ["rafdb", "sfew"]
    sfew = measures.datasets["sfew"]
    assert [part.responses.n for part in (sfew.all, sfew.right, sfew.wrong)] == [3, 1, 2]
    assert sfew.wrong.agreement_with_truth.value == 0
    assert sfew.wrong.agreement_with_answer.value == pytest.approx(2 * 2 / (2 + 4))
    assert measures.overall.right.responses.n == 2


def test_what_upstream_leaves_out_is_neither_right_nor_wrong() -> None:
    measures = measure([reading(f"{REQUEST_FAILED_PREFIX}]", reader="upstream")]).overall
    assert [part.responses.n for part in (measures.all, measures.right, measures.wrong)] == [
        1,
        0,
        0,
    ]


def test_upstreams_unknown_is_no_answer() -> None:
    measures = measure([reading(response("A smile.", "?"), reader="upstream")]).overall
    assert measures.wrong.consistency.answer.n == measures.all.agreement_with_answer.n == 0


def test_records_at_hand_are_used_and_must_fit() -> None:
    rows = [reading(response(SMILE, "happy")), reading("happy")]
    assert measure(rows, list(map(rationale_record, rows))) == measure(rows)
    with pytest.raises(ValueError, match="zip"):
        measure(rows, [])


def test_no_reading_is_no_figure() -> None:
    measures = measure([])
    assert measures.datasets == {}
    assert measures.overall.all.rationale.value is None


PIECES = st.sampled_from(
    ["<think>", "</think>", "<answer>", "</answer>", "happy", "sad", "a smile. ", "no ", "brows ",
     "raised ", "lowered ", "AU12 ", "closed ", "mouth ", "open ", " "]
)  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(PIECES, max_size=12).map("".join),
            st.sampled_from(list(LABEL_SPACES)),
            st.sampled_from(READERS),
        ),
        max_size=8,
    )
)
def test_any_run_is_measured_and_adds_up(run: list[tuple[str, str, Reader]]) -> None:
    rows = [
        read(Prediction(dataset, str(i), LABEL_SPACES[dataset].labels[0], text), reader)
        for i, (text, dataset, reader) in enumerate(run)
    ]
    measures = measure(rows)
    json.dumps(asdict(measures), allow_nan=False)
    assert measure(rows) == measures
    parts = measures.overall
    pooled = pooled_datasets(measures.datasets)
    n = sum(row.prediction.dataset in pooled for row in rows)
    assert parts.all.responses.n == parts.right.responses.n + parts.wrong.responses.n == n
    assert n == sum(measures.datasets[dataset].all.responses.n for dataset in pooled)
    for part in (parts.all, parts.right, parts.wrong):
        kinds = asdict(part.consistency).values()
        assert sum(kind["count"] for kind in kinds) == part.consistency.answer.n
        for share in (part.format_kept, part.truncated, part.repeats, part.rationale):
            assert 0 <= share.count <= share.n == part.responses.count
        for share in (part.contradictory, part.no_evidence):
            assert 0 <= share.count <= share.n == part.rationale.count
