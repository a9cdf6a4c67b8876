"""A hub for datasets, as far as `--push` asks it: what it holds changes by commits alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.json_server import JsonHandler, listening

_API = "/api/datasets/"


@dataclass
class Hub:
    """What a hub holds and does.

    Attributes:
        files: Dataset -> the names of its files.
        public: Datasets that anyone can see.
        failing: The status of every reply, in place of the right one.
        asked: Set once it is asked for a commit.
        waits: What it waits for before it makes one.
        url: Where it listens.
    """

    files: dict[str, set[str]] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    failing: int | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    waits: threading.Event | None = None
    url: str = ""

    def commit(self, name: str, body: bytes) -> None:
        """Apply the operations of a commit."""
        for operation in map(json.loads, body.splitlines()):
            path = operation["value"].get("path")
            if operation["key"] == "file":
                self.files[name].add(path)
            elif operation["key"] == "deletedFile":
                self.files[name].discard(path)


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub until the block ends."""

    class Handler(JsonHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name that the base class looks up
            self.reply(b"")

        def reply(self, body: bytes) -> None:
            path = self.path.partition("?")[0]
            name = "/".join(path.removeprefix(_API).split("/")[:2])
            if hub.failing is not None:
                self.send_json(hub.failing, {"error": "not today"})
            elif path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                hub.files.setdefault(name, set())
                self.send_json(HTTPStatus.OK, {"url": f"{hub.url}/datasets/{name}"})
            elif path == "/api/validate-yaml":
                self.send_json(HTTPStatus.OK, {"errors": [], "warnings": []})
            elif "/preupload/" in path:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self.send_json(HTTPStatus.OK, {"files": files})
            elif "/commit/" in path:
                hub.asked.set()
                if hub.waits is not None:
                    hub.waits.wait()
                else:
                    hub.commit(name, body)
                url = f"{hub.url}/datasets/{name}/commit/{'a' * 40}"
                self.send_json(HTTPStatus.OK, {"commitUrl": url, "commitOid": "a" * 40})
            elif "/tree/" in path:
                kind = {"type": "file", "oid": "a" * 40, "size": 1}
                files = [{"path": file, **kind} for file in sorted(hub.files[name])]
                self.send_json(HTTPStatus.OK, files)
            elif path.startswith(_API):
                files = [{"rfilename": file} for file in sorted(hub.files[name])]
                private = name not in hub.public
                said = {"id": name, "sha": "a" * 40, "private": private, "siblings": files}
                self.send_json(HTTPStatus.OK, said)
            else:
                self.send_json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    with listening(Handler) as address:
        hub.url = f"http://{address}"
        yield hub
