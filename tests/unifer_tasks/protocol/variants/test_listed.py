"""The variants: what each asks, shows and reads."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from PIL import Image

from unifer_tasks.protocol.action_units import AU_SIGNS, PROTOTYPES
from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.images import IMAGE_SIZE
from unifer_tasks.protocol.labels import (
    CANONICAL_LABELS,
    FERBENCH,
    LABEL_SPACES,
    WITH_FILES,
    canonical,
)
from unifer_tasks.protocol.prompts import (
    describe,
    described_question,
    direct_question,
    question,
    response,
)
from unifer_tasks.protocol.variants.corruptions import KINDS
from unifer_tasks.protocol.variants.listed import (
    BASE,
    N_ORDERS,
    TASKS,
    VARIANTS,
    group_name,
    marks,
    orders,
    read_direct,
    task_name,
)

SFEW = LABEL_SPACES["sfew"].labels


def test_the_base_has_the_plain_names() -> None:
    assert group_name() == "ferbench"
    assert task_name("sfew") == "ferbench_sfew"
    assert task_name("sfew", VARIANTS["direct"]) == "ferbench_direct_sfew"
    parts = [f"ferbench_{key}" for key in LABEL_SPACES if key not in WITH_FILES]
    assert parts == ["ferbench_affectnet7"]
    assert TASKS["ferbench_affectnet7"] == (BASE, "affectnet7")
    assert len(TASKS) == len(WITH_FILES) * (1 + len(VARIANTS)) + len(parts)
    assert TASKS["ferbench_native_rafdb"] == (VARIANTS["native"], "rafdb")


@pytest.mark.parametrize("variant", [BASE, *VARIANTS.values()], ids=lambda variant: variant.key)
def test_one_thing_changes(variant: Any) -> None:
    base_text = question(SFEW)
    text = variant.ask(SFEW)
    same = {"base", "shuffled", "native", "ranked_reasoned", "rationale"}
    assert (text == base_text) == (variant.key in same or bool(variant.corrupts))
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


@pytest.mark.parametrize("dataset", FERBENCH)
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


@pytest.mark.parametrize("n_labels", range(1, 9))
def test_no_order_is_asked_twice(n_labels: int) -> None:
    listed = orders(CANONICAL_LABELS[:n_labels])
    assert len(set(listed)) == len(listed) == min(n_labels, N_ORDERS)
    assert {order[0] for order in listed} <= {*CANONICAL_LABELS[:n_labels]}


def test_the_orders_of_sfew_never_change() -> None:
    assert orders(SFEW)[0] == ("sad", "happy", "neutral", "angry", "disgust", "fear", "surprise")


def test_marks_say_what_was_asked() -> None:
    plain = {"id": "a", "candidate_labels": ["sad"]}
    assert marks(BASE, plain) == {}
    assert marks(VARIANTS["native"], plain) == {"variant": "native"}
    assert marks(VARIANTS["shuffled"], {**plain, "permutation": 2}) == {
        "variant": "shuffled", "permutation": 2, "candidate_labels": ["sad"],
    }  # fmt: skip


def test_marks_say_what_was_done_to_the_image() -> None:
    doc = {"id": "a", "dataset": "sfew", "candidate_labels": ["sad"]}
    assert marks(VARIANTS["corrupted"], doc) == {
        "variant": "corrupted", "corruption": "mask", "strength": 3,
    }  # fmt: skip
    for kind in KINDS:
        alone = {"variant": f"corrupted_{kind}", "corruption": kind, "strength": 3}
        assert marks(VARIANTS[f"corrupted_{kind}"], doc) == alone


def test_every_label_has_a_description() -> None:
    for space in LABEL_SPACES.values():
        for label in space.labels:
            assert describe(label) == describe(canonical(label))
