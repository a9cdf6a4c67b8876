"""What is printed reaches the stream, whatever the stream is."""

from __future__ import annotations

import io
import sys

import pytest

from unifer_tasks.redaction.streams import output_through


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "A ↑ É"), ("latin-1", "A \\u2191 É"), ("ascii", "A \\u2191 \\xc9")],
)
def test_what_an_encoding_lacks_is_spelt_out(
    monkeypatch: pytest.MonkeyPatch, encoding: str, expected: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    with output_through(str.upper):
        print("a ↑ é", end="", flush=True)
    assert written.getvalue().decode(encoding) == expected


def test_a_stream_that_the_caller_has_closed_takes_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with output_through(str.upper):
        assert not sys.stdout.isatty()
        print("a")
    assert sys.stdout is None
