from __future__ import annotations

import base64
import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.report.page.sanitize import policy, script_json

# Any code point, halves of surrogate pairs among them.
ANY_TEXT = st.text(st.characters(codec=None))


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
