"""What a rationale says: which action units it sees, and which expression it argues for.

A deterministic reader with no judge and no model. The words are in `reasoning_lexicon.toml`;
the rules are here, and all of them work inside a clause:

* A movement belongs to the part that it stands before ("raised brows"), or, after a copula or
  with no such part, to the nearest part before it ("the brows are raised"); parts joined by
  "and" share it. Part and movement together make a cue.
* A negator denies what follows it up to the end of its list, "not visible" what stands before
  it, and what is merely supposed ("fear would widen the eyes") is no cue at all.
* A side ("on the left", "one corner") counts for the cue beside it.

Without coded action units of the picture this measures whether a rationale is plausible and
agrees with itself, not whether it is true. English only; time is linear in the text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, Literal

from unifer_tasks.action_units import AU_NAMES, PROTOTYPES

Side = Literal["left", "right", "one", "both"]

_LEXICON = "reasoning_lexicon.toml"

# In words: how far a movement may stand before its part, a part before its movement, a negator
# before what it denies, and a side beside its cue.
_FORWARD, _BACKWARD, _DENIED, _BESIDE = 4, 10, 10, 4

# The only units that a prototype wants on one side, and the label that wants them so.
_LATERAL_UNITS, _ONE_SIDED_LABEL = (12, 14), "contempt"
_TELLING_UNITS = frozenset(unit for prototype in PROTOTYPES.values() for unit in prototype)


@dataclass(frozen=True, slots=True)
class Cue:
    """A visible sign that a rationale mentions.

    Attributes:
        units: The action units that it stands for; none where a part is said to be at rest.
        present: False if the rationale says that the sign is not there.
        side: The side of the face that is named, if one is; whose left it is stays open.
        start: Where the cue's words begin in the rationale.
        end: Where they end.
    """

    units: tuple[int, ...]
    present: bool
    side: Side | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mention:
    """An expression that a rationale names.

    Attributes:
        label: Its canonical label.
        present: False if the rationale says that it is another one.
        sentence: The number of the sentence, from 0.
        start: Where the word begins in the rationale.
        end: Where it ends.
    """

    label: str
    present: bool
    sentence: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rationale says, in the order in which it says it."""

    cues: tuple[Cue, ...] = ()
    mentions: tuple[Mention, ...] = ()


def read_rationale(text: str) -> Reading:
    """Reads the cues and the expressions that a rationale mentions."""
    cues: list[Cue] = []
    mentions: list[Mention] = []
    sentence = 0
    for clause, ends_sentence in _clauses(_tokens(text)):
        standing = _standing(clause)
        mentions += _mentions(clause, standing, sentence)
        cues += _cues(clause, standing)
        sentence += ends_sentence
    return Reading(tuple(cues), tuple(mentions))


def argued_labels(reading: Reading) -> frozenset[str]:
    """Returns the canonical labels that a rationale concludes with.

    They are those that the last sentence to affirm any label affirms: what a rationale
    weighs and rejects on the way does not count.
    """
    affirmed = [mention for mention in reading.mentions if mention.present]
    return frozenset(
        mention.label for mention in affirmed if mention.sentence == affirmed[-1].sentence
    )


def support(reading: Reading, label: str) -> float:
    """Tells how far a rationale argues for a label.

    Returns:
        1 / n if the label is one of the n labels that the rationale concludes with, else 0;
        in [0, 1].
    """
    argued = argued_labels(reading)
    return 1 / len(argued) if label in argued else 0.0


def agreement(reading: Reading, label: str) -> float:
    """Compares the action units that a rationale sees with a label's prototype.

    F1 = 2 |S n P| / (|S| + |P|), with P the units of the prototype and S those that the
    rationale affirms and nowhere denies. Units of no prototype (10, 17, 25) distinguish
    nothing and are left out. Contempt wants units 12 and 14 on one side, the others want
    them on both. For a prototype without units (neutral) it is 1 if the rationale names
    something visible, at rest or absent, and sees no unit.

    Args:
        reading: What the rationale says.
        label: A canonical label.

    Returns:
        The agreement, in [0, 1].
    """
    seen = {claim for cue in reading.cues if cue.present for claim in _claims(cue)}
    seen -= {claim for cue in reading.cues if not cue.present for claim in _claims(cue)}
    one_sided = label == _ONE_SIDED_LABEL
    prototype = {(unit, one_sided and unit in _LATERAL_UNITS) for unit in PROTOTYPES[label]}
    if not prototype:
        return float(bool(reading.cues) and not seen)
    return 2 * len(seen & prototype) / (len(seen) + len(prototype))


def _claims(cue: Cue) -> Iterator[tuple[int, bool]]:
    one_sided = cue.side not in {None, "both"}
    for unit in cue.units:
        if unit in _TELLING_UNITS:
            yield unit, one_sided and unit in _LATERAL_UNITS


