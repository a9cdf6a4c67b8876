"""A text -> its sentences -> the phrases of the lexicon in a sentence.

Time is linear in the text, whatever it repeats: a looping response may hold millions of words.
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
# Of a row of stops the last two say what all of them do.
_SPARE_STOP = re.compile(r"\.(?= *+\. *+\.)")
_WORD = re.compile(r"([lr]?[0-9]{1,2}[lr]?(?![a-z0-9])|[a-z]+(?:'[a-z]+)?|[.,?()])")

# In words: the longest run of skipped words within a phrase.
_MOST_SKIPPED = 8


def _plain(character: str) -> str:
    if character.isalnum():
        return character.lower()
    # The end of a line ends a sentence.
    if character in ".!;\n":
        return "."
    return " " if character.isspace() else character if character in "',?()" else "_"


_PLAIN = {code: _plain(chr(code)) for code in range(128)}


def plain(text: str) -> str:
    """Spell a text in lower-case letters, digits, spaces and the punctuation that matters.

    Returns:
        A text of the same length, so that a place in it is one in the text.
    """
    if not text.isascii():
        # Lowering would make a letter of some look-alikes, and change the length of some texts.
        text = text.replace(_APOSTROPHE, "'")
        if not text.isascii():
            text = _OTHERS.sub("_", _SPACES.sub(" ", text))
    return _SPARE_STOP.sub("_", text.translate(_PLAIN))


def sentences(text: str) -> list[str]:
    """Return the sentences of a plain text, each with the mark that ends it."""
    return text.replace(".", ".\n").replace("?", "?\n").split("\n")


class Words(NamedTuple):
    """The words of a plain sentence; a punctuation mark is a word.

    Attributes:
        texts: The words.
        starts: Where each begins in the sentence.
        ends: Where each ends.
    """

    texts: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int]


def words_of(sentence: str) -> Words:
    """Return the words of a plain sentence."""
    # In turn what lies between two words, and a word: matches one by one would take twice the time.
    pieces = _WORD.split(sentence)
    ends = list(accumulate(map(len, pieces)))
    return Words(pieces[1::2], ends[:-1:2], ends[1::2])


def tokens(sentence: Words) -> Iterator[Token]:
    """Find the phrases of the lexicon and the numbered action units in a sentence, in order.

    Of two phrases that begin with one word the longer one counts, and no two overlap.
    """
    phrases = lexicon().phrases
    words, starts, ends = sentence
    numbering = False
    following = 0
    for at, node in enumerate(map(phrases.get, words)):
        if node is None or at < following:
            continue
        # Between two phrases, a word without a meaning ends an enumeration of units.
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
    """Return the meaning and the last word of the longest phrase that begins at a word."""
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
