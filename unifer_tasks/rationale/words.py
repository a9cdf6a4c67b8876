"""Split a text into sentences and find the lexicon's phrases in each.

All functions run in linear time, as a looping response may have millions of words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from unifer_tasks.rationale.lexicon import Token, lexicon

_APOSTROPHE = "’"  # noqa: RUF001
_SPACES = re.compile(r"[^\S\x00-\x7f]")
_OTHERS = re.compile(r"[^\x00-\x7f]")
_WORD = re.compile(r"([lr]?[0-9]{1,2}[lr]?(?![a-z0-9])|[a-z]+(?:'[a-z]+)?|[.,?()])")

# The longest run of skipped words within a phrase.
_MOST_SKIPPED = 8


def _normalise(character: str) -> str:
    if character.isalnum():
        return character.lower()
    # The end of a line ends a sentence.
    if character in ".!;\n":
        return "."
    return " " if character.isspace() else character if character in "',?()" else "_"


_NORMALISED = {code: _normalise(chr(code)) for code in range(128)}


def normalise(text: str) -> str:
    """Normalise a text to lower-case letters, digits, spaces and relevant punctuation.

    Returns:
        A text of the same length, so that offsets apply to both.
    """
    if not text.isascii():
        # str.lower turns some look-alikes into ASCII letters, and changes the length of some texts.
        text = text.replace(_APOSTROPHE, "'")
        if not text.isascii():
            text = _OTHERS.sub("_", _SPACES.sub(" ", text))
    return text.translate(_NORMALISED)


def sentences(text: str) -> list[str]:
    """Split a normalised text into sentences, each with its closing mark."""
    return text.replace(".", ".\n").replace("?", "?\n").split("\n")


class Words(NamedTuple):
    """The words of a normalised sentence; a punctuation mark counts as a word.

    Attributes:
        texts: The words.
        starts: Offset of the start of each word in the sentence.
        ends: Offset of the end of each word.
    """

    texts: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int]


def words_of(sentence: str) -> Words:
    """Split a normalised sentence into words."""
    # Separators and words alternate; iterating over matches would take twice the time.
    pieces = _WORD.split(sentence)
    ends = list(accumulate(map(len, pieces)))
    return Words(pieces[1::2], ends[:-1:2], ends[1::2])


def tokens(sentence: Words) -> Iterator[Token]:
    """Yield the lexicon's phrases and the numbered action units of a sentence, in order.

    Of two phrases that begin at the same word, the longer one is taken. Phrases do not overlap.
    """
    phrases = lexicon().phrases
    words, starts, ends = sentence
    numbering = False
    following = 0
    for at, node in enumerate(map(phrases.get, words)):
        if node is None or at < following:
            continue
        # An unknown word between two phrases ends an enumeration of units.
        numbering = numbering and at == following
        is_whole = len(node) == 1 and "" in node
        (kind, name), to = (node[""], at) if is_whole else _longest_phrase(words, at, node)
        following = to + 1
        if kind == "number":
            if numbering or not name.isdecimal():
                yield Token("unit", name, at, at, starts[at], ends[at])
            continue
        if kind == "comma":
            name = words[following] if following < len(words) else ""
        if kind:
            yield Token(kind, name, at, to, starts[at], ends[to])
        numbering = kind == "numbering" or (numbering and kind in _JOINING)


_JOINING = frozenset({"comma", "and"})
_NO_MEANING = ("", "")


def _longest_phrase(
    words: Sequence[str], at: int, node: Mapping[str, Any]
) -> tuple[tuple[str, str], int]:
    """Return the meaning of the longest phrase that begins at a word, and its last word."""
    meaning, to = node.get("", _NO_MEANING), at
    skipped = lexicon().skipped
    last = at
    for position in range(at + 1, len(words)):
        word = words[position]
        if word in node:
            node, last = node[word], position
            if "" in node:
                meaning, to = node[""], position
        elif word not in skipped or position - last > _MOST_SKIPPED:
            break
    return meaning, to
