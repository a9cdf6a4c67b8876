"""What becomes of a chat API's replies: real clients, real HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from tests.unifer_tasks.chat_server import UNUSUAL, ChatServer, Request, completion, serve
from unifer_tasks.harness.requests.replies import ReplyError, careful_client, parse_reply
from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.answers.strict import read_answer

openai = pytest.importorskip("openai")

N_QUESTIONS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    def answer(asked: Request) -> Any:
        unusual = UNUSUAL.get(asked.text)
        return unusual.body if unusual else f"It is {asked.text}."

    with serve(answer) as running:
        yield running


def question(text: str) -> dict[str, Any]:
    png = io.BytesIO()
    Image.new("RGB", (4, 4)).save(png, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
    content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": "stub", "messages": [{"role": "user", "content": content}]}


def model(server: ChatServer, kind: Any = openai.OpenAI) -> Any:
    return SimpleNamespace(client=kind(base_url=server.url, api_key="none", max_retries=0))


def ask(lm: Any, text: str) -> Any:
    """Ask as lmms-eval's openai and async_openai do."""
    if isinstance(lm.client, openai.AsyncOpenAI):
        pytest.fail("the client was not replaced")

    async def awaited(reply: Any) -> Any:
        return await reply

    with_reply = lm.client.chat.completions.create(**question(text))
    return asyncio.run(awaited(with_reply)) if hasattr(with_reply, "__await__") else with_reply


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
@pytest.mark.parametrize("name", UNUSUAL)
def test_each_reply_has_its_outcome(server: ChatServer, name: str, kind: Any) -> None:
    lm = model(server, kind)
    before = len(server.asked)
    with careful_client(lm):
        try:
            text = ask(lm, name).choices[0].message.content
        except (ReplyError, openai.APIError) as error:
            text = f"[LMMS_EVAL_REQUEST_FAILED after 1 retries] {error}"
    assert len(server.asked) - before == 1
    assert read_answer(text, "sfew").outcome == UNUSUAL[name].outcome
    assert UNUSUAL[name].text in (None, text)


def test_a_client_is_replaced_for_one_call_only(server: ChatServer) -> None:
    lm = model(server)
    own = lm.client

    def interrupted() -> None:
        with careful_client(lm):
            assert lm.client is not own
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lm.client is own
    for other in (SimpleNamespace(), SimpleNamespace(client=object())):
        before = vars(other).copy()
        with careful_client(other):
            assert vars(other) == before


def test_each_event_loop_has_connections_of_its_own(server: ChatServer) -> None:
    lm = model(server, openai.AsyncOpenAI)
    before = len(server.asked)

    async def call() -> list[str]:
        create = lm.client.chat.completions.create
        replies = await asyncio.gather(*(create(**question(str(n))) for n in range(N_QUESTIONS)))
        return [reply.choices[0].message.content for reply in replies]

    for _ in range(3):
        with careful_client(lm):
            assert asyncio.run(call()) == [f"It is {n}." for n in range(N_QUESTIONS)]
    assert len(server.asked) - before == 3 * N_QUESTIONS


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_an_api_that_refuses_a_question_is_not_asked_again(code: str) -> None:
    class RefusedError(Exception):
        pass

    def create(**payload: Any) -> None:
        error = RefusedError("The prompt was filtered.")
        error.code = code  # type: ignore[attr-defined]
        raise error

    completions = SimpleNamespace(create=create)
    lm = SimpleNamespace(client=SimpleNamespace(chat=SimpleNamespace(completions=completions)))
    with careful_client(lm):
        text = lm.client.chat.completions.create().choices[0].message.content
    assert text.endswith("The prompt was filtered.")
    assert read_answer(text, "sfew").outcome is Outcome.REFUSED


def test_a_reply_that_is_not_json_is_named() -> None:
    with pytest.raises(ReplyError, match="<html>"):
        parse_reply("<html>Please log in</html>")


def test_calls_of_tools_reach_the_back_end() -> None:
    reply = completion(None, "tool_calls")
    completions = SimpleNamespace(create=lambda **payload: reply)
    lm = SimpleNamespace(client=SimpleNamespace(chat=SimpleNamespace(completions=completions)))
    with careful_client(lm):
        assert lm.client.chat.completions.create(tools=[{}]) is reply
