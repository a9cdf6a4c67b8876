"""What a chat API replied, as the text that the readers of answers expect.

lmms-eval's `openai`, `async_openai` and `litellm` take `choices[0].message.content` for the
answer, whatever it is. Here a reply is read before they see it:

| reply | becomes |
|---|---|
| content in parts | their text, joined |
| thinking beside an answer block (`reasoning_content`, `reasoning`, or parts) | a think block before it, unless the content has one |
| no text, cut off at the token limit | an open think block, which is read as truncated |
| no text, by the filter's or the model's refusal | a note that is read as refused |
| no text for another reason | a note of a failed request: counted, and asked again by the next start |
| an error in place of a choice, with status 200 | an exception, upon which the back end tries again as after any error |

`async_openai` starts an event loop a call and keeps one client over all of them, whose open
connections belong to the loop that has ended: requests over these fail once the server has them,
and are asked and paid for again. So each call gets a client with connections of its own.
"""  # noqa: E501

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from unifer_tasks.outcomes import REQUEST_FAILED_PREFIX
from unifer_tasks.prompts import ANSWER_TAG, THINK_TAG

_CUT_OFF = re.compile(r"length|max_?(?:output_)?tokens", re.IGNORECASE)
# As lmms-eval's Gemini back ends note it, with Gemini's word for the reason.
_REFUSED = "[SAFETY_BLOCKED:finish_reason=SAFETY]"
_REFUSES = re.compile(r"content_?filter|refusal|safety|prohibited_content", re.IGNORECASE)
_REFUSING_CODES = {"content_filter", "content_policy_violation", "moderation_blocked"}
_TAG = re.compile(rf"</?(?:{THINK_TAG}|{ANSWER_TAG})>", re.IGNORECASE)
_THOUGHT_PARTS = {"thinking", "reasoning"}


class ReplyError(Exception):
    """A server replied with an error in place of an answer."""


@contextmanager
def careful_client(lm: Any) -> Iterator[None]:
    """Give a model, for one call, a client whose replies are read by `read_reply`.

    Args:
        lm: An lmms-eval model. One without an OpenAI client is left as it is.
    """
    client = getattr(lm, "client", None)
    create = _create_of(client)
    if create is None:
        yield
        return
    completions = SimpleNamespace(create=_careful(create))
    lm.client = SimpleNamespace(chat=SimpleNamespace(completions=completions))
    try:
        yield
    finally:
        lm.client = client


def read_reply(reply: Any) -> str:
    """Return a chat completion's text, or the note that stands for it.

    Args:
        reply: An object with the attributes of OpenAI's `ChatCompletion`.

    Raises:
        ReplyError: It is an error, or no chat completion.
    """
    choices = _get(reply, "choices")
    if not isinstance(choices, list) or not choices:
        error = _get(reply, "error")
        raise ReplyError(_message(error) if error else f"the reply has no choices: {reply!s:.100}")
    choice = choices[0]
    if error := _get(choice, "error"):
        raise ReplyError(_message(error))
    message, reason = _get(choice, "message"), str(_get(choice, "finish_reason") or "no reason")
    content, thoughts = _get(message, "content"), _thoughts(message)
    text = _joined(content, thinking=False)
    if text.strip():
        answers = f"</{ANSWER_TAG}>" in text.lower() and f"{THINK_TAG}>" not in text.lower()
        # What a reader takes from a text without an answer block must be the answer's own.
        return f"<{THINK_TAG}>{thoughts}</{THINK_TAG}>\n{text}" if thoughts and answers else text
    if _CUT_OFF.fullmatch(reason):
        return f"<{THINK_TAG}>{thoughts}"
    refusal = _get(message, "refusal")
    if refusal or _REFUSES.match(reason):
        return f"{_REFUSED} {refusal or ''}".rstrip()
    what = "holds thinking and no answer" if thoughts else "is empty"
    return f"{REQUEST_FAILED_PREFIX}: the reply {what}, and ended by {reason}]"


def _create_of(client: Any) -> Callable[..., Any] | None:
    """What lmms-eval calls of a client, for one event loop; None of another kind of client."""
    create = getattr(getattr(getattr(client, "chat", None), "completions", None), "create", None)
    if create is None:
        return None
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    if isinstance(client, AsyncOpenAI):
        client = client.copy(http_client=DefaultAsyncHttpxClient())
        create = client.chat.completions.create
    return create  # type: ignore[no-any-return]


def _careful(create: Callable[..., Any]) -> Callable[..., Any]:
    def create_and_read(**payload: Any) -> Any:
        if payload.get("tools"):
            # The back end itself answers calls of tools.
            return create(**payload)
        try:
            reply = create(**payload)
        except Exception as error:
            return _refusal(error)
        return _later(reply) if inspect.isawaitable(reply) else _as_read(reply)

    return create_and_read


async def _later(reply: Awaitable[Any]) -> Any:
    try:
        return _as_read(await reply)
    except Exception as error:
        return _refusal(error)


def _as_read(reply: Any) -> Any:
    return _completion(read_reply(reply), _get(reply, "usage"))


def _refusal(error: Exception) -> Any:
    """An API's refusal of a question, which it would refuse again; raises any other error."""
    if getattr(error, "code", None) not in _REFUSING_CODES:
        raise error
    return _completion(f"{_REFUSED} {error}")


def _completion(text: str, usage: Any = None) -> Any:
    """What lmms-eval looks at of a chat completion."""
    message = SimpleNamespace(content=text, tool_calls=None)
    choice = SimpleNamespace(message=message, finish_reason="stop")
    return SimpleNamespace(choices=[choice], usage=usage)


def _thoughts(message: Any) -> str:
    """The thinking that a server keeps apart, less tags that would be taken for the answer's."""
    apart = _get(message, "reasoning_content") or _get(message, "reasoning")
    text = _text_of(apart) if apart else _joined(_get(message, "content"), thinking=True)
    return _TAG.sub("", text).strip()


def _joined(content: Any, *, thinking: bool) -> str:
    """The text of a message's content, or else its thinking."""
    if isinstance(content, str):
        return "" if thinking else content
    parts = content if isinstance(content, list) else []
    return "".join(
        _text_of(part) for part in parts if (_get(part, "type") in _THOUGHT_PARTS) == thinking
    )


def _text_of(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(map(_text_of, part))
    values = (_get(part, name) for name in ("text", "thinking", "reasoning", "content"))
    return next((_text_of(value) for value in values if isinstance(value, str | list)), "")


def _message(error: Any) -> str:
    return str(_get(error, "message") or error)


def _get(owner: Any, name: str) -> Any:
    return owner.get(name) if isinstance(owner, Mapping) else getattr(owner, name, None)
