"""What is taken out of texts and settings, and what stays."""

from __future__ import annotations

import base64
import html
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lexicon import PARTS, labelled_rationales
from tests.conftest import REPOSITORY
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import question
from unifer_tasks.redaction.secrets import (
    conceal,
    known_variables,
    redact,
    redact_settings,
    redact_values,
    redacted_output,
    reveal,
)

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-0123456789",
    "HF_TOKEN": "hf_abcdefghij",
    "db_password": "correct horse",
    "OTHER_KEY_2": "p&ss/w\"rd'1",
    "MIXED_KEY": "hunter2",
    "PROXY": "http://me:pr%40xy-word@proxy:80",
    "SHORT_KEY": "unused",
    "WORD_KEY": "happiness",
    "EMPTY_KEY": "",
    "KEYBOARD": "querty-layout",
    "HOME": "/home/nobody",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wrong key: sk-0123456789.", "Wrong key: [OPENAI_API_KEY]."),
        ("token=hf_abcdefghij,sk-0123456789", "token=[HF_TOKEN],[OPENAI_API_KEY]"),
        ("a correct horse", "a [db_password]"),
        ("hunter2 or hunter23", "[MIXED_KEY] or hunter23"),
        ("it said pr@xy-word, me:pr@xy-word", "it said [PROXY], [PROXY]"),
        ("it was unused", "it was unused"),
        ("happiness", "happiness"),
        ("querty-layout in /home/nobody", "querty-layout in /home/nobody"),
        ("", ""),
    ],
)
def test_values_of_keys_give_way_to_their_names(text: str, expected: str) -> None:
    assert redact(text, ENVIRONMENT) == expected


def test_the_variables_that_hold_credentials_are_those_that_are_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    text = " ".join(ENVIRONMENT.values())
    known = known_variables()
    assert {"OPENAI_API_KEY", "PROXY"} <= known.keys()
    assert not {"SHORT_KEY", "WORD_KEY", "EMPTY_KEY", "KEYBOARD", "HOME"} & known.keys()
    assert redact_values(text, known) == redact_values(text)


FORMS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": lambda value: quote(value, safe=""),
    "a part of a path": quote,
    "JSON": json.dumps,
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)),
    "repr": repr,
    "HTML": html.escape,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
}


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "db_password", "OTHER_KEY_2"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_value_is_known_in_every_form(form: Callable[[str], str], name: str) -> None:
    written = form(ENVIRONMENT[name])
    for redacted in (redact(f"<{written}>", ENVIRONMENT), redact_values(written, ENVIRONMENT)):
        assert f"[{name}]" in redacted
        assert written.strip("\"'\\=") not in redacted


