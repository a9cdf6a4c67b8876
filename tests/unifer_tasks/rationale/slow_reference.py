"""What the reader of rationales computes, by its definitions and with no regard to time."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import combinations, product

from unifer_tasks.rationale.lexicon import Token, lexicon
from unifer_tasks.rationale.reasoning import Argument, Contradiction
from unifer_tasks.rationale.sentences import Cue

LEXICON = tomllib.loads(files("unifer_tasks.rationale").joinpath("lexicon.toml").read_text())

Meaning = tuple[str, str]
"""The kind and the name of a phrase."""


def phrases() -> Iterator[tuple[tuple[str, ...], Meaning]]:
    """Yield each phrase of the lexicon, spelt out, with its meaning."""
    rows = [((kind, ""), row) for kind, row in LEXICON["kinds"].items()]
    for kind in ("side", "label", "part", "movement"):
        rows += [((kind, name), row) for name, row in LEXICON[kind].items()]
    for meaning, row in rows:
        for phrase in row:
            for words in product(*(slot.split("/") for slot in phrase.split())):
                yield words, meaning


MEANING_OF: Mapping[tuple[str, ...], Meaning] = dict(phrases())
BEGINNINGS = {words[:length] for words in MEANING_OF for length in range(1, len(words) + 1)}


def tokens(words: Sequence[str]) -> Iterator[Token]:
    """Find the phrases in a sentence without numbers, each by the words that are left.

    A space stands between two words.
    """
    at = 0
    while at < len(words):
        if found := _longest_phrase(words[at:]):
            (kind, name), last = found
            comma = kind == "comma"
            name = "".join(words[at + 1 : at + 2]) if comma else name
            start = sum(len(word) + 1 for word in words[:at])
            end = start + len(" ".join(words[at : at + last + 1]))
            yield Token(kind, name, at, at + last, start, end)
            at += last
        at += 1


def _longest_phrase(words: Sequence[str]) -> tuple[Meaning, int] | None:
    """Return the meaning and the last word of the longest phrase at the head of some words."""
    best = None
    phrase: tuple[str, ...] = ()
    for at, word in enumerate(words):
        if (*phrase, word) in BEGINNINGS:
            phrase = (*phrase, word)
            best = (MEANING_OF[phrase], at) if phrase in MEANING_OF else best
        elif not phrase or word not in LEXICON["skipped"]:
            break
    return best


def contradictions(argument: Argument) -> tuple[Contradiction, ...]:
    """Compare every two cues."""
    firsts: dict[object, int] = {}
    for number, cue in enumerate(argument.cues):
        firsts.setdefault((cue.units, cue.present, cue.side, cue.state), number)
    return tuple(
        Contradiction(first, second, reason)
        for first, second in combinations(firsts.values(), 2)
        if (reason := _conflict(argument.cues[first], argument.cues[second]))
    )


def _conflict(cue: Cue, other: Cue) -> str | None:
    if cue.present and other.present:
        apart = {cue.side, other.side} == {"left", "right"}
        return None if apart else lexicon().exclusions.get(cue.state, {}).get(other.state)
    if cue.present is other.present:
        return None
    affirmed, denied = (cue, other) if cue.present else (other, cue)
    on_its_side = denied.side in {None, "both", affirmed.side}
    if on_its_side and denied.units and set(denied.units) <= set(affirmed.units):
        return "affirmed and denied"
    return None
