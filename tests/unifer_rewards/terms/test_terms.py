from __future__ import annotations

import pytest
from hypothesis import given

from tests.unifer_rewards.cases import RESPONSES
from unifer_rewards.fer import compute_score
from unifer_rewards.terms.accuracy import accuracy
from unifer_rewards.terms.action_units import action_units
from unifer_rewards.terms.brevity import brevity
from unifer_rewards.terms.consistency import consistency
from unifer_rewards.terms.upstream import upstream_accuracy, upstream_format
from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.answers.strict import Answer
from unifer_tasks.rationale.reasoning import read_rationale
from unifer_tasks.rationale.repetition import lower_words, repetition

FEAR = Answer("fear", Outcome.ANSWERED)
NOTHING = Answer(None, Outcome.EMPTY)


def format_term(response: str) -> float:
    return float(compute_score("rafdb", response, "fear", preset="unifer")["format"])


@pytest.mark.parametrize(
    ("answer", "votes", "credit", "score"),
    [
        (Answer("sad", Outcome.ANSWERED), None, 0.0, 1),
        (Answer("sad", Outcome.ANSWERED), {"fear": 8.0, "sad": 2.0}, 0.5, 1),
        (FEAR, None, 0.5, 0),
        (FEAR, {}, 0.5, 0),
        (FEAR, {"sad": 8.0, "fear": 2.0}, 0.0, 0),
        (FEAR, {"sad": 8.0, "fear": 2.0}, 0.5, 0.125),
        (FEAR, {"sad": 0.8, "fear": 0.2}, 1.0, 0.25),
        (FEAR, {"sad": 5.0, "fear": 5.0}, 0.5, 0.5),
        (FEAR, {"sad": 5.0}, 0.5, 0),
        (NOTHING, {"sad": 5.0}, 0.5, 0),
    ],
)
def test_accuracy(
    answer: Answer, votes: dict[str, float] | None, credit: float, score: float
) -> None:
    assert accuracy(answer, "sad", votes, credit) == score


@pytest.mark.parametrize(
    ("response", "score"),
    [
        ("<think>a</think><answer>b</answer>", 1),
        ("\n <think>\na b\n</think>\n\n<answer> b </answer>\n", 1),
        ("<think>表情</think><answer>b</answer>", 1),
        ("<think>a < b, </ b></think><answer>b</answer>", 1),
        ("<think>a</think><answer>b</answer>.", 0),
        ("<think>a</think>,<answer>b</answer>", 0),
        (".<think>a</think><answer>b</answer>", 0),
        ("<think>a</think><answer>...</answer>", 0),
        ("<think>...</think><answer>b</answer>", 0),
        ("<think>_</think><answer>b</answer>", 0),
        ("<think>\u3164\u115f\u1160\uffa0</think><answer>b</answer>", 0),
        ("<think>\u200b\u2800\u00ad</think><answer>b</answer>", 0),
        ("<think>a</think><answer>_\u3164</answer>", 0),
        ("<think>7</think><answer>b</answer>", 1),
        ("<think>_\u3164\u8868</think><answer>b</answer>", 1),
        ("a</think><answer>b</answer>", 0),
        ("◁think▷a◁/think▷<answer>b</answer>", 0),
        ("<think>a</think><answer>b</answer><|im_end|>", 0),
        ("<think>a<Think></think><answer>b</answer>", 0),
        ("<think>a</think><answer>b</answer></answer>", 0),
        ("<think>a</think>", 0),
        ("", 0),
    ],
)
def test_format(response: str, score: float) -> None:
    assert format_term(response) == score


@given(RESPONSES)
def test_our_form_is_also_upstreams(response: str) -> None:
    assert format_term(response) <= upstream_format(response.strip())


@pytest.mark.parametrize(
    ("answer", "rationale", "score"),
    [
        (FEAR, "Wide eyes. This is fear.", 1),
        (FEAR, "Wide eyes. He is afraid or surprised.", 1 / 2),
        (FEAR, "Wide eyes: fear, surprise, anger, sadness", 1 / 4),
        (FEAR, "Wide eyes. This is anger.", 0),
        (FEAR, "Wide eyes. This is not fear.", 0),
        (FEAR, "The brows are raised.", 0),
        # A label is argued for by a sign of it.
        (FEAR, "This is fear.", 0),
        (FEAR, "The eyes are not wide. This is fear.", 0),
        (FEAR, "A smile. This is fear.", 0),
        (Answer("sad", Outcome.ANSWERED), "Inner brows raised. This is sadness.", 1),
        (Answer("neutral", Outcome.ANSWERED), "No smile. This is neutral.", 1),
        (Answer("neutral", Outcome.ANSWERED), "This is neutral.", 0),
        (NOTHING, "Wide eyes. This is fear.", 0),
    ],
)
def test_consistency(answer: Answer, rationale: str, score: float) -> None:
    assert consistency(answer, read_rationale(rationale)) == score


@pytest.mark.parametrize(
    ("truth", "answered", "rationale", "score"),
    [
        ("happy", "happy", "Raised cheeks and a smile.", 1),
        ("happy", "happy", "A smile.", 2 / 3),
        ("happy", "happy", "No smile.", 0),
        ("happy", "happy", "", 0),
        ("happy", "sad", "Raised cheeks and a smile.", 0),
        ("happy", None, "Raised cheeks and a smile.", 0),
        ("neutral", "neutral", "The face is relaxed.", 1),
        ("neutral", "neutral", "", 0),
    ],
)
def test_action_units(truth: str, answered: str | None, rationale: str, score: float) -> None:
    answer = Answer(answered, Outcome.ANSWERED if answered else Outcome.EMPTY)
    assert action_units(answer, truth, read_rationale(rationale)) == pytest.approx(score)


@pytest.mark.parametrize(("words", "score"), [(0, 1), (100, 1), (150, 0.5), (200, 0), (10_000, 0)])
def test_brevity(words: int, score: float) -> None:
    assert brevity(words, free_words=100, most_words=200) == score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("", 1),
        ("one two three", 1),
        ("one two three four five", 1),
        ("no no no no no no", 1 / 3),
        ("a b c d A B C D", 4 / 5),
    ],
)
def test_repetition(text: str, score: float) -> None:
    assert repetition(lower_words(text)) == score


@pytest.mark.parametrize(
    ("response", "solution", "score"),
    [
        ("<answer>happy</answer>", "happy", 1),
        ("<answer>happy</answer>", "<answer>happy</answer>", 1),
        ("<answer>happy</answer>", "<think>x</think><answer> happy\n</answer>", 1),
        (" happy\n", "happy", 1),
        ("<answer>happy</answer><answer>sad</answer>", "happy", 1),
        ("<answer>Happy</answer>", "happy", 0),
        ("<answer>happiness</answer>", "happy", 0),
        ("<ANSWER>happy</ANSWER>", "happy", 0),
        ("<answer>happy", "happy", 0),
    ],
)
def test_upstream_accuracy(response: str, solution: str, score: float) -> None:
    assert upstream_accuracy(response, solution) == score
