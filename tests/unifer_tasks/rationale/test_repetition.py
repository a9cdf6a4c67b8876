from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unifer_tasks.rationale.repetition import MIN_DISTINCT, lower_words, repeats, repetition

N_WORDS = 4


def plain_repetition(text: str) -> float:
    words = text.lower().split()
    runs = [words[at : at + N_WORDS] for at in range(len(words) - N_WORDS + 1)]
    distinct = [run for at, run in enumerate(runs) if run not in runs[:at]]
    return len(distinct) / len(runs) if runs else 1.0


@pytest.mark.parametrize(
    ("text", "score", "loops"),
    [
        ("", 1, False),
        ("no no no", 1, False),
        ("The corners of the mouth, the corners of the eyes.", 6 / 7, False),
        ("Raised brows here. RAISED\nbrows\there. raised brows here.", 3 / 6, True),
        # Distinct at the beginning or at the end alone.
        ("a b c d e f g h i j" + " k" * 6, 11 / 13, False),
        ("a b c d e f g h i j" + " k" * 12, 11 / 19, True),
        ("k " * 12 + "a b c d e f g h i j", 11 / 19, True),
        ("k " * 6 + "a b c d e f g h i j", 11 / 13, False),
        # At the limit: seven of ten.
        ("a b c d e f g" + " g" * 6, 7 / 10, False),
    ],
)
def test_repetition(text: str, score: float, loops: bool) -> None:
    assert repetition(lower_words(text)) == pytest.approx(score)
    assert repeats(lower_words(text)) == loops


@given(st.text(alphabet="aAbcß\u0130 \n\x1c\u00a0"))
@example("a b c d e f g" + " g" * 6)
def test_repetition_by_its_definition(text: str) -> None:
    assert repetition(lower_words(text)) == plain_repetition(text)
    assert repeats(lower_words(text)) == (plain_repetition(text) < MIN_DISTINCT)
