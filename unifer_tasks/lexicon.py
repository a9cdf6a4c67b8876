"""The words of `lexicon.toml`, found in a text, and the action units that they stand for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, Literal

from unifer_tasks.action_units import AU_NAMES

LEXICON_FILE = "lexicon.toml"

Side = Literal["left", "right", "one", "both"]
"""A side of the face; "one" if it is not said which."""


@dataclass(frozen=True, slots=True)
class Token:
    """A phrase that the lexicon knows, or a numbered action unit.

    Attributes:
        kind: One of the lexicon's kinds, or "side", "label", "part", "movement", "unit".
        name: Which one of its kind; of a unit, the text.
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
    """Finds the phrases of the lexicon and the numbered action units, in order."""
    lexicon = _lexicon()
    matches = list(_WORD.finditer(text.translate(_LOWER)))
    words = [match[0] for match in matches]
    numbering = False
    at = 0
    while at < len(words):
        # Most words mean nothing; only a number has groups.
        if words[at] not in lexicon.phrases and not matches[at].lastindex:
            numbering = False
            at += 1
            continue
        meaning, to = _longest_phrase(lexicon, words, at)
        is_number = matches[at][2] is not None
        is_sided = is_number and (matches[at][1] or matches[at][3])
        if is_number and (numbering or is_sided):
            meaning = ("unit", words[at])
        if meaning:
            yield Token(*meaning, at, to, matches[at].start(), matches[to].end())
        kind = meaning[0] if meaning else ""
        numbering = kind == "numbering" or (numbering and (is_number or kind in {"comma", "and"}))
        at = to + 1


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
        skipped: Words that may stand between those of a phrase.
        signs: What a state stands for.
        exclusions: Two states that cannot both be, in either order -> why.
    """

    phrases: Mapping[str, Any]
    skipped: frozenset[str]
    signs: Mapping[State, Sign]
    exclusions: Mapping[tuple[State, State], str]


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(files("unifer_tasks").joinpath(LEXICON_FILE).read_text(encoding="utf-8"))
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
    return _Lexicon(trie, frozenset(data["skipped"]), signs, exclusions)


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


_UNIT = re.compile(r"([lr]?)([0-9]{1,2})([lr]?)")
# As FACS writes a unit that acts on one side: L12, R14.
_SIDE_OF_LETTER: Mapping[str, Side] = {"l": "left", "r": "right"}
_WORD = re.compile(rf"{_UNIT.pattern}(?![a-z0-9])|[a-z]+(?:'[a-z]+)?|[.,;!?()]")
# Lowering would change the length of some texts, and a token's place is one in the text. The
# end of a line ends a sentence.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ’\n", "abcdefghijklmnopqrstuvwxyz'.")  # noqa: RUF001


def _longest_phrase(
    lexicon: _Lexicon, words: Sequence[str], at: int
) -> tuple[tuple[str, str] | None, int]:
    """Returns the meaning and the last word of the longest phrase that begins at a word."""
    node = lexicon.phrases.get(words[at])
    meaning, to = None, at
    position = at
    while node is not None:
        if "" in node:
            meaning, to = node[""], position
        position += 1
        while (
            position < len(words)
            and words[position] not in node
            and words[position] in lexicon.skipped
        ):
            position += 1
        node = node.get(words[position]) if position < len(words) else None
    return meaning, to
