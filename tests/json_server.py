"""Real HTTP servers of the tests' own that answer with JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """Reads and writes bodies; a subclass says in `reply` what is answered."""

    # Connections are kept alive, as real servers keep them.
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Reply to a request."""
        self.reply(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, body: bytes) -> None:
        """Reply to the body of a request."""
        raise NotImplementedError

    def send_json(self, status: int, body: object) -> None:
        """Send a reply."""
        self.send_bytes(status, json.dumps(body).encode())

    def send_bytes(self, status: int, data: bytes, **headers: str) -> None:
        """Send a reply that is said to be JSON, whatever it is.

        Args:
            status: Its status.
            data: Its body.
            **headers: Further headers, or others, with `_` for `-`.
        """
        self.send_response(status)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        usual = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        for key, value in {**usual, **named}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    # Of five, as is usual, a busy machine has the next ones wait for a second or time out.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that is gone; what fails here else, its client sees.
        pass


@contextmanager
def listening(handler: type[JsonHandler]) -> Iterator[str]:
    """Serve on a free port of this machine until the block ends; yield `HOST:PORT`."""
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
