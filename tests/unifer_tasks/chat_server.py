"""An OpenAI-compatible chat server of the tests' own: real HTTP, answers by rule."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it."""

    text: str
    image_size: tuple[int, int]
    image_mode: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A running server: its address, and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)


Answer = Callable[[Asked], str | None]
"""What to say to a request; None refuses it, in a way that clients do not retry by themselves."""


@contextmanager
def serve(answer: Answer) -> Iterator[ChatServer]:
    """Serves chat completions on a free port of this machine until the block ends."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            request = _read(json.loads(self.rfile.read(length)))
            asked.append(request)
            text = answer(request)
            if text is None:
                self._send(400, {"error": {"message": "out of order"}})
            else:
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                self._send(
                    200,
                    {
                        "id": "1",
                        "object": "chat.completion",
                        "created": 0,
                        "model": "stub",
                        "choices": [choice],
                    },
                )

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield ChatServer(f"http://127.0.0.1:{server.server_port}/v1", asked)
    finally:
        server.shutdown()
        server.server_close()


def _read(body: dict[str, Any]) -> Asked:
    parts = body["messages"][-1]["content"]
    text = next(part["text"] for part in parts if part["type"] == "text")
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2])))
    options = {key: value for key, value in body.items() if key != "messages"}
    return Asked(text, image.size, image.mode, options)
