"""Turn the reply of a chat API into the text that the answer readers expect.

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
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from unifer_tasks.protocol.answers.outcomes import REQUEST_FAILED_PREFIX, request_failed
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG
from unifer_tasks.redaction.secrets import redact, redact_values

_CUT_OFF = re.compile(r"length|max_?(?:output_)?tokens", re.IGNORECASE)
# As lmms-eval's Gemini back ends note it, with Gemini's word for the reason.
_REFUSED = "[SAFETY_BLOCKED:finish_reason=SAFETY]"
_REFUSES = re.compile(r"content_?filter|refusal|safety|prohibited_content", re.IGNORECASE)
_REFUSING_CODES = {
    "content_filter",
    "content_policy_violation",
    "data_inspection_failed",
    "moderation_blocked",
}
_REFUSING_STATUSES = {400, 403, 422, 451}
# A key's missing permission has the status of a moderated image, but none of these words.
_MODERATED = re.compile(
    r"content[ _-]?(?:filter|policy|management policy|safety|violat)|moderat(?:ion|ed)|"
    r"data[ _-]?inspection|safety (?:system|check|filter|polic|setting|guideline|reasons?)|"
    r"prohibited[ _-]content|responsible ?ai|(?:unsafe|inappropriate|sensitive) content|"
    r"(?:image|prompt|input|request|content)s? (?:was|were|is|are|has been|have been) "
    r"(?:flagged|rejected (?:by|as a result of) (?:our|the) safety)",
    re.IGNORECASE,
)
_LEADING_CLOSE = re.compile(rf"\s*</{THINK_TAG}>", re.IGNORECASE)
_TAG = re.compile(rf"</?(?:{THINK_TAG}|{ANSWER_TAG})>", re.IGNORECASE)
_THOUGHT_PARTS = {"thinking", "reasoning"}


class ReplyError(Exception):
    """A server replied with an error in place of an answer.

    Attributes:
        code: The server's word for it, if any.
    """

    def __init__(self, message: str, code: object = None) -> None:
        super().__init__(message)
        self.code = code


class Ending(StrEnum):
    """How a reply ended."""

    ANSWERED = "answered"
    CUT_OFF = "cut off"
    """At the token limit."""
    REFUSED = "refused"
    """By a filter or by the model."""
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Reply:
    """A chat completion as it was read.

    Attributes:
        text: What the answer readers get: the text, or a note in its place.
        ending: How it ended.
        thinking: What the server kept apart as thinking, as it came.
    """

    text: str
    ending: Ending
    thinking: str = ""


@contextmanager
def careful_client(lm: Any) -> Iterator[None]:
    """Give a model, for one call, a client whose replies are read by `parse_reply`.

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


def parse_reply(reply: Any) -> Reply:
    """Read a chat completion.

    Args:
        reply: An object with the attributes of OpenAI's `ChatCompletion`.

    Raises:
        ReplyError: It is an error, or no chat completion.
    """
    choices = _get(reply, "choices")
    if not isinstance(choices, list) or not choices:
        error = _get(reply, "error")
        if error:
            raise _reply_error(error)
        raise ReplyError(f"the reply has no choices: {reply!s:.100}")
    choice = choices[0]
    if error := _get(choice, "error"):
        raise _reply_error(error)
    message, reason = _get(choice, "message"), str(_get(choice, "finish_reason") or "no reason")
    thinking = _thinking(message)
    # Tags would be taken for the answer's.
    thoughts = _TAG.sub("", thinking).strip()
    text = _joined(_get(message, "content"), thinking=False)
    if thoughts:
        # The tag that ends the thinking is on the wrong side of the split.
        text = text[found.end() :] if (found := _LEADING_CLOSE.match(text)) else text
    if text.strip():
        answers = f"</{ANSWER_TAG}>" in text.lower() and f"{THINK_TAG}>" not in text.lower()
        # What a reader takes from a text without an answer block must be the answer's own.
        if thoughts and answers:
            text = f"<{THINK_TAG}>{thoughts}</{THINK_TAG}>\n{text}"
        return Reply(text, Ending.CUT_OFF if _CUT_OFF.fullmatch(reason) else Ending.ANSWERED)
    if _CUT_OFF.fullmatch(reason):
        return Reply(f"<{THINK_TAG}>{thoughts}", Ending.CUT_OFF)
    refusal = _get(message, "refusal")
    if refusal or _REFUSES.match(reason):
        return Reply(f"{_REFUSED} {refusal or ''}".rstrip(), Ending.REFUSED)
    what = "holds thinking and no answer" if thoughts else "is empty"
    note = f"{REQUEST_FAILED_PREFIX}: the reply {what}, and ended by {reason}]"
    return Reply(note, Ending.EMPTY, thinking)


def is_refusal(error: Exception) -> bool:
    """Return whether an API refused a question for what it holds, and would refuse it again."""
    if str(getattr(error, "code", None)) in _REFUSING_CODES:
        return True
    status = getattr(error, "status_code", None)
    if status not in _REFUSING_STATUSES and not isinstance(error, ReplyError):
        return False
    return _MODERATED.search(f"{error} {getattr(error, 'body', '')}") is not None


def _create_of(client: Any) -> Callable[..., Any] | None:
    """Return what lmms-eval calls of a client in one event loop; None for other clients."""
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
    return _completion(parse_reply(reply).text, _get(reply, "usage"))


def _refusal(error: Exception) -> Any:
    """Return an API's refusal of a question, which it would repeat; raise any other error."""
    if not is_refusal(error):
        raise error
    return _completion(f"{_REFUSED} {error}")


def _completion(text: str, usage: Any = None) -> Any:
    """Return what lmms-eval looks at of a chat completion."""
    message = SimpleNamespace(content=text, tool_calls=None)
    choice = SimpleNamespace(message=message, finish_reason="stop")
    return SimpleNamespace(choices=[choice], usage=usage)


def _thinking(message: Any) -> str:
    """Return the thinking that a server keeps apart."""
    apart = _get(message, "reasoning_content") or _get(message, "reasoning")
    return _text_of(apart) if apart else _joined(_get(message, "content"), thinking=True)


def redact_answer(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Redact the note of a failed request as a message, and an answer no further than is safe.

    Args:
        text: The note or the answer.
        environment: Where values are known from; this process's environment by default.
    """
    return redact(text, environment) if request_failed(text) else redact_values(text, environment)


def _joined(content: Any, *, thinking: bool) -> str:
    """Return the text of a message's content, or else its thinking."""
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


def _reply_error(error: Any) -> ReplyError:
    return ReplyError(str(_get(error, "message") or error), _get(error, "code"))


def _get(owner: Any, name: str) -> Any:
    return owner.get(name) if isinstance(owner, Mapping) else getattr(owner, name, None)
