"""What a model returned, as an answer or as the note of a failed request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from unifer_tasks.harness.requests.asking import failures_noted
from unifer_tasks.protocol.answers.outcomes import request_failed

instances = pytest.importorskip("lmms_eval.api.instance")


class Model:
    """Returns what it was made with, whatever it is asked."""

    def __init__(self, outputs: Sequence[Any]) -> None:
        self.outputs = outputs

    def generate_until(self, requests: Sequence[Any]) -> Sequence[Any]:
        return self.outputs


@pytest.mark.parametrize(
    ("backend", "outputs", "failed"),
    [
        ("gemini", ["fear", ""], [False, True]),
        ("openai", [" \n", "fear"], [True, False]),
        ("claude", ["", "", "fear"], [True, True]),
        ("unifer", ["", "fear"], [False, False]),
        ("unifer", [instances.GenerationResult(None), "fear"], [True, False]),
        ("openai", [instances.GenerationResult(""), ("fear", {})], [True, False]),
        ("openai", ["[LMMS_EVAL_REQUEST_FAILED after 2 retries] x", "fear"], [True, False]),
    ],
)
def test_what_is_not_an_answer_is_noted(
    backend: str, outputs: Sequence[Any], failed: Sequence[bool]
) -> None:
    lm: Any = Model(outputs)
    with failures_noted(lm, backend):
        answers = lm.generate_until([object()] * len(failed))
    assert [request_failed(answer.text) for answer in answers] == failed
    assert lm.generate_until([object()]) is outputs


def test_an_answer_is_one_that_a_log_in_utf_8_can_hold() -> None:
    lm: Any = Model(["a half \ud83d", "a pair \ud83d\ude00"])
    with failures_noted(lm, "openai"):
        answers = lm.generate_until([object()] * 2)
    assert [answer.text for answer in answers] == ["a half \ufffd", "a pair 😀"]
