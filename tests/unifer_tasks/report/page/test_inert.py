from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.report.page.inert import policy, script_json, visible

# Any code point, halves of surrogate pairs among them.
ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\nas it is, ä 表情 😀", "plain\ttext\nas it is, ä 表情 😀"),
        ("nul\x00", "nulU+0000"),
        ("\u202egnp.exe", "U+202Egnp.exe"),
        ("a\u2028b", "aU+2028b"),
        ("half \ud83d", "half U+D83D"),
        ("zero\u200bwidth", "zeroU+200Bwidth"),
    ],
)
def test_what_acts_unseen_is_spelled_out(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(ANY_TEXT)
def test_visible_text_can_be_written(text: str) -> None:
    assert "\0" not in visible(text)
    visible(text).encode()


@given(ANY_TEXT)
def test_json_cannot_end_its_element(text: str) -> None:
    written = script_json({"text": text})
    assert written.isascii()
    assert not set(written) & set("<>&")
    assert json.loads(written) == {"text": text}


def test_the_policy_admits_what_it_was_given_and_no_address() -> None:
    script = "alert(1)"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    said = policy([script], ["p {}"])
    assert f"script-src 'sha256-{digest}'" in said
    assert "default-src 'none'" in said
    assert "unsafe" not in said
    assert "http" not in said
