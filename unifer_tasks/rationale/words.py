"""A text -> sentences of coded words -> the phrases of the lexicon in them.

The text is split into words by the methods of `str`, a block at a time, and each word becomes one
character (`lexicon.Lexicon.codes`): a looping response may hold millions of them. Time is linear
in the text, whatever it repeats.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from unifer_tasks.rationale.lexicon import MEANINGLESS, Token, lexicon

_APOSTROPHE = "’"  # noqa: RUF001
_SPACES = re.compile(r"[^\S\x00-\x7f]")
_OTHERS = re.compile(r"[^\x00-\x7f]")
# Of a row of stops the last two say what all of them do.
_SPARE_STOP = re.compile(r"\.(?= *+\. *+\.)")
_SEPARATORS = ".,?()"
_WORD = re.compile(r"[lr]?[0-9]{1,2}[lr]?(?![a-z0-9])|[a-z]+(?:'[a-z]+)?|[.,?()]")

# In characters: texts are split a block at a time, and pieces of a usual length are remembered.
_BLOCK, _LONGEST_PIECE, _MOST_PIECES = 1 << 16, 32, 1 << 15
_PIECE_END = re.compile(r"[^a-z0-9']")


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
    """Return the sentences of a plain text, each a row of codes; no word lies between two."""
    code_of = _vocabulary().__getitem__
    codes = "".join(["".join(map(code_of, block.split())) for block in _blocks(text)])
    return _sentence().findall(codes)


def spans(text: str) -> tuple[array[int], array[int]]:
    """Return where each word of a plain text begins, and where it ends."""
    starts, ends = array("I"), array("I")
    for match in _WORD.finditer(text):
        starts.append(match.start())
        ends.append(match.end())
    return starts, ends


def tokens(sentence: str) -> Iterator[Token]:
    """Find the phrases of the lexicon and the numbered action units of a sentence, in order.

    Of two phrases that begin with one word the longer one counts, and no two overlap.
    """
    phrases, words = lexicon().phrases, lexicon().words
    runs: _Runs | None = None
    numbering = False
    following = 0
    for at, code in enumerate(sentence):
        if at < following or code not in phrases:
            continue
        # Between two phrases, a word without a meaning ends an enumeration of units.
        numbering = numbering and at == following
        node = phrases[code]
        if len(node) == 1 and "" in node:
            (kind, name), to = node[""], at
        else:
            runs = runs or _Runs(sentence)
            (kind, name), to = _longest_phrase(sentence, at, node, runs)
        following = to + 1
        if kind == "number":
            if numbering or not name.isdecimal():
                yield Token("unit", name, at, at)
            continue
        if kind == "comma":
            name = words.get(sentence[following : following + 1], "")
        if kind:
            yield Token(kind, name, at, to)
        numbering = kind == "numbering" or (numbering and kind in _JOINING)


_JOINING = frozenset({"comma", "and"})
_NO_MEANING = ("", "")


def _longest_phrase(
    sentence: str, at: int, node: Mapping[str, Any], runs: _Runs
) -> tuple[tuple[str, str], int]:
    """Return the meaning and the last word of the longest phrase that begins at a word."""
    meaning, to = node.get("", _NO_MEANING), at
    skipped = lexicon().skipped
    position = at + 1
    while position < len(sentence):
        if sentence[position] in skipped:
            position = runs.first_of(node, position)
        if position == len(sentence) or sentence[position] not in node:
            break
        node = node[sentence[position]]
        if "" in node:
            meaning, to = node[""], position
        position += 1
    return meaning, to


class _Runs:
    """The runs of skipped words in a sentence, found once: no word before one walks through it."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._ends: list[int] = []

    def first_of(self, node: Mapping[str, Any], position: int) -> int:
        """Return where the first word of a node is in the rest of a run; the run's end if none."""
        if not self._ends:
            self._ends = [match.end() for match in _skipped_run().finditer(self._sentence)]
        end = self._ends[bisect_right(self._ends, position)]
        if lexicon().skipped.isdisjoint(node):
            return end
        return next((at for at in range(position, end) if self._sentence[at] in node), end)


def _blocks(text: str) -> Iterator[str]:
    """Yield a text in blocks that end between two words, each word apart from punctuation."""
    start = 0
    while start < len(text):
        cut = _PIECE_END.search(text, start + _BLOCK) if len(text) - start > _BLOCK else None
        end = cut.start() if cut else len(text)
        block = text[start:end]
        for separator in _SEPARATORS:
            block = block.replace(separator, f" {separator} ")
        yield block.replace("_", " ")
        start = end


class _Vocabulary(dict[str, str]):
    """Piece of a text without spaces -> the codes of its words. What is common is remembered."""

    def __missing__(self, piece: str) -> str:
        code_of = lexicon().codes.get
        codes = "".join([code_of(word[0], MEANINGLESS) for word in _WORD.finditer(piece)])
        if len(piece) <= _LONGEST_PIECE and len(self) < _MOST_PIECES:
            self[piece] = codes
        return codes


@cache
def _vocabulary() -> _Vocabulary:
    return _Vocabulary(lexicon().codes)


@cache
def _sentence() -> re.Pattern[str]:
    ends = "".join(sorted(lexicon().ends))
    return re.compile(f"[^{ends}]*[{ends}]|[^{ends}]+")


@cache
def _skipped_run() -> re.Pattern[str]:
    return re.compile(f"[{''.join(sorted(lexicon().skipped))}]+")
