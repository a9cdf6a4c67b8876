"""The variants: what each asks, shows and reads, and how order bias is measured."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unifer_tasks.protocol.action_units import AU_SIGNS, PROTOTYPES
from unifer_tasks.protocol.answers import Outcome
from unifer_tasks.protocol.images import IMAGE_SIZE
from unifer_tasks.protocol.labels import LABEL_SPACES, canonical
from unifer_tasks.protocol.prompts import (
    describe,
    described_question,
    direct_question,
    question,
    response,
)
from unifer_tasks.protocol.variants import (
    BASE,
    N_ORDERS,
    TASKS,
    VARIANTS,
    group_name,
    marks,
    order_bias,
    orders,
    read_direct,
    task_name,
)

SFEW = LABEL_SPACES["sfew"].labels


def test_the_base_has_the_plain_names() -> None:
    assert group_name() == "ferbench"
    assert task_name("sfew") == "ferbench_sfew"
    assert task_name("sfew", VARIANTS["direct"]) == "ferbench_direct_sfew"
    assert len(TASKS) == 4 * (1 + len(VARIANTS))
    assert TASKS["ferbench_native_rafdb"] == (VARIANTS["native"], "rafdb")


@pytest.mark.parametrize("variant", [BASE, *VARIANTS.values()], ids=lambda variant: variant.key)
def test_one_thing_changes(variant: Any) -> None:
    base_text = question(SFEW)
    text = variant.ask(SFEW)
    assert (text == base_text) == (variant.key not in {"direct", "described"})
    size = variant.show(Image.new("L", (48, 50))).size
    assert size == ((48, 50) if variant.key == "native" else IMAGE_SIZE)
    bare = variant.read("happy", "sfew")
    assert (bare.label == "happy") == (variant.key == "direct")


def test_the_direct_question_keeps_the_published_sentences() -> None:
    published, direct = question(SFEW), direct_question(SFEW)
    shared = published.index("Provide your detailed reasoning")
    assert direct[:shared] == published[:shared]
    assert "<answer></answer>" in direct
    assert "<think>" not in direct


def test_the_described_question_appends_a_line_a_candidate() -> None:
    text = described_question(SFEW)
    assert text.startswith(question(SFEW) + "\n\n")
    lines = text.splitlines()[-len(SFEW) :]
    assert [line.split(":")[0] for line in lines] == [f"- {label}" for label in SFEW]


@pytest.mark.parametrize("name", PROTOTYPES)
def test_a_description_names_every_sign_of_the_prototype_and_no_label(name: str) -> None:
    text = describe(name)
    for unit in PROTOTYPES[name]:
        assert AU_SIGNS[unit] in text
    labels = {label for space in LABEL_SPACES.values() for label in space.labels}
    assert not [label for label in labels if label in text.split()]


@pytest.mark.parametrize(
    ("text", "label", "outcome"),
    [
        ("<answer>happy</answer>", "happy", Outcome.ANSWERED),
        ("happy", "happy", Outcome.ANSWERED),
        (" **Happiness.**\n", "happy", Outcome.ANSWERED),
        ("happy<|im_end|>", "happy", Outcome.ANSWERED),
        ("Corners up, so sad?</think>\n\nhappy", "happy", Outcome.ANSWERED),
        ("◁think▷Corners up.◁/think▷happy", "happy", Outcome.ANSWERED),
        ("<think>happy</think>", None, Outcome.MISSING),
        ("<think>happy", None, Outcome.TRUNCATED),
        ("The face is happy.", None, Outcome.MISSING),
        ("happy or sad", None, Outcome.MISSING),
        ("happy <answer>", None, Outcome.TRUNCATED),
        ("sad <answer>happy</answer>", "happy", Outcome.ANSWERED),
        ("happy <answer>love</answer>", None, Outcome.OFF_LIST),
        (response("Corners up.", "happy"), "happy", Outcome.ANSWERED),
        ("contempt", None, Outcome.MISSING),
        ("I'm sorry, I can't help.", None, Outcome.REFUSED),
        ("[LMMS_EVAL_REQUEST_FAILED]", None, Outcome.REQUEST_FAILED),
        ("", None, Outcome.MISSING),
    ],
)
def test_a_direct_answer_may_be_bare(text: str, label: str | None, outcome: Outcome) -> None:
    answer = read_direct(text, "sfew")
    assert (answer.label, answer.outcome) == (label, outcome)


@pytest.mark.parametrize("dataset", LABEL_SPACES)
def test_orders_are_fixed_and_put_each_label_into_each_quarter(dataset: str) -> None:
    labels = LABEL_SPACES[dataset].labels
    listed = orders(labels)
    assert len(set(listed)) == N_ORDERS
    assert labels not in listed
    assert orders(labels[::-1]) == listed
    for order in listed:
        assert Counter(order) == Counter(labels)
    for label in labels:
        quarters = {N_ORDERS * order.index(label) // len(labels) for order in listed}
        assert len(quarters) >= N_ORDERS - 1


def test_the_orders_of_sfew_never_change() -> None:
    assert orders(SFEW)[0] == ("sad", "happy", "neutral", "angry", "disgust", "fear", "surprise")


def test_marks_say_what_was_asked() -> None:
    plain = {"id": "a", "candidate_labels": ["sad"]}
    assert marks(BASE, plain) == {}
    assert marks(VARIANTS["native"], plain) == {"variant": "native"}
    assert marks(VARIANTS["shuffled"], {**plain, "permutation": 2}) == {
        "variant": "shuffled", "permutation": 2, "candidate_labels": ["sad"],
    }  # fmt: skip


def records(*predictions: str | None, gold: str = "sad", name: str = "a") -> list[dict[str, Any]]:
    return [
        {
            "dataset": "sfew",
            "id": name,
            "gold": gold,
            "prediction": order[int(prediction)] if prediction in set("0123456") else prediction,
            "permutation": turn,
            "candidate_labels": list(order),
        }
        for turn, (order, prediction) in enumerate(zip(orders(SFEW), predictions, strict=False))
    ]


def test_a_model_that_sees_has_no_order_bias() -> None:
    bias = order_bias(records(*["sad"] * 4) + records(*["fear"] * 4, gold="happy", name="b"))
    assert bias.accuracy == (0.5,) * 4
    assert bias.spread == 0
    assert bias.agreement == 1
    assert bias.positions == pytest.approx(bias.expected)


def test_a_model_that_takes_the_first_label_is_found_out() -> None:
    bias = order_bias(records("0", "0", "0", "0", gold="sad"))
    assert bias.accuracy == (1, 0, 0, 0)
    assert bias.spread == 1
    assert bias.agreement == 0
    assert bias.positions == (1, 0, 0, 0, 0, 0, 0)
    assert bias.expected[0] == pytest.approx(1 / 4)


def test_what_was_not_read_or_not_asked_is_not_made_up() -> None:
    bias = order_bias(records("sad", None))
    assert bias.accuracy[:2] == (1, 0)
    assert all(math.isnan(value) for value in bias.accuracy[2:])
    assert (bias.spread, bias.positions[0]) == (1, 1)
    assert math.isnan(bias.agreement)
    unread = order_bias(records(*[None] * 4))
    assert unread.agreement == 0
    assert all(math.isnan(share) for share in unread.positions)


@pytest.mark.parametrize("rows", [[], [{"dataset": "sfew"}, {"dataset": "rafdb"}]])
def test_order_bias_is_of_one_dataset(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="one dataset"):
        order_bias(rows)


@given(st.lists(st.lists(st.sampled_from([*SFEW, None]), min_size=4, max_size=4), min_size=1))
def test_shares_of_places_add_up(answers: list[list[str | None]]) -> None:
    rows = [
        row for number, given_ in enumerate(answers) for row in records(*given_, name=str(number))
    ]
    bias = order_bias(rows)
    if any(row["prediction"] for row in rows):
        assert sum(bias.positions) == pytest.approx(1)
        assert sum(bias.expected) == pytest.approx(1)
    assert 0 <= bias.spread <= 1
    assert 0 <= bias.agreement <= 1


def test_every_label_has_a_description() -> None:
    for space in LABEL_SPACES.values():
        for label in space.labels:
            assert describe(label) == describe(canonical(label))
