"""An OpenAI-compatible chat server of the tests' own: real HTTP, answers by rule."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from tests.json_server import JsonHandler, listening
from unifer_tasks.protocol.answers.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the server saw it."""

    text: str
    image_size: tuple[int, int]
    image_mode: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A running server: its address, and what it was asked."""

    url: str
    asked: list[Request] = field(default_factory=list)


Answer = Callable[[Request], str | Mapping[str, Any] | None]
"""What to say to a request: a text, or the whole body of a reply with status 200; None refuses it,
in a way that clients do not retry by themselves."""


def completion(message: object, finish_reason: str = "stop", **more: object) -> dict[str, Any]:
    """Return the body of a reply.

    Args:
        message: The message, or its content.
        finish_reason: Why it ended.
        **more: Further fields of the choice.
    """
    if not isinstance(message, dict):
        message = {"role": "assistant", "content": message}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, **more}
    return {**_BODY, "choices": [choice]}


_BODY = {"id": "1", "object": "chat.completion", "created": 0, "model": "stub"}


@dataclass(frozen=True, slots=True)
class Unusual:
    """A reply that servers have been seen to send in place of a text.

    Attributes:
        outcome: What becomes of the question.
        body: The reply, with status 200; None for status 400.
        text: What is kept of an answer to fear.
    """

    outcome: Outcome
    body: Mapping[str, Any] | None
    text: str | None = None


def _message(**fields: object) -> dict[str, object]:
    return {"role": "assistant", "content": None, **fields}


def _parts(*parts: object) -> list[object]:
    return [part if isinstance(part, dict) else {"type": "text", "text": part} for part in parts]


_ANSWER = "<answer>fear</answer>"
_READ = f"<think>Hm.</think>\n{_ANSWER}"
_FAILED, _TRUNCATED = Outcome.REQUEST_FAILED, Outcome.TRUNCATED
_REFUSED, _ANSWERED = Outcome.REFUSED, Outcome.ANSWERED

UNUSUAL: Mapping[str, Unusual] = {
    "status 400": Unusual(_FAILED, None),
    "empty": Unusual(_FAILED, completion("")),
    "blank": Unusual(_FAILED, completion(" \n")),
    "null": Unusual(_FAILED, completion(None)),
    "no content": Unusual(_FAILED, completion({"role": "assistant"})),
    "no parts": Unusual(_FAILED, completion([])),
    "an empty part": Unusual(_FAILED, completion(_parts(""))),
    "null message": Unusual(_FAILED, {**_BODY, "choices": [{"index": 0, "message": None}]}),
    "no choices": Unusual(_FAILED, {**_BODY, "choices": []}),
    "null choices": Unusual(_FAILED, {**_BODY, "choices": None}),
    "error": Unusual(_FAILED, {"error": {"message": "overloaded", "code": 502}}),
    "error beside no choices": Unusual(_FAILED, {**_BODY, "choices": [], "error": "overloaded"}),
    "vLLM's error": Unusual(_FAILED, {"object": "error", "message": "overloaded", "code": 400}),
    "error in a choice": Unusual(
        _FAILED, completion("Half an", "error", error={"message": "overloaded", "code": 502})
    ),
    "thinking only": Unusual(_FAILED, completion(_message(reasoning_content="Hm."))),
    "a tool": Unusual(_FAILED, completion(_message(tool_calls=[]), "tool_calls")),
    "cut off": Unusual(_TRUNCATED, completion(None, "length")),
    "cut off in hidden thinking": Unusual(
        _TRUNCATED, completion(_message(content="", reasoning_content="Hm"), "length")
    ),
    "filtered": Unusual(_REFUSED, completion(None, "content_filter")),
    "a refusal": Unusual(_REFUSED, completion(_message(refusal="I will not."))),
    "parts": Unusual(_ANSWERED, completion(_parts("<think>Hm.</think>\n", _ANSWER)), _READ),
    "reasoning_content": Unusual(
        _ANSWERED, completion(_message(content=_ANSWER, reasoning_content="Hm.")), _READ
    ),
    "reasoning": Unusual(_ANSWERED, completion(_message(content=_ANSWER, reasoning="Hm.")), _READ),
    "a thinking part": Unusual(
        _ANSWERED,
        completion(_parts({"type": "thinking", "thinking": _parts("Hm.")}, _ANSWER)),
        _READ,
    ),
    "an answer in the thinking": Unusual(
        _ANSWERED,
        completion(_message(content=_ANSWER, reasoning="</think><answer>joy</answer>?")),
        f"<think>joy?</think>\n{_ANSWER}",
    ),
    "thinking before a think block": Unusual(
        _ANSWERED, completion(_message(content=_READ, reasoning="So: think.")), _READ
    ),
}


@contextmanager
def serve(answer: Answer) -> Iterator[ChatServer]:
    """Serve chat completions on a free port of this machine until the block ends."""
    asked: list[Request] = []
    # A rule may count.
    lock = threading.Lock()

    class Handler(JsonHandler):
        def reply(self, body: bytes) -> None:
            request = _read(json.loads(body))
            with lock:
                asked.append(request)
                said = answer(request)
            if said is None:
                self.send_json(400, {"error": {"message": "out of order"}})
            else:
                self.send_json(200, completion(said) if isinstance(said, str) else said)

    with listening(Handler) as address:
        yield ChatServer(f"http://{address}/v1", asked)


def _read(body: dict[str, Any]) -> Request:
    parts = body["messages"][-1]["content"]
    text = next(part["text"] for part in parts if part["type"] == "text")
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2])))
    options = {key: value for key, value in body.items() if key != "messages"}
    return Request(text, image.size, image.mode, options)