TEXTS = [
    # The password of a URL.
    ("http://user:PASSWORD@host:80/v1", "http://user:***@host:80/v1"),
    ("redis://:pa:ss@host", "redis://:***@host"),
    ("http://user:p@ss@host/x@y", "http://user:***@host/x@y"),
    (r"http:\/\/user:pass@host", r"http:\/\/user:***@host"),
    ("url=http%3A%2F%2Fuser%3Apass%40host", "url=http%3A%2F%2Fuser%3A***%40host"),
    ("git clone https://x0a1b2c3d4e5f6a7b8@host", "git clone https://***@host"),
    ("ssh://git@host:22/a", "ssh://git@host:22/a"),
    ("http://host:8000/v1 and me@host.org", "http://host:8000/v1 and me@host.org"),
    # A query.
    ("/v1?api_key=a&key=b&token=c&sig=d x", "/v1?api_key=***&key=***&token=***&sig=*** x"),
    ("/v1?a=1&amp;access_token=b", "/v1?a=1&amp;access_token=***"),
    ("/v1?X-Amz-Signature=0a&X-Amz-Date=1", "/v1?X-Amz-Signature=***&X-Amz-Date=1"),
    ("next=%2Fv1%3Fapi_key%3Da%26b%3D1", "next=%2Fv1%3Fapi_key%3D***%26b%3D1"),
    # A setting or a key of JSON.
    ("model=x,api_key=sk-123,timeout=9", "model=x,api_key=***,timeout=9"),
    ("OPENAI_API_KEY=sk-1 lmms-eval", "OPENAI_API_KEY=*** lmms-eval"),
    ("hf_token=abc api-key=abc", "hf_token=*** api-key=***"),
    ("MY_KEY=abc MY_KEY_2=abc my_key=abc", "MY_KEY=*** MY_KEY_2=*** my_key=abc"),
    ("api_key='a b', x=1", "api_key='***', x=1"),
    ("{'api_key': 'a', 'x': None}", "{'api_key': '***', 'x': None}"),
    ('{"token": "abcd1234", "x": 1}', '{"token": "***", "x": 1}'),
    (r'"{\"password\": \"a\", \"x\": 1}"', r'"{\"password\": \"***\", \"x\": 1}"'),
    ("{&quot;api_key&quot;: &quot;a&quot;}", "{&quot;api_key&quot;: &quot;***&quot;}"),
    ("client_secret: a1b2c3d4", "client_secret: ***"),
    # A header.
    ("Authorization: Bearer abc", "Authorization: Bearer ***"),
    ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"),
    ("{'Authorization': 'Bearer a', 'b': 'c'}", "{'Authorization': '***', 'b': 'c'}"),
    ("x-api-key: abc", "x-api-key: ***"),
    ("sent Bearer a1b2c3d4e5", "sent Bearer ***"),
    ("sent Basic dXNlcjpwYXNz", "sent Basic ***"),
    # A form of its own, and what servers quote.
    ("sk-proj-0123456789abcdefgh", "***"),
    ("hf_0123456789abcdefghij!", "***!"),
    ("AKIA0123456789ABCDEF", "***"),
    ("Incorrect API key provided: sunshine. You", "Incorrect API key provided: ***. You"),
    # What is not there, or already hidden.
    ("api_key=None api_key=*** api_key=${X}", "api_key=None api_key=*** api_key=${X}"),
    ("'token': '[HF_TOKEN]', api_key=[REDACTED]", "'token': '[HF_TOKEN]', api_key=[REDACTED]"),
    # Prose and names that mean something else.
    ("token=ids", "token=ids"),
    ("The token: a smile. Password: happy.", "The token: a smile. Password: happy."),
    ("eos_token='<|im_end|>', max_tokens=8", "eos_token='<|im_end|>', max_tokens=8"),
    ("Basic emotions, bearer certificates", "Basic emotions, bearer certificates"),
    ("sk-learn-compatible-estimators", "sk-learn-compatible-estimators"),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_texts(text: str, expected: str) -> None:
    assert redact(text, {}) == expected
    assert redact(expected, {}) == expected


SETTINGS: list[tuple[Any, Any]] = [
    ("token=abc", "token=***"),
    ("model=x,password=a;b c)d,x=1", "model=x,password=***,x=1"),
    ("++a.b.api_key='x,y'", "++a.b.api_key='***'"),
    ("gpt_4o:model_args.api_key=x", "gpt_4o:model_args.api_key=***"),
    ('extra={"api_key": "a,b"},x=1', 'extra={"api_key": "***"},x=1'),
    ("tokenizer=x,max_new_tokens=8,eos_token=a", "tokenizer=x,max_new_tokens=8,eos_token=a"),
    ("prompt_key=images,score_key=acc", "prompt_key=images,score_key=acc"),
    ("lmms-eval --model_args a=b,token=c", "lmms-eval --model_args a=b,token=***"),
    (["--api-key", "a", "--limit", "2"], ["--api-key", "***", "--limit", "2"]),
    ({"a": {"api_key": "k", "n": 1}}, {"a": {"api_key": "***", "n": 1}}),
    ({"env": {"A_KEY": "x", "B_API_KEY": "${C}"}}, {"env": {"A_KEY": "***", "B_API_KEY": "${C}"}}),
    ({"password": 1234, "token": None}, {"password": "***", "token": None}),
    ({"use_auth_token": True}, {"use_auth_token": True}),
    ({"credentials": {"a": "b", "c": ["d"]}}, {"credentials": {"a": "***", "c": ["***"]}}),
    (("base_url=http://u:p@h", 1.5, None), ("base_url=http://u:***@h", 1.5, None)),
]


@pytest.mark.parametrize(("settings", "expected"), SETTINGS)
def test_in_settings_a_name_says_enough(settings: Any, expected: Any) -> None:
    assert redact_settings(settings) == expected
    assert redact_settings(expected) == expected


_NAMES = ["api_key", "model_args", "hf_token", "limit", "headers", "base_url", "password"]
_TEXT = st.text(alphabet="abc123@:/?&=,'\"{}[]%\\ $", max_size=40) | st.sampled_from(
    [text for text, _ in TEXTS]
)
_NESTED = st.recursive(
    _TEXT | st.none() | st.booleans() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3)
    ),
    max_leaves=8,
)


def _as_text(part: Any) -> Any:
    """Return the value with its numbers as text, as they come back below a credential's name."""
    if isinstance(part, dict):
        return {key: _as_text(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_as_text(value) for value in part]
    return str(part) if isinstance(part, float) else part


@given(_NESTED)
def test_what_is_concealed_is_revealed(settings: Any) -> None:
    concealed = conceal(settings)
    assert concealed == conceal(settings)
    assert _as_text(reveal(concealed.settings, concealed.environment)) == _as_text(settings)
    assert conceal(concealed.settings).environment == {}


def test_a_login_is_known_as_its_header_carries_it() -> None:
    environment = conceal("base_url=http://user:p%40ssw0rd@host").environment
    assert list(environment.values()) == ["p%40ssw0rd", "p@ssw0rd", "user:p@ssw0rd"]
    header = base64.b64encode(b"user:p@ssw0rd").decode()
    assert header not in redact(f"it got {header}", environment)


ORDINARY = [
    *(row.text for part in PARTS for row in labelled_rationales(part)),
    *(question(space.labels) for space in LABEL_SPACES.values()),
    (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"),
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text, ENVIRONMENT) == text


_WORDS = st.lists(st.sampled_from(" ".join(ORDINARY[:-1]).split()), max_size=30).map(" ".join)


@given(_WORDS, st.dictionaries(st.sampled_from(["A_KEY", "B_TOKEN"]), st.text(max_size=5)))
def test_short_values_shred_no_text(text: str, environment: dict[str, str]) -> None:
    assert redact(text, environment) == text


@pytest.mark.parametrize("unit", ["sk-", "eyJ-", "bearer+", 'api_key="', "://a:", "%3A%2F%2F"])
def test_a_long_text_is_searched_in_linear_time(unit: str) -> None:
    redact(unit * (300_000 // len(unit)), {})


def test_what_is_printed_is_redacted_and_so_is_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    @redacted_output(["--set", "api_key=a0b1c2d3"])
    def fail() -> None:
        print("a0b1c2d3", "http://u:pass@h", file=sys.stderr)
        print("a0b1c2d3")
        raise RuntimeError("a0b1c2d3")

    with pytest.raises(RuntimeError) as raised:
        fail()
    sys.excepthook(raised.type, raised.value, raised.tb)
    out, err = capsys.readouterr()
    assert out == "[UNIFER_SECRET_1]\n"
    assert err.startswith("[UNIFER_SECRET_1] http://u:***@h\n")
    assert err.endswith("RuntimeError: [UNIFER_SECRET_1]\n")