@dataclass(frozen=True, slots=True)
class _Token:
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
class _Lexicon:
    """The data file, ready for use.

    Attributes:
        phrases: A trie of words; the empty word leads to the (kind, name) that ends there.
        skipped: Words that may stand between those of a phrase.
        cues: (part, movement) -> units and side; the part is empty where none is needed.
        single_parts: Parts that are one of a pair.
    """

    phrases: Mapping[str, Any]
    skipped: frozenset[str]
    cues: Mapping[tuple[str, str], tuple[tuple[int, ...], Side | None]]
    single_parts: frozenset[str]


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(files("unifer_tasks").joinpath(_LEXICON).read_text(encoding="utf-8"))
    trie: dict[str, Any] = {}
    for kind, phrases in data["kinds"].items():
        _plant(trie, phrases, (kind, ""))
    for kind in ("side", "label", "part", "movement"):
        for name, phrases in data[kind].items():
            _plant(trie, phrases, (kind, name))
    cues = {}
    for cue in data["cues"]:
        for part, movement in product(cue.get("parts", [""]), cue["movements"]):
            cues[part, movement] = (tuple(cue["units"]), cue.get("side"))
    return _Lexicon(trie, frozenset(data["skipped"]), cues, frozenset(data["single_parts"]))


def _plant(trie: dict[str, Any], phrases: Iterable[str], meaning: tuple[str, str]) -> None:
    for phrase in phrases:
        for words in product(*(slot.split("/") for slot in phrase.split())):
            node = trie
            for word in words:
                node = node.setdefault(word, {})
            if node.setdefault("", meaning) != meaning:
                raise ValueError(f"{_LEXICON}: {' '.join(words)!r} is {node['']} and {meaning}")


_UNIT = re.compile(r"([lr]?)([0-9]{1,2})([lr]?)")
_WORD = re.compile(rf"{_UNIT.pattern}(?![a-z0-9])|[a-z]+(?:'[a-z]+)?|[.,;!?()]")
# Lowering would change the length of some texts, and a cue's place is a place in the text. A
# line's end ends a sentence.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ’\n", "abcdefghijklmnopqrstuvwxyz'.")  # noqa: RUF001


def _tokens(text: str) -> Iterator[_Token]:
    lexicon = _lexicon()
    matches = list(_WORD.finditer(text.translate(_LOWER)))
    words = [match[0] for match in matches]
    numbering = False
    at = 0
    while at < len(words):
        meaning, to = _longest_phrase(lexicon, words, at)
        is_number = matches[at][2] is not None
        if is_number and numbering:
            meaning = ("unit", words[at])
        if meaning:
            yield _Token(*meaning, at, to, matches[at].start(), matches[to].end())
        kind = meaning[0] if meaning else ""
        numbering = kind == "numbering" or (numbering and (is_number or kind in {"comma", "and"}))
        at = to + 1


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


def _clauses(tokens: Iterable[_Token]) -> Iterator[tuple[list[_Token], bool]]:
    """Splits a text into clauses and tells of each whether it ends a sentence."""
    clause: list[_Token] = []
    for token in tokens:
        if token.kind in {"stop", "break"}:
            yield clause, token.kind == "stop"
            clause = []
        else:
            clause.append(token)
    yield clause, True


def _standing(clause: Sequence[_Token]) -> list[bool | None]:
    """Tells of each token whether it is affirmed, denied (False) or only supposed (None)."""
    ahead = _kinds_ahead(clause)
    standing: list[bool | None] = []
    denied_to, supposed, unsettled = -1, False, 0
    for index, token in enumerate(clause):
        # A comma goes on with what is denied only in a list that ends with "or", and after
        # "and" a verb shows that something new is said.
        if (token.kind == "comma" and ahead[index] != "or") or (
            token.kind == "and" and ahead[index] in {"copula", "verb"}
        ):
            denied_to, supposed, unsettled = -1, False, index
        elif token.kind == "negator" or (token.kind in {"comma", "or"} and token.at <= denied_to):
            denied_to = token.to + _DENIED
        elif token.kind in {"denial", "supposition"}:
            supposed = supposed or token.kind == "supposition"
            verdict = False if token.kind == "denial" else None
            standing[unsettled:] = [verdict] * (index - unsettled)
            unsettled = index
        standing.append(None if supposed else token.at > denied_to)
    return standing


def _kinds_ahead(clause: Sequence[_Token]) -> list[str]:
    """Returns for each token which of a verb, a copula and an "or" comes next after it."""
    kinds = []
    ahead = ""
    for token in reversed(clause):
        kinds.append(ahead)
        if token.kind in {"copula", "verb", "or"}:
            ahead = token.kind
    return kinds[::-1]


