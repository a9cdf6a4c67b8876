"""The outcomes of a question, and the notes that lmms-eval returns in place of a response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """The outcome of a question. Only `ANSWERED` can be right."""

    ANSWERED = "answered"
    """One candidate label was read."""
    MISSING = "missing"
    """The response has no well-formed answer block."""
    EMPTY = "empty"
    """The answer block holds no word."""
    AMBIGUOUS = "ambiguous"
    """The answer block names several candidate labels."""
    OFF_LIST = "off-list"
    """The answer block holds something else than one candidate label."""
    TRUNCATED = "truncated"
    """The token limit was reached: the response ends inside a block, or its API says so."""
    REFUSED = "refused"
    """The model declined to answer, or its API's filter blocked the answer."""
    REQUEST_FAILED = "request-failed"
    """No response was received: the server or API failed, or was not asked."""


REQUEST_FAILED_PREFIX = "[LMMS_EVAL_REQUEST_FAILED"
"""How the text begins that lmms-eval's API back ends return in place of a response."""

_FAILURES = (
    REQUEST_FAILED_PREFIX,
    # models/model_utils/usage_metrics.py: the budget is spent.
    "[LMMS_EVAL_BUDGET_EXCEEDED]",
    # models/simple/generation_api.py and others that call a generation service.
    "[GENERATION_FAILED]",
    # models/chat/async_openai.py: a reply without content is added to a string.
    'Error: can only concatenate str (not "NoneType") to str',
)

_WITHHELD = "[SAFETY_BLOCKED:"
"""How the text begins that lmms-eval's Gemini back ends return whenever a reply has no text, for
whatever reason (models/simple/gemini.py, models/chat/gemini.py)."""

_REASON = re.compile(r"finish_reason\W{1,9}(?:is )?(?:FinishReason\.)?(\w+)")

# Gemini's `FinishReason` (ai.google.dev/api/generate-content, cloud.google.com/vertex-ai). A
# reason that is not listed, or that blames neither limit, filter nor API, makes the answer
# missing: RECITATION, LANGUAGE, the image reasons.
_OUTCOME_OF_REASON: Mapping[str, Outcome] = MappingProxyType(
    {
        "MAX_TOKENS": Outcome.TRUNCATED,
        # The number of MAX_TOKENS, by which the older SDK's error names it.
        "2": Outcome.TRUNCATED,
        **dict.fromkeys(
            (
                "SAFETY",
                "BLOCKLIST",
                "PROHIBITED_CONTENT",
                "SPII",
                "MODEL_ARMOR",
                "IMAGE_SAFETY",
                "IMAGE_PROHIBITED_CONTENT",
            ),
            Outcome.REFUSED,
        ),
        **dict.fromkeys(
            (
                "FINISH_REASON_UNSPECIFIED",
                # An empty reply.
                "STOP",
                "OTHER",
                # No tool was offered.
                "MALFORMED_FUNCTION_CALL",
                "MALFORMED_RESPONSE",
                "UNEXPECTED_TOOL_CALL",
                "TOO_MANY_TOOL_CALLS",
                "MISSING_THOUGHT_SIGNATURE",
            ),
            Outcome.REQUEST_FAILED,
        ),
    }
)


def noted_outcome(response: str) -> Outcome | None:
    """Return the outcome that lmms-eval notes in place of a response.

    Args:
        response: A model's output, or what its back end returned instead.

    Returns:
        The outcome; None where the text is a response. A reply that Gemini withholds without
        any reason was blocked before the model answered, and is refused.
    """
    if response.startswith(_FAILURES):
        return Outcome.REQUEST_FAILED
    if not response.startswith(_WITHHELD):
        return None
    reason = _REASON.search(response)
    if reason is None:
        return Outcome.REFUSED
    return _OUTCOME_OF_REASON.get(reason[1], Outcome.MISSING)


def request_failed(response: str) -> bool:
    """Return whether a text notes that a request failed or was not made."""
    return noted_outcome(response) is Outcome.REQUEST_FAILED
