"""A teacher that fails in every way that servers fail, and keeps count."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.json_server import JsonHandler, listening
from unifer_tasks.protocol.prompts import response

RATIONALE = (
    "The brows of the person are drawn together and the corners of the mouth are pulled down, "
    "which together with the narrowed eyes and the tension in the chin suggests an expression "
    "that is easy to tell from the others on the list."
)

FAULTS = ("429", "500", "timeout", "broken-json", "empty", "cut-off", "no-choices")


@dataclass
class Teacher:
    """What the server does and what was asked of it.

    Attributes:
        faults: Share of requests that fail, in one of `FAULTS`.
        answer: The label that every answer gives.
        slow_s: Seconds of the longest delay: answers come out of order.
        status: A status that every request gets, if any.
        replies: What becomes of each request: a function of its body, giving status and JSON; None
            for the usual answer.
        requests: How many requests came, by what became of them.
        prompts: The text of every request.
    """

    faults: float = 0.0
    answer: str = "sad"
    text: str | None = None
    slow_s: float = 0.0
    status: int | None = None
    replies: Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None] = lambda body: None
    url: str = ""
    requests: Counter[str] = field(default_factory=Counter)
    prompts: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0


def completion(content: object, finish_reason: str = "stop", **message: object) -> dict[str, Any]:
    """Return a chat completion as OpenAI's API writes it."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "tutor",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
    }


@contextmanager
def serving(teacher: Teacher) -> Iterator[Teacher]:
    """Serve a teacher on a free port of this machine."""
    lock = threading.Lock()
    chance = random.Random(4)

    class Handler(JsonHandler):
        def reply(self, body: bytes) -> None:
            asked = json.loads(body)
            with lock:
                teacher.at_once += 1
                teacher.most_at_once = max(teacher.most_at_once, teacher.at_once)
                fault = chance.choice(FAULTS) if chance.random() < teacher.faults else "answered"
                teacher.requests[fault] += 1
                teacher.prompts.append(asked["messages"][0]["content"][1]["text"])
                delay = chance.random() * teacher.slow_s
            time.sleep(delay)
            # Before the reply, upon which the client may ask again.
            with lock:
                teacher.at_once -= 1
            self._reply(fault, teacher.replies(asked))

        def _reply(self, fault: str, special: tuple[int, dict[str, Any]] | None) -> None:
            whole = completion(teacher.text or response(RATIONALE, teacher.answer))
            status = teacher.status or (int(fault) if fault.isdigit() else 200)
            if status != 200:
                whole = {"error": {"message": f"status {status}"}}
            elif special is not None:
                status, whole = special
            elif fault == "timeout":
                time.sleep(3.5)
            elif fault == "empty":
                whole["choices"][0]["message"]["content"] = ""
            elif fault == "no-choices":
                whole["choices"] = []
            data = json.dumps(whole).encode()
            if fault == "broken-json":
                data = data[: len(data) // 2]
            headers = {"Retry_After": "0.01"} if fault == "429" else {}
            if fault == "cut-off":
                # A server that dies in mid-answer promised more than it sends.
                headers["Content_Length"] = str(len(data) + 100)
                self.close_connection = True
            self.send_bytes(status, data, **headers)

    with listening(Handler) as address:
        teacher.url = f"http://{address}/v1"
        yield teacher
