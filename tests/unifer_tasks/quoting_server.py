"""A chat server that quotes the credentials which it was sent, as errors and as answers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import quote

from tests.json_server import JsonHandler, listening
from tests.unifer_tasks.chat_server import completion


@contextmanager
def serve_quotes(said: list[str]) -> Iterator[str]:
    """Refuse every second request; add what each was sent to `said`; yield `HOST:PORT`."""
    numbers = count()

    class Handler(JsonHandler):
        def reply(self, body: bytes) -> None:
            header = self.headers["Authorization"]
            scheme, _, key = header.partition(" ")
            if scheme == "Basic":
                key = base64.b64decode(key).decode()
            said.append(key)
            quoted = f"Incorrect API key provided: {key}. {header} {quote(key, safe='')}"
            if next(numbers) % 2:
                self.send_json(200, completion(quoted))
            else:
                self.send_json(401, {"error": {"message": quoted}})

    with listening(Handler) as address:
        yield address
