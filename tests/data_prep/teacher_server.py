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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                teacher.at_once += 1
                teacher.most_at_once = max(teacher.most_at_once, teacher.at_once)
                fault = chance.choice(FAULTS) if chance.random() < teacher.faults else "answered"
                teacher.requests[fault] += 1
                teacher.prompts.append(body["messages"][0]["content"][1]["text"])
                delay = chance.random() * teacher.slow_s
            try:
                time.sleep(delay)
                self._reply(fault, teacher.replies(body))
            finally:
                with lock:
                    teacher.at_once -= 1

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
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                # A server that dies in mid-answer promised more than it sends.
                length = len(data) + (100 if fault == "cut-off" else 0)
                self.send_header("Content-Length", str(length))
                if fault == "429":
                    self.send_header("Retry-After", "0.01")
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            if fault == "cut-off":
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    teacher.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield teacher
    finally:
        server.shutdown()
        server.server_close()
