from __future__ import annotations

import pytest

from unifer_tasks.protocol.answers.outcomes import Outcome, noted_outcome, request_failed
from unifer_tasks.protocol.answers.strict import Answer, read_answer, read_literal
from unifer_tasks.protocol.labels import LABEL_SPACES

IN_FORM = "<think>The mouth.</think>\n<answer>fear</answer>"


def blocked(reason: str, *ratings: str) -> str:
    """Return what lmms-eval's `_extract_safety_tag` writes, whose enum prints its class."""
    return f"[SAFETY_BLOCKED:{','.join((f'finish_reason=FinishReason.{reason}', *ratings))}]"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("[LMMS_EVAL_REQUEST_FAILED after 5 retries] timeout", Outcome.REQUEST_FAILED),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", Outcome.REQUEST_FAILED),
        ("[GENERATION_FAILED] no image", Outcome.REQUEST_FAILED),
        (
            'Error: can only concatenate str (not "NoneType") to str',
            Outcome.REQUEST_FAILED,
        ),
        (blocked("MAX_TOKENS"), Outcome.TRUNCATED),
        (blocked("MAX_TOKENS", "HARM_CATEGORY_HARASSMENT=MEDIUM"), Outcome.TRUNCATED),
        ("[SAFETY_BLOCKED:finish_reason=MAX_TOKENS]", Outcome.TRUNCATED),
        ("[SAFETY_BLOCKED:finish_reason=<FinishReason.MAX_TOKENS: 'x'>]", Outcome.TRUNCATED),
        ("[SAFETY_BLOCKED:The candidate's [finish_reason] is 2. Meaning]", Outcome.TRUNCATED),
        ("[SAFETY_BLOCKED:finish_reason: SAFETY]", Outcome.REFUSED),
        ("[SAFETY_BLOCKED:unknown]", Outcome.REFUSED),
        ("[SAFETY_BLOCKED:HARM_CATEGORY_HARASSMENT=HIGH]", Outcome.REFUSED),
        *(
            (blocked(reason), Outcome.REFUSED)
            for reason in (
                *("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
                *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"),
            )
        ),
        *(
            (blocked(reason), Outcome.REQUEST_FAILED)
            for reason in (
                *("FINISH_REASON_UNSPECIFIED", "STOP", "OTHER", "MALFORMED_FUNCTION_CALL"),
                *("MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
                "MISSING_THOUGHT_SIGNATURE",
            )
        ),
        *(
            (blocked(reason), Outcome.MISSING)
            for reason in ("RECITATION", "LANGUAGE", "IMAGE_RECITATION", "NO_IMAGE", "NEW_ONE")
        ),
    ],
)
def test_a_note_in_place_of_a_response_has_its_outcome(text: str, outcome: Outcome) -> None:
    assert noted_outcome(text) is outcome
    assert request_failed(text) is (outcome is Outcome.REQUEST_FAILED)
    # What no model said is no answer, whatever follows it.
    for response in (text, text + IN_FORM):
        assert read_answer(response, "rafdb") == Answer(None, outcome)
        assert read_literal(response, LABEL_SPACES["rafdb"].labels) == Answer(None, outcome)


@pytest.mark.parametrize(
    "text", ["", IN_FORM, " [SAFETY_BLOCKED:x]", "It says [LMMS_EVAL_REQUEST_FAILED]", "Error: no"]
)
def test_a_response_is_not_a_note(text: str) -> None:
    assert noted_outcome(text) is None
    assert not request_failed(text)


def test_geminis_back_end_writes_the_notes_that_are_read() -> None:
    """Call the real function on replies as google-genai gives them."""
    gemini = pytest.importorskip("lmms_eval.models.simple.gemini")
    from enum import Enum
    from types import SimpleNamespace

    class FinishReason(str, Enum):  # noqa: UP042 - as google-genai declares it
        MAX_TOKENS = "MAX_TOKENS"
        SAFETY = "SAFETY"
        RECITATION = "RECITATION"

    def note(*reasons: FinishReason) -> str:
        candidates = [SimpleNamespace(finish_reason=r, safety_ratings=[]) for r in reasons]
        return str(gemini._extract_safety_tag(SimpleNamespace(candidates=candidates)))

    assert noted_outcome(note(FinishReason.MAX_TOKENS)) is Outcome.TRUNCATED
    assert noted_outcome(note(FinishReason.SAFETY)) is Outcome.REFUSED
    assert noted_outcome(note(FinishReason.RECITATION)) is Outcome.MISSING
    assert noted_outcome(note()) is Outcome.REFUSED
    assert noted_outcome(gemini._extract_safety_tag(None)) is Outcome.REFUSED
