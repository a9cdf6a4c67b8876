"""Response formats: what each asks for, and what keeps it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.protocol.answers.formats import FORMATS, REASONED, asked_format
from unifer_tasks.protocol.answers.strict import read_in_format, read_literal
from unifer_tasks.protocol.answers.tags import has_valid_format
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS

SFEW = LABEL_SPACES["sfew"].labels
PAIRS = list(itertools.product(FORMATS, repeat=2))


@pytest.mark.parametrize("key", FORMATS)
def test_a_format_asks_what_its_variant_asks(key: str) -> None:
    variant = BASE if key == "reasoned" else VARIANTS[key]
    assert FORMATS[key].ask(SFEW) == variant.ask(SFEW)
    answer = variant.read(FORMATS[key].response("The lip corners are pulled up.", "happy"), "sfew")
    assert answer.label == "happy"
    assert (answer.rationale is None) == (key == "direct")


@pytest.mark.parametrize(("asked", "other"), PAIRS)
def test_a_format_is_kept_by_its_own_responses_alone(asked: str, other: str) -> None:
    text = FORMATS[other].response("The lip corners are pulled up.", "happy")
    assert FORMATS[asked].is_kept(text) == (asked == other)
    assert read_literal(text, SFEW).label == "happy"


@pytest.mark.parametrize(("asked", "other"), PAIRS)
def test_a_prompt_says_which_format_it_asks_for(asked: str, other: str) -> None:
    prompt = f"<|im_start|>user\n<image>{FORMATS[asked].ask(SFEW)}<|im_end|>\n"
    assert (asked_format(prompt) is FORMATS[other]) == (asked == other)


@pytest.mark.parametrize("prompt", ["", "Which expression is it?"])
def test_a_prompt_of_others_asks_for_none(prompt: str) -> None:
    assert asked_format(prompt) is None


def test_the_reasoned_format_is_the_benchmarks() -> None:
    assert REASONED.response("Seen.", "happy") == response("Seen.", "happy")
    assert REASONED.is_kept(response("Seen.", "happy"))


@pytest.mark.parametrize(
    ("key", "text", "kept"),
    [
        ("direct", " <answer>happy</answer>\n", True),
        ("direct", "happy", False),
        ("direct", "It is <answer>happy</answer>", False),
        ("direct", "<answer>happy</answer>.", False),
        ("direct", "<answer> </answer>", False),
        ("direct", "<answer><think>x</think>happy</answer>", False),
        ("direct", "<Answer>happy</Answer>", False),
        ("direct", "<answer>happy</answer><answer>sad</answer>", False),
        ("direct", "</think><answer>happy</answer>", False),
        ("answer_first", "<answer>happy</answer><think>Seen.</think>", True),
        ("answer_first", "<answer>happy</answer> so <think>Seen.</think>", False),
        ("answer_first", "<answer>happy</answer><think></think>", False),
        ("answer_first", "<answer>happy</answer>", False),
        ("answer_first", "<answer>happy</answer><think>Seen.", False),
        ("answer_first", "<answer>happy</answer><think>Seen.</think><answer>sad</answer>", False),
    ],
)
def test_what_keeps_a_format(key: str, text: str, kept: bool) -> None:
    assert FORMATS[key].is_kept(text) == kept
    assert has_valid_format(text, FORMATS[key].blocks) == kept


SPACES = st.sampled_from(["", "\n", " \t", "\u00a0", "\x1c", "\u200b", "x", "</think>"])
INSIDE = st.sampled_from(
    ["happy", "Sad.", "*fear*", "\u2018joy\u2019", "\u3002sad", "sad or happy", "\u3164", "_", " ",
     "", "I'm sorry, I can't help.", "[LMMS_EVAL_REQUEST_FAILED]", "<Think>", "<answer>sad",
     "\\boxed{sad}"]
)  # fmt: skip


@given(st.sampled_from(sorted(FORMATS)), st.lists(SPACES, min_size=3, max_size=3), INSIDE, INSIDE)
def test_the_reading_in_one_pass_is_the_literal_one(
    key: str, around: list[str], rationale: str, label: str
) -> None:
    before, between, after = around
    text = before + FORMATS[key].response(rationale, label).replace("\n", between) + after
    kept = has_valid_format(text, FORMATS[key].blocks)
    expected = read_literal(text, SFEW) if kept else None
    assert read_in_format(text, SFEW, FORMATS[key].blocks) == expected
