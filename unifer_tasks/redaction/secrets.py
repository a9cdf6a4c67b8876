"""Keys, tokens and passwords, kept out of all that is written and printed.

A credential is known in two ways. By its *place*: the password of a URL, the value of `api_key=` or
of an `Authorization` header, a string of a provider's own form
(`unifer_tasks.redaction.credentials`). By its *value*: what a variable of the environment called
...KEY, TOKEN, SECRET or PASSWORD holds, as it is, percent-encoded, JSON-escaped or in base64.

`redact` is for texts of any kind, a model's answer among them; where a name alone proves little
(`token=ids`), it asks that the value look like a credential. `redact_settings` is for settings, in
which a name says enough. `conceal` puts a reference to a variable in the place of each credential,
for a file that another process reads; there `reveal` takes it back.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, TypeVar, cast
from urllib.parse import quote, quote_plus

from unifer_tasks.redaction.credentials import is_mixed, replace_in_settings, replace_in_text
from unifer_tasks.redaction.streams import output_through

HIDDEN = "***"
"""Stands for a credential that no variable holds."""

_Value = TypeVar("_Value")

_VARIABLE = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|_PASS|CREDENTIAL)S?(_\d+)?$", re.IGNORECASE
)
_SHORTEST = 8
"""Characters; shorter values ("unused", "none") are words that a text may hold by itself."""
_SHORTEST_MIXED = 6
"""Of a value with letters and digits, which is not a word."""
_LONGEST_WORD = 16
"""Characters; a shorter value of letters alone may be a word."""
_WORD = re.compile(r"[a-z]+|[A-Z][a-z]*|[A-Z]+")
_REFERENCE = re.compile(r"\$\{(UNIFER_SECRET_\d+)\}")


@dataclass(frozen=True, slots=True)
class Concealed:
    """Settings without their credentials.

    Attributes:
        settings: With `${NAME}` in the place of each.
        environment: Name -> credential, for the process that is to `reveal` them.
    """

    settings: Any
    environment: Mapping[str, str]


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text without credentials.

    Args:
        text: Any text.
        environment: Where values are known from; this process's environment by default.

    Returns:
        The text with the name of the variable in brackets in the place of its value, and `***` in
        the place of any other credential; the text itself if there is none.
    """
    return replace_in_text(redact_values(text, environment), _hidden, strict=False)


def redact_values(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text without the values that variables hold: all that is safe in an answer.

    Args:
        text: Any text.
        environment: Where values are known from; this process's environment by default.
    """
    for name, value in (os.environ if environment is None else environment).items():
        for form in _forms_of_variable(name, value):
            if form in text:
                text = _without(text, form, f"[{name}]")
    return text


def known_variables() -> dict[str, str]:
    """Return this process's variables that hold credentials: an environment for many texts."""
    return {name: value for name, value in os.environ.items() if _forms_of_variable(name, value)}


def redact_settings(settings: _Value) -> _Value:
    """Return a configuration without credentials.

    Args:
        settings: A text such as `model=m,api_key=k`, or dictionaries and lists of them.

    Returns:
        Settings of the same form, with `***` in the place of each credential.
    """
    return cast(_Value, replace_in_settings(settings, _hidden))


def conceal(settings: Any) -> Concealed:
    """Put references to variables in the place of a configuration's credentials.

    Equal settings give equal references. What else of a credential a server may quote (a login as a
    header carries it) is in the environment too.
    """
    names: dict[str, str] = {}

    def name_of(secret: str) -> str:
        return names.setdefault(secret, f"UNIFER_SECRET_{len(names) + 1}")

    found: list[str] = []
    shown = replace_in_settings(settings, lambda secret: f"${{{name_of(secret)}}}", found.append)
    for variant in found:
        name_of(variant)
    return Concealed(shown, {name: secret for secret, name in names.items()})


def reveal(settings: _Value, environment: Mapping[str, str] | None = None) -> _Value:
    """Put back what `conceal` took out; other references stay as they are.

    Args:
        settings: As `conceal` left them.
        environment: Name -> credential; this process's environment by default.
    """
    known = os.environ if environment is None else environment

    def back(text: str) -> str:
        return _REFERENCE.sub(lambda match: known.get(match[1], match[0]), text)

    return map_texts(settings, back)


def map_texts(part: _Value, change: Callable[[str], str]) -> _Value:
    """Return nested dictionaries, lists and tuples with every text in them changed, but no key."""

    def changed(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, Mapping):
            return {key: changed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [*map(changed, value)]
        return tuple(map(changed, value)) if isinstance(value, tuple) else value

    return cast(_Value, changed(part))


def learn(settings: Any) -> list[str]:
    """Make the credentials in settings known to this process and to those that it starts.

    Args:
        settings: As in `redact_settings`; the arguments of a command line, for one.

    Returns:
        The variables that hold those that were not known.
    """
    learned = []
    for secret in conceal(settings).environment.values():
        if secret not in os.environ.values():
            free = (name for n in count(1) if (name := f"UNIFER_SECRET_{n}") not in os.environ)
            learned.append(next(free))
            os.environ[learned[-1]] = secret
    return learned


@contextmanager
def redacted_output(arguments: Sequence[str] = ()) -> Iterator[None]:
    """Redact what this process prints until the block ends, and the traceback of what ends it.

    Args:
        arguments: Of the command line, whose credentials are known until then.
    """
    learned = learn(list(arguments))
    try:
        with output_through(redact):
            yield
    except Exception:
        show = sys.excepthook

        def show_redacted(*raised: Any) -> None:
            with redacted_output(arguments):
                show(*raised)

        sys.excepthook = show_redacted
        raise
    finally:
        for name in learned:
            os.environ.pop(name, None)


def _hidden(secret: str) -> str:
    return HIDDEN


@lru_cache(maxsize=1024)
def _forms_of_variable(name: str, value: str) -> tuple[str, ...]:
    """How the credentials that a variable holds may be written, the longest first."""
    secrets: list[str] = []
    if _VARIABLE.search(name) or _REFERENCE.fullmatch(f"${{{name}}}"):
        secrets.append(value)
    elif "://" in value:
        secrets += conceal(value).environment.values()
    forms = {form for secret in secrets if _is_telling(secret) for form in _forms(secret)}
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield re.sub(r"%..", lambda match: match[0].lower(), quote(secret, safe=""))
    yield html.escape(secret)
    in_json = json.dumps(secret)[1:-1]
    yield from (in_json, json.dumps(in_json)[1:-1], repr(secret)[1:-1])
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(secret.encode()).decode().rstrip("=")


def _is_telling(secret: str) -> bool:
    """Return whether a credential is known by its value: no word, and nothing short."""
    if len(secret) < _SHORTEST:
        return is_mixed(secret, _SHORTEST_MIXED)
    return len(secret) >= _LONGEST_WORD or not _WORD.fullmatch(secret)


def _without(text: str, form: str, mark: str) -> str:
    if len(form) >= _SHORTEST:
        return text.replace(form, mark)
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", lambda match: mark, text)
