"""The words of `lexicon.toml`, found in a text, and the action units that they stand for."""

from __future__ import annotations

import re
import tomllib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from string import digits
from types import MappingProxyType
from typing import Any, Literal

from unifer_tasks.protocol.action_units import AU_NAMES

LEXICON_FILE = "lexicon.toml"

Side = Literal["left", "right", "one", "both"]
"""A side of the face; "one" if it is not said which."""


@dataclass(frozen=True, slots=True)
class Token:
    """A phrase that the lexicon knows, or a numbered action unit.

    Attributes:
        kind: One of the lexicon's kinds, or "side", "label", "part", "movement", "unit".
        name: Which one of its kind; of a unit, the text; of a comma, the word of the lexicon
            that comes next, if one does.
        at: The number of its first word.
        to: The number of its last word.
        start: Where it begins in the text.
        end: Where it ends.
    """

    kind: str
    name: str
    at: int
    to: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sign:
    """What a movement of a part stands for.

    Attributes:
        units: The action units; none if the part is at rest or tells of no expression.
        side: The side that goes without saying, if one does.
    """

    units: tuple[int, ...]
    side: Side | None = None


State = tuple[str, str]
"""What a part does: (part, movement). The part is empty where the movement says it, and a
numbered unit is ("", "unit")."""

NUMBERED: State = ("", "unit")


def tokens(text: str) -> Iterator[Token]:
    """Find the phrases of the lexicon and the numbered action units, in order.

    Time is linear in the text, whatever it repeats, and memory is a few bytes a word.
    """
    words = _Words(text.translate(_LOWER), _lexicon())
    numbering = False
    following = 0
    for at in words.beginnings:
        if at < following:
            continue
        # Between two phrases, a word without a meaning ends an enumeration of units.
        numbering = numbering and at == following
        meaning, to = words.longest_phrase(at)
        word = words[at]
        is_number = word in _NUMBERS
        if is_number and (numbering or not word.isdecimal()):
            meaning = ("unit", word)
        kind = meaning[0] if meaning else ""
        if kind == "comma":
            meaning = (kind, words[to + 1].strip())
        if meaning:
            yield Token(*meaning, at, to, words.start(at), words.end(to))
        numbering = kind == "numbering" or (numbering and (is_number or kind in {"comma", "and"}))
        following = to + 1


def sign(movement: Token, part: Token | None = None) -> Sign | None:
    """Returns what a movement stands for.

    Args:
        movement: A movement or a numbered unit.
        part: What moves; None for a unit, or a movement that says so itself, like a smile.

    Returns:
        Its sign; None if there is none.
    """
    if movement.kind == "movement":
        return _lexicon().signs.get((part.name if part else "", movement.name))
    numbered = _UNIT.fullmatch(movement.name)
    if part or not numbered or int(numbered[2]) not in AU_NAMES:
        return None
    return Sign((int(numbered[2]),), _SIDE_OF_LETTER.get(numbered[1] or numbered[3]))


def state(movement: Token, part: Token | None = None) -> State:
    """Returns the state that a movement of a part is."""
    if movement.kind == "unit":
        return NUMBERED
    return (part.name if part else "", movement.name)


def exclusion(first: State, second: State) -> str | None:
    """Returns why two states of one face cannot both be; None if they can."""
    return _lexicon().exclusions.get((first, second))


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """The data file, ready for use.

    Attributes:
        phrases: A trie of words; the empty word leads to the (kind, name) that ends there.
        words: First what stands for a word without a meaning, then the skipped words, then all
            others of the phrases, and last the numbers.
        ids: Word -> its place in `words`.
        begins: Whether a phrase begins with the word of that place, or it is a number.
        skipped: Words that may stand between those of a phrase.
        signs: What a state stands for.
        exclusions: Two states that cannot both be, in either order -> why.
    """

    phrases: Mapping[str, Any]
    words: tuple[str, ...]
    ids: Mapping[str, int]
    begins: tuple[bool, ...]
    skipped: frozenset[str]
    signs: Mapping[State, Sign]
    exclusions: Mapping[tuple[State, State], str]


# Stands for every word that no phrase holds.
_MEANINGLESS = " "


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(
        files("unifer_tasks.rationale").joinpath(LEXICON_FILE).read_text(encoding="utf-8")
    )
    trie: dict[str, Any] = {}
    for kind, phrases in data["kinds"].items():
        _plant(trie, phrases, (kind, ""))
    for kind in ("side", "label", "part", "movement"):
        for name, phrases in data[kind].items():
            _plant(trie, phrases, (kind, name))
    signs = {}
    for cue in data["cues"]:
        for part, movement in product(cue.get("parts", [""]), cue["movements"]):
            own_side = "one" if part in data["single_parts"] else None
            signs[part, movement] = Sign(tuple(cue["units"]), cue.get("side", own_side))
    exclusions = {
        pair: row["reason"]
        for row in data["exclusions"]
        for first in _states(row["parts"], row["movements"], signs)
        for second in _states(row["against_parts"], row["against_movements"], signs)
        for pair in ((first, second), (second, first))
    }
    skipped = frozenset(data["skipped"])
    for word in skipped & trie.keys():
        if not skipped.isdisjoint(trie[word]):
            # A run of such words would be walked through from each of them.
            raise ValueError(f"{LEXICON_FILE}: a phrase begins with two skipped words: {word!r}")
    words = tuple(dict.fromkeys((_MEANINGLESS, *sorted(skipped), *_words_of(trie), *_NUMBERS)))
    ids = MappingProxyType({word: id_ for id_, word in enumerate(words)})
    begins = tuple(word in trie or word in _NUMBERS for word in words)
    return _Lexicon(trie, words, ids, begins, skipped, signs, exclusions)