def _mentions(
    clause: Sequence[_Token], standing: Sequence[bool | None], sentence: int
) -> Iterator[Mention]:
    for index, token in enumerate(clause):
        present = standing[index]
        if token.kind != "label" or present is None:
            continue
        following = clause[index + 1] if index + 1 < len(clause) else None
        # A "neutral mouth" or a "sad brow" describes a part, not the expression.
        if following and following.kind == "part" and following.at == token.to + 1:
            continue
        yield Mention(token.name, present, sentence, token.start, token.end)


def _cues(clause: Sequence[_Token], standing: Sequence[bool | None]) -> Iterator[Cue]:
    cues = _lexicon().cues
    predicate = False
    for index, token in enumerate(clause):
        if token.kind == "copula":
            predicate = True
        elif token.kind not in {"movement", "side", "negator", "and", "or", "comma"}:
            predicate = False
        present = standing[index]
        if present is None:
            continue
        if token.kind == "unit":
            yield from _numbered_cue(clause, index, present)
        elif token.kind == "movement":
            owners = _owners(clause, index, predicate=predicate)
            for owner in owners:
                yield from _cue(clause, index, owner, present)
            if not owners and ("", token.name) in cues:
                yield from _cue(clause, index, None, present)


def _numbered_cue(clause: Sequence[_Token], index: int, present: bool) -> Iterator[Cue]:
    token = clause[index]
    match = _UNIT.fullmatch(token.name)
    if match and int(match[2]) in AU_NAMES:
        sides: dict[str, Side] = {"l": "left", "r": "right"}
        side = sides.get(match[1] or match[3]) or _side(clause, index, index)
        yield Cue((int(match[2]),), present, side, token.start, token.end)


def _cue(clause: Sequence[_Token], index: int, owner: int | None, present: bool) -> Iterator[Cue]:
    lexicon = _lexicon()
    part = "" if owner is None else clause[owner].name
    units, own_side = lexicon.cues[part, clause[index].name]
    if not units and not present:
        return
    first, last = sorted((index, index if owner is None else owner))
    side = _side(clause, first, last) or own_side
    if side is None and part in lexicon.single_parts:
        side = "one"
    yield Cue(units, present, side, clause[first].start, clause[last].end)


def _owners(clause: Sequence[_Token], index: int, *, predicate: bool) -> list[int]:
    """Returns where the parts stand that a movement belongs to."""
    if predicate:
        return _parts_before(clause, index) or _part_after(clause, index)
    return _part_after(clause, index) or _parts_before(clause, index)


def _part_after(clause: Sequence[_Token], index: int) -> list[int]:
    movement = clause[index]
    for position in range(index + 1, len(clause)):
        token = clause[position]
        if token.at - movement.to > _FORWARD:
            break
        if token.kind == "part":
            return [position] if _can_make(token, movement) else []
        joins = token.kind in {"and", "comma"} and position + 1 < len(clause)
        if joins and clause[position + 1].kind == "movement":
            continue
        if token.kind not in {"movement", "side"}:
            break
    return []


def _parts_before(clause: Sequence[_Token], index: int) -> list[int]:
    movement = clause[index]
    for position in range(index - 1, -1, -1):
        token = clause[position]
        if movement.at - token.to > _BACKWARD:
            break
        if token.kind == "part" and _can_make(token, movement):
            return [position, *_joined_before(clause, position, movement)]
    return []


def _joined_before(clause: Sequence[_Token], position: int, movement: _Token) -> Iterator[int]:
    """Yields the parts in a row with a part: "the brows and lids are raised"."""
    while (
        position >= 2
        and clause[position - 1].kind in {"and", "or", "comma"}
        and clause[position - 2].kind == "part"
        and movement.at - clause[position - 2].to <= _BACKWARD
        and _can_make(clause[position - 2], movement)
        # "Raised brows and lids tightened" moves each part in its own way.
        and (position == 2 or clause[position - 3].kind != "movement")
    ):
        position -= 2
        yield position


def _can_make(part: _Token, movement: _Token) -> bool:
    return (part.name, movement.name) in _lexicon().cues


def _side(clause: Sequence[_Token], first: int, last: int) -> Side | None:
    """Returns the side that is named within or beside the tokens from first to last."""
    low, high = first, last
    while low > 0 and _is_beside(clause[low - 1], clause[first]):
        low -= 1
    while high + 1 < len(clause) and _is_beside(clause[high + 1], clause[last]):
        high += 1
    named = {token.name for token in clause[low : high + 1] if token.kind == "side"}
    if "both" in named or {"left", "right"} <= named:
        return "both"
    sides: tuple[Side, ...] = ("left", "right", "one")
    return next((side for side in sides if side in named), None)


def _is_beside(token: _Token, other: _Token) -> bool:
    near = max(other.at - token.to, token.at - other.to) <= _BESIDE
    return near and token.kind not in {"and", "or", "comma"}
