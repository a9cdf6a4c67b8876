"""Remove what markup hides from the reader: comments, hidden elements, code and struck-out text.

Rationales are prose with at most Markdown headings, lists and emphasis. Text that a rendered page
would not show does not count as part of the rationale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

# Opening mark -> closing mark.
_PAIRS = {
    "<!--": "-->",
    "<![cdata[": "]]>",
    "<%--": "--%>",
    "{{!--": "--}}",
    "{#": "#}",
    "{% comment %}": "{% endcomment %}",
    "/*": "*/",
    "<?": "?>",
    "||": "||",
    "```": "```",
    "~~~": "~~~",
    "~~": "~~",
    r"\begin{comment}": r"\end{comment}",
    r"\iffalse": r"\fi",
    r"\phantom{": "}",
    r"\hphantom{": "}",
    r"\vphantom{": "}",
    r"\cancel{": "}",
    r"\bcancel{": "}",
    r"\xcancel{": "}",
    r"\sout{": "}",
    r"\st{": "}",
    r"\textcolor{white}{": "}",
}
# Without a closing mark, these hide the rest of the text.
_LASTING = frozenset({"<!--", "<![cdata[", "```", "~~~"})
# A text without any of these characters has no hiding markup.
_SIGNS = "<[`~{|\\/"
# HTML elements whose content is not rendered, or is marked as deleted.
_UNSEEN = frozenset(
    {"del", "details", "head", "noscript", "s", "script", "strike", "style", "svg", "template"}
    | {"textarea", "title"}
)
# Void HTML elements: no content, no closing tag.
_EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"}
    | {"track", "wbr"}
)
_NAME, _ATTRIBUTES = r"[a-z][a-z0-9:-]*", r"[^<>]*"
_TAG = rf"<(?P<close>/?)(?P<name>{_NAME})(?P<attributes>(?:[\s/]{_ATTRIBUTES})?)>"
_MARK = re.compile(
    "|".join(
        (
            *(re.escape(opening) for opening in sorted(_PAIRS, key=len, reverse=True)),
            _TAG,
            r"<![^<>]*>",
            # Markdown: an image's alternative text, a link's address and title, a definition.
            r"!\[[^\[\]\n]*\]",
            r"(?<=\])\([^()\n]*\)",
            r"^\[[^\[\]\n]*\]:[^\n]*",
        )
    ),
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
_HIDES = re.compile(r"=|\b(?:hidden|inert|popover)\b", re.IGNORECASE)


def blank_hidden(text: str) -> str:
    """Replace hidden characters by spaces.

    Any attribute of an element may hide it (a style, a class, `hidden`), so an element with
    attributes counts as hidden. Runs in linear time.

    Returns:
        A text of the same length.
    """
    for sign in _SIGNS:
        if sign in text:
            break
    else:
        return text
    parts = []
    at = 0
    for start, end in _hidden(text):
        parts += [text[at:start], " " * (end - start)]
        at = end
    return "".join((*parts, text[at:]))


def _hidden(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each hidden piece of a text, in order."""
    unclosed: set[str] = set()
    at = 0
    while mark := _MARK.search(text, at):
        at = mark.end()
        if mark["name"] is not None:
            if _opens_hidden_element(mark):
                at = _after_element(text, mark["name"], at)
        elif (opening := mark[0].lower()) in _PAIRS:
            closing = _PAIRS[opening]
            # A closing mark that was not found is not searched again, to stay linear.
            found = -1 if opening in unclosed else text.find(closing, at)
            if found >= 0:
                at = found + len(closing)
            elif opening in _LASTING:
                at = len(text)
            else:
                unclosed.add(opening)
                continue
        yield mark.start(), at


def _opens_hidden_element(tag: re.Match[str]) -> bool:
    name, attributes = tag["name"].lower(), tag["attributes"]
    if tag["close"] or name in _EMPTY or attributes.endswith("/"):
        return False
    return name in _UNSEEN or _HIDES.search(attributes) is not None


def _after_element(text: str, name: str, start: int) -> int:
    """Return the end of an element whose opening tag ends at `start`."""
    depth = 1
    for tag in _tags(name.lower()).finditer(text, start):
        depth += -1 if tag[1] else 1
        if not depth:
            return tag.end()
    return len(text)


@lru_cache(maxsize=64)
def _tags(name: str) -> re.Pattern[str]:
    return re.compile(rf"<(/?){re.escape(name)}(?:[\s/]{_ATTRIBUTES})?>", re.IGNORECASE | re.ASCII)
