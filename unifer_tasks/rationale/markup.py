"""What a reader of a rationale cannot see: comments, hidden elements, code and what is struck out.

Rationales are prose with, at most, Markdown's headings, lists and emphasis. What no page shows
is not said, and must not be counted as said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

# Opening -> closing.
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
# Of these an opening that nothing closes hides the rest of the text.
_LASTING = frozenset({"<!--", "<![cdata[", "```", "~~~"})
# Without one of these a text has no markup that hides.
_SIGNS = "<[`~{|\\/"
# Elements of HTML whose content is not shown, or is withdrawn.
_UNSEEN = frozenset(
    {"del", "details", "head", "noscript", "s", "script", "strike", "style", "svg", "template"}
    | {"textarea", "title"}
)
# Elements that have no content and no end.
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
            # Markdown: what an image shows in its place, a link's address and title, a definition.
            r"!\[[^\[\]\n]*\]",
            r"(?<=\])\([^()\n]*\)",
            r"^\[[^\[\]\n]*\]:[^\n]*",
        )
    ),
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
_HIDES = re.compile(r"=|\b(?:hidden|inert|popover)\b", re.IGNORECASE)


def shown(text: str) -> str:
    """Blank out what markup hides.

    Any attribute of an element may hide it (a style, a class, `hidden`), so an element with
    attributes is not shown. Time is linear in the text.

    Returns:
        A text of the same length, in which a space stands for each character that is not shown.
    """
    if not any(sign in text for sign in _SIGNS):
        return text
    parts = []
    at = 0
    for start, end in _hidden(text):
        parts += [text[at:start], " " * (end - start)]
        at = end
    return "".join((*parts, text[at:]))


def _hidden(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each hidden piece of a text begins and ends, in order."""
    unclosed: set[str] = set()
    at = 0
    while mark := _MARK.search(text, at):
        at = mark.end()
        if mark["name"] is not None:
            if _opens_hidden(mark):
                at = _after_element(text, mark["name"], at)
        elif (opening := mark[0].lower()) in _PAIRS:
            closing = _PAIRS[opening]
            # What was sought in vain is not sought again: time stays linear.
            found = -1 if opening in unclosed else text.find(closing, at)
            if found >= 0:
                at = found + len(closing)
            elif opening in _LASTING:
                at = len(text)
            else:
                unclosed.add(opening)
                continue
        yield mark.start(), at


def _opens_hidden(tag: re.Match[str]) -> bool:
    name, attributes = tag["name"].lower(), tag["attributes"]
    if tag["close"] or name in _EMPTY or attributes.endswith("/"):
        return False
    return name in _UNSEEN or _HIDES.search(attributes) is not None


def _after_element(text: str, name: str, start: int) -> int:
    """Return where an element ends whose opening tag ends at a position."""
    depth = 1
    for tag in _tags(name.lower()).finditer(text, start):
        depth += -1 if tag[1] else 1
        if not depth:
            return tag.end()
    return len(text)


@lru_cache(maxsize=64)
def _tags(name: str) -> re.Pattern[str]:
    return re.compile(rf"<(/?){re.escape(name)}(?:[\s/]{_ATTRIBUTES})?>", re.IGNORECASE | re.ASCII)
