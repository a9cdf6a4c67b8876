"""Where the credentials in a text or in settings are: what their names and forms betray."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from unifer_tasks.support.arguments import split_arguments

Replace = Callable[[str], str]
"""Credential -> what takes its place."""
Note = Callable[[str], None]
"""Called with each other spelling of a credential."""

_LONGEST = 4096
"""Characters of a quoted value, so that a quotation mark that is never closed costs little."""

# Characters that a value has to have where it must also look like a credential.
_SHORTEST = 8
_SHORTEST_SPOKEN = 6
_SHORTEST_USER = 16

# Names that leave no doubt, as a setting, as a key of JSON or in a query.
_CERTAIN = (
    r"(?:api|access|secret|private|account|subscription|auth|openai|anthropic|azure|google|gemini"
    r"|hf|wandb|mistral|groq|together|deepseek|dashscope|nvidia|cohere|litellm|openrouter)"
    r"[ _-]?keys?"
    r"|access[_-]?key[_-]?id|(?:proxy[_-]?)?authorization"
    # A variable of an environment; `prompt_key` is another thing.
    r"|(?-i:_KEYS?(?:_[0-9]+)?)"
    r"|(?:hf|hub|huggingface|auth|access|api|bearer|refresh|session|security|gh|github|gitlab|wandb"
    r"|oauth|personal)[_-]?tokens?"
)
# Words of any language as well: after one of them, prose may go on.
_SPOKEN = r"passw(?:or)?ds?|passwd|passphrase|pwd|secrets?|credentials?"
# Names that a tokenizer and others use too.
_LIKELY = r"token|auth|jwt|bearer|cookie|signature|(?:db|user|proxy)[_-]?pass"
_IN_A_QUERY = r"(?:token|auth|jwt|signature|credential)"
_OF_A_TOKENIZER = re.compile(
    r"(?:pad|eos|bos|unk|sep|cls|mask|image|img|video|audio|vision|stop|start|end|special|next"
    r"|think|begin|boi|eoi|fake|context|user|assistant|system|bot|added|last|first|new|max|min|num"
    r"|per|every|no|add|each)[_-]?$",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(rf".*?(?:{_CERTAIN}|{_SPOKEN}|(?P<likely>{_LIKELY}))", re.IGNORECASE)
# What stands for a value that is not there or not shown: `None`, `***`, `${NAME}`, `[NAME]`.
_NO_SECRET = re.compile(
    r"(?:none|null|true|false|empty|<[^>]*>?|\*+|\$\{\w+\}|(?-i:\$[A-Z_][A-Z0-9_]*)|\[\w*\]?)?",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:bearer|basic|token|digest)\s+", re.IGNORECASE)

_NAMED = re.compile(
    rf"""
    (?: (?P<certain>{_CERTAIN}) | (?P<spoken>{_SPOKEN}) | (?P<likely>{_LIKELY})
      | (?:[?&]|&amp;|%3F|%26)(?P<query>key|pass|pw|sig|(?:[a-z]{{1,20}}[_-]){{0,3}}{_IN_A_QUERY}) )
    (?P<closed>\\*["'`]|&quot;|&\#34;|&\#39;|%22)?
    (?P<between>[ ]{{0,4}}(?:=>|[=:]|%3D|%3A)[ ]{{0,4}})
    (?: (?:bearer|basic|token|digest)(?:[ ]|%20|\+){{1,4}} )?
    (?:
        (?P<escape>\\+)(?P<mark>["'])(?P<escaped>[^"'\\]{{0,{_LONGEST}}})(?P=escape)(?P=mark)
      | "(?P<double>(?:\\.|[^"\\]){{0,{_LONGEST}}})"
      | '(?P<single>(?:\\.|[^'\\]){{0,{_LONGEST}}})'
      | &(?:quot|\#34|\#39);(?P<entity>[^&\s]{{0,{_LONGEST}}})&(?:quot|\#34|\#39);
      | (?P<plain>(?:\$\{{\w+\}}|(?!%26|%2C|%22|&quot;)[^\s"'`\\,;&|)}}\]<>])+)
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_VALUES = ("escaped", "double", "single", "entity", "plain")
_URL = re.compile(
    r"""
    :(?:\\?/){2} (?P<user>[^\s/?\#"'<>@\\:]{0,256}) (?: : (?P<password>[^\s/?\#"'<>\\]{1,512}) )? @
  | %3A%2F%2F (?P<user2>(?:(?!%3A|%2F|%40)[^\s"'<>&]){0,256})
    %3A (?P<password2>(?:(?!%2F|%40)[^\s"'<>&]){1,512}) %40
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Forms that nothing else has.
_FORMS = re.compile(
    r"""
    (?<![\w-])(?P<form>
        (?: sk | glpat | nvapi | xox[abprs] ) - (?=[\w-]*[0-9]) [A-Za-z0-9_-]{16,}
      | (?: hf | gsk | r8 | pplx | gh[opsur] ) _ (?=[A-Za-z]*[0-9]) [A-Za-z0-9]{16,}
      | github_pat_[A-Za-z0-9_]{22,}
      | hf_[A-Za-z]{30,}
      | AIza[A-Za-z0-9_-]{30,}
      | (?:AKIA|ASIA)[A-Z0-9]{16}
      | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}
    )
  | \b(?i:bearer)(?:[ ]|%20|\+){1,4}(?P<bearer>[A-Za-z0-9._~+/=-]{8,4096})
  | \b(?i:basic)(?:[ ]|%20|\+){1,4}(?P<basic>[A-Za-z0-9+/_-]{8,512}={0,2})
  | \b(?i:(?:key|token|password)[ ](?:provided|given|used|received)[ ]?[:=][ ]?)
    (?P<quoted>[^\s"'<>,;]+?)(?=[.,;]?(?:["'<>\s]|$))
    """,
    re.VERBOSE,
)
_SETTING = re.compile(r"[+~]{0,2}[\w.:-]+=")
# A text without any of these holds no credential: most texts are not searched.
_HINTS = (
    *(
        "://",
        "%3a%2f%2f",
        "\\/",
        "key",
        "token",
        "secret",
        "pass",
        "pwd",
        "credential",
        "auth",
        "jwt",
    ),
    *(
        "bearer",
        "basic",
        "cookie",
        "signature",
        "sig=",
        "sig%",
        "pw=",
        "sk-",
        "glpat",
        "nvapi",
        "xox",
    ),
    *("hf_", "gsk_", "r8_", "pplx_", "gh", "aiza", "akia", "asia", "eyj"),
)


def _ignore(variant: str) -> None:
    pass


def is_mixed(value: str, shortest: int) -> bool:
    """Return whether a value has letters and digits, as no word has."""
    return len(value) >= shortest and any(map(str.isalpha, value)) and any(map(str.isdigit, value))


def replace_in_settings(part: Any, instead: Replace, note: Note = _ignore) -> Any:
    """Replace the credentials in settings.

    Args:
        part: Settings, or a part of them.
        instead: Credential -> what takes its place.
        note: Called with each other spelling of a credential.
    """
    if isinstance(part, str):
        return _in_setting(part, instead, note)
    if isinstance(part, Mapping):
        return {
            key: _secret(value, instead, note)
            if _is_credential(str(key))
            else replace_in_settings(value, instead, note)
            for key, value in part.items()
        }
    if isinstance(part, list | tuple):
        replaced = [
            _secret(value, instead, note)
            if _asks(option)
            else replace_in_settings(value, instead, note)
            for option, value in zip((None, *part), part, strict=False)
        ]
        return replaced if isinstance(part, list) else tuple(replaced)
    return part


def _asks(option: Any) -> bool:
    """Return whether an argument of a command line is an option whose value is a credential."""
    return isinstance(option, str) and option[:1] == "-" and _is_credential(option)


def _secret(value: Any, instead: Replace, note: Note) -> Any:
    """Replace all that stands below the name of a credential."""
    if isinstance(value, Mapping):
        return {key: _secret(inner, instead, note) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_secret(inner, instead, note) for inner in value]
    if value is None or isinstance(value, bool) or _NO_SECRET.fullmatch(str(value)):
        return value
    _note_header(str(value), note)
    return instead(str(value))


def _note_header(value: str, note: Note) -> None:
    """Note what follows `Bearer` in the value of a header."""
    if scheme := _SCHEME.match(value):
        note(value[scheme.end() :])


def _in_setting(text: str, instead: Replace, note: Note) -> str:
    """Replace the credentials in `name=value,name=value`, or in a text of another form."""
    if not _SETTING.match(text):
        return replace_in_text(text, instead, strict=True, note=note)
    parts = []
    for part in split_arguments(text):
        name, equals, value = part.partition("=")
        if equals and _is_credential(name.strip()):
            bare = value.strip("\"' ")
            value = value.replace(bare, _secret(bare, instead, note)) if bare else value
            parts.append(f"{name}={value}")
        else:
            parts.append(replace_in_text(part, instead, strict=True, note=note))
    return ",".join(parts)


def replace_in_text(
    text: str,
    instead: Replace,
    *,
    strict: bool,
    note: Note = _ignore,
) -> str:
    """Replace the credentials that their places betray.

    Args:
        text: Any text.
        instead: Credential -> what takes its place.
        strict: Whether a name says enough, as in settings.
        note: Called with each other spelling of a credential.
    """
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    parts, end = [], 0
    for start, stop in sorted(_spans(text, strict=strict, note=note)):
        if start >= end:
            parts += [text[end:start], instead(text[start:stop])]
            end = stop
    return "".join([*parts, text[end:]]) if parts else text


def _spans(text: str, *, strict: bool, note: Note) -> Iterator[tuple[int, int]]:
    for match in _URL.finditer(text):
        user = match["user"] or match["user2"] or ""
        group = "password2" if match["password"] is None else "password"
        password = match[group]
        if password and not _NO_SECRET.fullmatch(password):
            note(unquote(password))
            note(f"{unquote(user)}:{unquote(password)}")
            yield match.span(group)
        elif password is None and is_mixed(user, _SHORTEST_USER) and not _NO_SECRET.fullmatch(user):
            yield match.span("user")
    for match in _NAMED.finditer(text):
        group = next(name for name in _VALUES if match[name] is not None)
        value = match[group]
        if not _NO_SECRET.fullmatch(value) and _is_betrayed(match, value, strict):
            _note_header(value, note)
            yield match.span(group)
    for match in _FORMS.finditer(text):
        group = str(match.lastgroup)
        value = match[group]
        if (
            group == "form"
            or (group == "quoted" and not _NO_SECRET.fullmatch(value))
            or (group == "bearer" and is_mixed(value, _SHORTEST))
            or (group == "basic" and _is_login(value))
        ):
            yield match.span(group)


def _is_betrayed(match: re.Match[str], value: str, strict: bool) -> bool:
    """Return whether name and form make a value a credential."""
    before = match.string[max(0, match.start() - 12) : match.start()]
    if match["likely"] is not None:
        if _OF_A_TOKENIZER.search(before):
            return False
        return strict or is_mixed(value, _SHORTEST)
    is_name = match["certain"] is not None and " " not in match["certain"]
    if strict or is_name or match["query"] is not None:
        return True
    is_code = match["closed"] is not None or match["between"] == "="
    return is_code or is_mixed(value, _SHORTEST_SPOKEN)


def _is_login(value: str) -> bool:
    """Return whether a text is the base64 of `user:password`."""
    try:
        login = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    return ":" in login and login.isprintable()


def _is_credential(name: str) -> bool:
    match = _CREDENTIAL.fullmatch(name)
    if match is None:
        return False
    return match["likely"] is None or not _OF_A_TOKENIZER.search(name[: match.start("likely")])
