"""The phrases of `lexicon.toml` and the action units that they denote."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from string import digits
from typing import Any, Literal, NamedTuple

from unifer_tasks.protocol.action_units import AU_NAMES

LEXICON_FILE = "lexicon.toml"

Side = Literal["left", "right", "one", "both"]
"""A side of the face; "one" if it is not specified."""

State = tuple[str, str]
"""(part, movement). The part is empty where the movement implies it; a numbered unit is
("", "unit")."""

NUMBERED: State = ("", "unit")

SENTENCE_ENDS = frozenset({"stop", "question"})
"""Kinds of phrases that end a sentence."""


class Token(NamedTuple):
    """A phrase of the lexicon, or a numbered action unit.

    Attributes:
        kind: One of the lexicon's kinds, or "side", "label", "part", "movement", "unit".
        name: The entry within its kind; for a unit, its text; for a comma, the next word or "".
        at: Index of its first word in the sentence.
        to: Index of its last word.
        start: Character offset of its first word in the sentence.
        end: Character offset of the end of its last word.
    """

    kind: str
    name: str
    at: int
    to: int
    start: int
    end: int

    def moved(self, words: int, characters: int) -> Token:
        """Return the token with its word indices and character offsets shifted."""
        kind, name, at, to, start, end = self
        return Token(kind, name, at + words, to + words, start + characters, end + characters)


@dataclass(frozen=True, slots=True)
class Sign:
    """The meaning of a movement of a part.

    Attributes:
        units: The action units; empty if the part is at rest or indicates no expression.
        side: The side that the phrase implies, if any.
    """

    units: tuple[int, ...]
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The parsed data file.

    Attributes:
        phrases: A trie of words; the empty string maps to the (kind, name) that ends there.
            A number is a phrase of the kind "number".
        skipped: Words that may occur between the words of a phrase.
        signs: State -> its meaning.
        exclusions: State -> the states that a face cannot show at the same time -> the reason.
    """

    phrases: Mapping[str, Any]
    skipped: frozenset[str]
    signs: Mapping[State, Sign]
    exclusions: Mapping[State, Mapping[State, str]]


def sign(movement: Token, part: Token | None = None) -> Sign | None:
    """Return the meaning of a movement.

    Args:
        movement: A movement or a numbered unit.
        part: The part that moves; None for a unit, or a movement that implies it, like a smile.

    Returns:
        Its sign; None if the lexicon has none.
    """
    if movement.kind == "movement":
        return lexicon().signs.get((part.name if part else "", movement.name))
    numbered = UNIT.fullmatch(movement.name)
    if part or not numbered or int(numbered[2]) not in AU_NAMES:
        return None
    return Sign((int(numbered[2]),), _SIDE_OF_LETTER.get(numbered[1] or numbered[3]))


def state(movement: Token, part: Token | None = None) -> State:
    """Return the state that a movement puts a part in."""
    if movement.kind == "unit":
        return NUMBERED
    return (part.name if part else "", movement.name)


@cache
def lexicon() -> Lexicon:
    """Return the lexicon, parsed once.

    Raises:
        ValueError: A phrase has two meanings, or spans two sentences.
    """
    data = tomllib.loads(
        files("unifer_tasks.rationale").joinpath(LEXICON_FILE).read_text(encoding="utf-8")
    )
    trie: dict[str, Any] = {}
    for kind, phrases in data["kinds"].items():
        _insert(trie, phrases, (kind, ""))
    for kind in ("side", "label", "part", "movement"):
        for name, phrases in data[kind].items():
            _insert(trie, phrases, (kind, name))
    _check(trie)
    for number in _NUMBERS:
        _insert(trie, [number], ("number", number))
    signs = {}
    for cue in data["cues"]:
        for part, movement in product(cue.get("parts", [""]), cue["movements"]):
            own_side = "one" if part in data["single_parts"] else None
            signs[part, movement] = Sign(tuple(cue["units"]), cue.get("side", own_side))
    exclusions: dict[State, dict[State, str]] = {}
    for row in data["exclusions"]:
        for first in _states(row["parts"], row["movements"], signs):
            for second in _states(row["against_parts"], row["against_movements"], signs):
                exclusions.setdefault(first, {})[second] = row["reason"]
                exclusions.setdefault(second, {})[first] = row["reason"]
    return Lexicon(
        phrases=trie,
        skipped=frozenset(data["skipped"]),
        signs=signs,
        exclusions=exclusions,
    )


def _check(trie: Mapping[str, Any]) -> None:
    ends = {word for word, node in trie.items() if node.get("", " ")[0] in SENTENCE_ENDS}
    for word, node in trie.items():
        # Sentences are matched one at a time.
        if (word in ends and node.keys() != {""}) or not ends.isdisjoint(_words_of(node)):
            raise ValueError(f"{LEXICON_FILE}: a phrase spans two sentences: {word!r} ...")


def _words_of(trie: Mapping[str, Any]) -> Iterator[str]:
    for word, node in trie.items():
        if word:
            yield word
            yield from _words_of(node)


def _states(
    parts: Iterable[str], movements: Iterable[str], signs: Mapping[State, Sign]
) -> Iterator[State]:
    return (state for state in product(parts, movements) if state in signs)


def _insert(trie: dict[str, Any], phrases: Iterable[str], meaning: tuple[str, str]) -> None:
    for phrase in phrases:
        for words in product(*(slot.split("/") for slot in phrase.split())):
            node = trie
            for word in words:
                node = node.setdefault(word, {})
            if node.setdefault("", meaning) != meaning:
                raise ValueError(f"{LEXICON_FILE}: {' '.join(words)!r} is {node['']} and {meaning}")


_NUMBERS = tuple(
    dict.fromkeys(map("".join, product(("", *"lr"), ("", *digits), digits, ("", *"lr"))))
)
UNIT = re.compile(r"([lr]?)([0-9]{1,2})([lr]?)")
"""Matches a numbered unit; FACS writes a one-sided unit as L12 or R14."""

_SIDE_OF_LETTER: Mapping[str, Side] = {"l": "left", "r": "right"}
