from __future__ import annotations

from typing import Any

import pytest

from tests.unifer_rewards.cases import QUESTIONS
from unifer_rewards.preflight import MAX_LISTED, validate
from unifer_rewards.presets import PRESETS, RewardError
from unifer_rewards.rows import RowError
from unifer_tasks.protocol.answers.formats import FORMATS
from unifer_tasks.protocol.labels import LABEL_SPACES

SFEW = LABEL_SPACES["sfew"].labels


def row(dataset: str, truth: Any, **extra: Any) -> dict[str, Any]:
    return {
        "data_source": dataset,
        "reward_model": {"style": "rule", "ground_truth": truth},
        "extra_info": extra,
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_every_question_of_the_benchmark_passes(preset: str) -> None:
    rows = [row(*question) for question in QUESTIONS]
    rows += [row("ferplus", "<answer>happy</answer>", votes=[0, 0, 0, 0, 0.9, 0, 0.1, 0])]
    rows += [row("rafdb", "fear", votes=None, candidate_labels=["anger", "fear"])]
    assert validate(rows, preset=preset, vote_credit=0.5) == len(rows)


def test_every_bad_row_is_counted_and_the_first_are_named() -> None:
    rows = [row("rafdb", "fear"), row("rafdb", "dread"), {"data_source": "rafdb"}]
    rows += [{"data_source": "rafdb", "reward_model": None}]
    rows += [row("fer2013", "fear")] * 1200
    rows += [row("rafdb", f"dread {n}") for n in range(MAX_LISTED - 4)]
    rows += [{**row("rafdb", "fear"), "extra_info": "votes"}]
    with pytest.raises(RowError) as caught:
        validate(rows)
    message = str(caught.value)
    assert message.startswith("1,210 of 1,211 rows cannot be scored\n")
    assert "row 1: ground truth 'dread' is not among" in message
    assert "row 2: lacks 'reward_model'" in message
    assert "row 3: is malformed" in message
    assert "row 4 and 1,199 others: no candidates" in message
    assert message.endswith("and 1 more")


def test_a_reward_that_perfect_responses_do_not_reach_is_named() -> None:
    with pytest.raises(RowError, match=r"row 0: a perfect response to it scores 1\.0\d*, not 2\.0"):
        validate([row("rafdb", "fear")], weights={"brevity": 1}, free_words=0, most_words=10)


def test_no_row_proves_nothing() -> None:
    with pytest.raises(RowError, match="no row"):
        validate([])


def test_options_are_checked_before_rows() -> None:
    with pytest.raises(RewardError, match="unknown preset"):
        validate([], preset="best")


@pytest.mark.parametrize("paid", FORMATS)
@pytest.mark.parametrize("asked", FORMATS)
def test_a_prompt_of_another_format_than_the_rewards_is_named(paid: str, asked: str) -> None:
    prompt = [{"role": "user", "content": "<image>" + FORMATS[asked].ask(SFEW)}]
    rows = [{**row("sfew", "happy"), "prompt": prompt}]
    if paid == asked:
        assert validate(rows, response_format=paid) == 1
    else:
        expected = f"row 0: its prompt asks for the format {asked}, but the reward expects {paid}"
        with pytest.raises(RowError, match=expected):
            validate(rows, response_format=paid)


@pytest.mark.parametrize("preset", ["grounded", "upstream"])
def test_a_preset_that_pays_for_reasoning_does_not_fit_answers_alone(preset: str) -> None:
    with pytest.raises(RowError, match="a perfect response to it scores"):
        validate([row("rafdb", "fear")], preset=preset, response_format="direct")


def test_the_grounded_preset_fits_reasoning_after_the_answer() -> None:
    assert validate([row("rafdb", "fear")], preset="grounded", response_format="answer_first") == 1
