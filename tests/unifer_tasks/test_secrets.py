from __future__ import annotations

import pytest

from unifer_tasks.secrets import redact

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-0123456789",
    "HF_TOKEN": "hf_abcdefghij",
    "db_password": "correct horse",
    "SHORT_KEY": "unused",
    "EMPTY_KEY": "",
    "KEYBOARD": "querty-layout",
    "HOME": "/home/nobody",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Incorrect API key provided: sk-0123456789.", "[OPENAI_API_KEY]"),
        ("token=hf_abcdefghij,sk-0123456789", "token=[HF_TOKEN],[OPENAI_API_KEY]"),
        ("a correct horse", "a [db_password]"),
        ("it was unused", "it was unused"),
        ("querty-layout in /home/nobody", "querty-layout in /home/nobody"),
        ("", ""),
    ],
)
def test_values_of_keys_give_way_to_their_names(text: str, expected: str) -> None:
    redacted = redact(text, ENVIRONMENT)
    assert expected in redacted
    assert "sk-0" not in redacted
    assert "hf_a" not in redacted