def _words_of(trie: Mapping[str, Any]) -> Iterator[str]:
    for word, node in trie.items():
        if word:
            yield word
            yield from _words_of(node)


def _states(
    parts: Iterable[str], movements: Iterable[str], signs: Mapping[State, Sign]
) -> Iterator[State]:
    return (state for state in product(parts, movements) if state in signs)


def _plant(trie: dict[str, Any], phrases: Iterable[str], meaning: tuple[str, str]) -> None:
    for phrase in phrases:
        for words in product(*(slot.split("/") for slot in phrase.split())):
            node = trie
            for word in words:
                node = node.setdefault(word, {})
            if node.setdefault("", meaning) != meaning:
                raise ValueError(f"{LEXICON_FILE}: {' '.join(words)!r} is {node['']} and {meaning}")


_NUMBERS = frozenset(map("".join, product(("", *"lr"), ("", *digits), digits, ("", *"lr"))))
_UNIT = re.compile(r"([lr]?)([0-9]{1,2})([lr]?)")
# As FACS writes a unit that acts on one side: L12, R14.
_SIDE_OF_LETTER: Mapping[str, Side] = {"l": "left", "r": "right"}
_STOP = "[.;!]"
# Of a row of stops the last two say what all of them do.
_STOPS_AHEAD = rf"\s*{_STOP}\s*{_STOP}"
_WORD = re.compile(
    rf"{_UNIT.pattern}(?![a-z0-9])|[a-z]+(?:'[a-z]+)?|{_STOP}(?!{_STOPS_AHEAD})|[,?()]"
)
# Lowering would change the length of some texts, and a token's place is one in the text. The
# end of a line ends a sentence.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ’\n", "abcdefghijklmnopqrstuvwxyz'.")  # noqa: RUF001


class _Words:
    """The words of a text, in arrays: a looping response may hold millions of them.

    Attributes:
        beginnings: The numbers of those that a phrase may begin with, and of unit numbers.
    """

    def __init__(self, lowered: str, lexicon: _Lexicon) -> None:
        self.beginnings = array("I")
        self._lexicon = lexicon
        self._ids = array("H")
        self._starts = array("I")
        # Where runs of skipped words end, lest each word before a run walks through it.
        self._run_ends = array("I")
        id_of, last_skipped, begins = lexicon.ids.get, len(lexicon.skipped), lexicon.begins
        in_run = False
        for at, match in enumerate(_WORD.finditer(lowered)):
            id_ = id_of(match[0], 0)
            if begins[id_]:
                self.beginnings.append(at)
            if 0 < id_ <= last_skipped:
                in_run = True
            elif in_run:
                self._run_ends.append(at)
                in_run = False
            self._ids.append(id_)
            self._starts.append(match.start())
        self._run_ends.append(len(self._ids))

    def __getitem__(self, at: int) -> str:
        """Return a word; a space in the place of any that no phrase holds."""
        return self._lexicon.words[self._ids[at]] if at < len(self._ids) else _MEANINGLESS

    def start(self, at: int) -> int:
        """Return where a word begins in the text."""
        return self._starts[at]

    def end(self, at: int) -> int:
        """Return where a word of the lexicon or a number ends in the text."""
        return self._starts[at] + len(self[at])

    def longest_phrase(self, at: int) -> tuple[tuple[str, str] | None, int]:
        """Return the meaning and the last word of the longest phrase that begins at a word."""
        node = self._lexicon.phrases.get(self[at])
        meaning, to = None, at
        position = at
        while node is not None:
            if "" in node:
                meaning, to = node[""], position
                if len(node) == 1:
                    break
            position = self._next(position + 1, node)
            node = node.get(self[position]) if position < len(self._ids) else None
        return meaning, to

    def _next(self, position: int, node: Mapping[str, Any]) -> int:
        """Return the first position, from one on, whose word is in a node or may not be skipped."""
        skipped = self._lexicon.skipped
        if position >= len(self._ids) or self[position] not in skipped:
            return position
        run_end = self._run_ends[bisect_right(self._run_ends, position)]
        if not skipped.isdisjoint(node):
            return next((at for at in range(position, run_end) if self[at] in node), run_end)
        return run_end
