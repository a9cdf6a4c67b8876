from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.training.rationales import Limits, Mode, Reject, reject
from tests.data_prep.teacher_server import RATIONALE
from unifer_tasks.protocol.prompts import response

GOOD = RATIONALE
GERMAN = (
    "Die Augenbrauen der Person sind zusammengezogen und die Mundwinkel zeigen nach unten, was "
    "zusammen mit den verengten Augen und dem angespannten Kinn auf Trauer schließen lässt und "
    "nicht auf Ärger oder Angst."
)
CHINESE = "这个人的眉毛皱在一起嘴角向下拉" * 4 + " " + " ".join(["brow"] * 20)


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        (response(GOOD, "sad"), "blind", None),
        (response(GOOD, "Sadness."), "blind", None),
        (response(GOOD, "sad") + "\n", "hinted", None),
        (GOOD, "blind", Reject.FORMAT),
        (f"<answer>sad</answer><think>{GOOD}</think>", "blind", Reject.FORMAT),
        (f"Sure! {response(GOOD, 'sad')}", "blind", Reject.FORMAT),
        (response(GOOD + "<think>again</think>", "sad"), "blind", Reject.FORMAT),
        (response(GOOD, "sad") + response(GOOD, "sad"), "blind", Reject.FORMAT),
        (response(GOOD, "fear"), "blind", Reject.LABEL),
        (response(GOOD, r"\boxed{sad}"), "blind", Reject.LABEL),
        (f"{GOOD}</think><answer>sad</answer>", "blind", Reject.FORMAT),
        (response(GOOD, "fear"), "hinted", Reject.LABEL),
        (response(GOOD, "sad or fear"), "blind", Reject.LABEL),
        (response("The brows are low.", "sad"), "blind", Reject.LENGTH),
        (response(" ".join(f"word{'a' * n}" for n in range(401)), "sad"), "blind", Reject.LENGTH),
        (response(GERMAN, "sad"), "blind", Reject.LANGUAGE),
        (response(CHINESE, "sad"), "blind", Reject.LANGUAGE),
        (
            response("The brows are low and the mouth is shut. " * 6, "sad"),
            "blind",
            Reject.REPETITION,
        ),
        (response(f"{GOOD} The label is sad.", "sad"), "hinted", Reject.HINT_LEAK),
        (response(f"{GOOD} This fits the given expression.", "sad"), "hinted", Reject.HINT_LEAK),
        (response(f"As I was told, {GOOD}", "sad"), "hinted", Reject.HINT_LEAK),
        (response(f"{GOOD} It matches the ground truth.", "sad"), "hinted", Reject.HINT_LEAK),
        # Blind, the same words reveal nothing.
        (response(f"{GOOD} The correct label is sad.", "sad"), "blind", None),
        (response(f"{GOOD} So the person is angry.", "sad"), "blind", Reject.CONTRADICTION),
        (response(f"It may be anger. {GOOD} It is sadness.", "sad"), "blind", None),
        (response(f"{GOOD} It is sadness rather than anger.", "sad"), "blind", None),
        (response(f"{GOOD} It is sad. It is not anger or fear.", "sad"), "blind", None),
    ],
)
def test_every_reason_to_reject(text: str, mode: str, expected: Reject | None) -> None:
    assert reject(text, "ferplus", "sad", Mode(mode)) == expected


def test_limits_can_be_set() -> None:
    short = response("The brows are low and the mouth is shut.", "sad")
    assert reject(short, "ferplus", "sad", Mode.BLIND, Limits(min_words=5)) is None


@settings(deadline=None)
@given(text=st.text(max_size=300), mode=st.sampled_from(Mode))
def test_no_text_raises(text: str, mode: Mode) -> None:
    assert reject(text, "sfew", "sad", mode) is not None
    reject(response(text, "sad"), "sfew", "sad", mode)
