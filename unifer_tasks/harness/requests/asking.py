"""Ask a model, and mark what is not an answer as a failed request.

lmms-eval counts an empty text as a wrong answer, whatever its cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from unifer_tasks.harness.requests.replies import careful_client
from unifer_tasks.harness.requests.shortfall import note_requests
from unifer_tasks.protocol.answers.outcomes import REQUEST_FAILED_PREFIX, request_failed
from unifer_tasks.redaction.characters import encodable
from unifer_tasks.support.counted import counted
from unifer_tasks.support.seams import replaced

if TYPE_CHECKING:
    from lmms_eval.api.instance import GenerationResult, Instance
    from lmms_eval.api.model import lmms

APIS = frozenset(
    {
        "async_openai",
        "batch_gpt4",
        "claude",
        "gemini",
        "gpt4o_audio",
        "gpt4v",
        "litellm",
        "openai",
        "qwen_vl_api",
        "reka",
    }
)
"""Back ends that ask an API. An empty text from one means that a request failed, or was not made
because the budget was spent. A model in this process may answer with an empty text."""

Generate = Callable[[list["Instance"]], Sequence[Any]]


def ask(
    lm: lmms, generate: Generate, requests: Sequence[Instance], *, asks_an_api: bool
) -> list[GenerationResult]:
    """Return a model's answer to each request, or a note that the request failed.

    Args:
        lm: The model.
        generate: Its `generate_until`.
        requests: What is asked.
        asks_an_api: Whether it asks one (see `APIS`).
    """
    with careful_client(lm):
        outputs = generate(list(requests))
    if len(outputs) != len(requests):
        # lmms-eval's claude returns two for a failed request; none can be told apart.
        what = f"{counted(len(outputs), 'answer')} came to {counted(len(requests), 'question')}"
        outputs = [f"{REQUEST_FAILED_PREFIX}: {what}]"] * len(requests)
    answers = [_noted(output, asks_an_api=asks_an_api) for output in outputs]
    note_requests(len(answers), sum(request_failed(answer.text) for answer in answers))
    return answers


@contextmanager
def failures_noted(lm: lmms, backend: str) -> Iterator[None]:
    """Let a model's `generate_until` be that of `ask` until the block ends.

    It warns of the requests that failed.

    Args:
        lm: The model.
        backend: Its model id.
    """
    from loguru import logger

    generate = lm.generate_until

    def generate_until(requests: list[Instance]) -> list[GenerationResult]:
        answers = ask(lm, generate, requests, asks_an_api=backend in APIS)
        if failed := sum(request_failed(answer.text) for answer in answers):
            logger.warning(
                f"{failed:,} of {len(answers):,} requests failed and count as wrong; "
                "`ferbench lmms-eval --use_cache DIR` keeps the others and asks these again"
            )
        return answers

    with replaced(lm, "generate_until", generate_until):
        yield


def _noted(output: Any, *, asks_an_api: bool) -> GenerationResult:
    from lmms_eval.api.instance import GenerationResult, unwrap_generation_output

    text, tokens = unwrap_generation_output(output)
    if text is None or (asks_an_api and not text.strip()):
        text = f"{REQUEST_FAILED_PREFIX}: the reply has no content]"
    # lmms-eval writes its log in UTF-8, and ends it at the first text that has none.
    return GenerationResult(encodable(text), tokens)
