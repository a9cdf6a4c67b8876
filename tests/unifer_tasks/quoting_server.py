"""A chat server that quotes the credentials which it was sent, as errors and as answers."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import quote

from tests.unifer_tasks.chat_server import completion


@contextmanager
def serve_quotes(said: list[str]) -> Iterator[str]:
    """Refuse every second request; add what each was sent to `said`; yield `HOST:PORT`."""
    numbers = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            header = self.headers["Authorization"]
            scheme, _, key = header.partition(" ")
            if scheme == "Basic":
                key = base64.b64decode(key).decode()
            said.append(key)
            quoted = f"Incorrect API key provided: {key}. {header} {quote(key, safe='')}"
            body = completion(quoted) if next(numbers) % 2 else {"error": {"message": quoted}}
            data = json.dumps(body).encode()
            self.send_response(401 if "error" in body else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
