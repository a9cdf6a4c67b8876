"""Extract from a rationale the action units that it reports and the expression it argues for.

The reader is deterministic: no judge, no model. The words are in `lexicon.toml`. The rules, all
but the last two applied within a clause:

* A movement belongs to the part that follows it ("raised brows"), or, after a copula or without
  such a part, to the nearest preceding part ("the brows are raised"). Parts joined by "and" share
  it. A part and a movement form a cue.
* A negator denies what follows it up to the end of its list; a denial ("not visible") denies what
  precedes it. What is merely supposed, expected or defined ("fear would widen the eyes", "fear is
  a wide eye") is not a cue. An item after a denied one without a determiner or verb ("no smile,
  raised cheeks") is neither affirmed nor denied.
* A side ("on the left", "one corner") applies to the adjacent cue.
* Questions are ignored.
* "They" or "it" at the start of a sentence refers to the part that was named last.

Text that markup hides (`markup`) is ignored. Without coded action units of the image, this
measures whether a rationale is plausible and consistent, not whether it is true. English only.
Runs in linear time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations, product
from typing import NamedTuple

from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.rationale.lexicon import Token, lexicon
from unifer_tasks.rationale.markup import blank_hidden
from unifer_tasks.rationale.sentences import (
    LATERAL_UNITS,
    LONGEST_CACHED,
    MOST_KEPT,
    Claim,
    Cue,
    Sentence,
    Statement,
    read_cached,
    read_sentence,
)
from unifer_tasks.rationale.words import normalise, sentences

# The label whose prototype is one-sided.
_ONE_SIDED_LABEL = "contempt"


@dataclass(frozen=True, slots=True)
class Argument:
    """The content of a rationale.

    Attributes:
        cue_sentences: (offset, sentence) of each sentence with a cue, in order.
        argued: The canonical labels that it concludes with: those affirmed by the last sentence
            that affirms any, after the last "but" in it. Labels considered earlier do not count.
        claims: Units that distinguish expressions, affirmed somewhere and denied nowhere.
    """

    cue_sentences: tuple[tuple[int, Sentence], ...] = ()
    argued: frozenset[str] = frozenset()
    claims: frozenset[Claim] = frozenset()

    @property
    def cues(self) -> tuple[Cue, ...]:
        """The cues with their offsets in the rationale, at most the first 10,000."""
        return tuple(
            [
                Cue(units, present, side, state, begin + start, begin + end)
                for begin, sentence in self.cue_sentences
                for units, present, side, state, start, end in sentence.cues
            ]
        )


class Contradiction(NamedTuple):
    """Two cues that cannot both be true.

    Attributes:
        first: Index of the earlier cue in its rationale.
        second: Index of the later one.
        reason: Why they exclude each other.
    """

    first: int
    second: int
    reason: str


def read_rationale(text: str) -> Argument:
    """Read the cues of a rationale and the labels that it concludes with."""
    cue_sentences: list[tuple[int, Sentence]] = []
    argued: frozenset[str] = frozenset()
    affirmed: set[Claim] = set()
    denied: set[Claim] = set()
    part: Token | None = None
    room = MOST_KEPT
    begin = 0
    for words in sentences(normalise(blank_hidden(text))):
        read = read_cached if len(words) <= LONGEST_CACHED else read_sentence
        sentence = read(words)
        if sentence.begins_with_pronoun and part:
            sentence = read(words, part)
        if sentence.cues:
            room -= len(sentence.cues)
            if room >= 0:
                cue_sentences.append((begin, sentence))
                affirmed |= sentence.affirmed
                denied |= sentence.denied
        argued = sentence.argued or argued
        part = sentence.part
        begin += len(words)
    return Argument(tuple(cue_sentences), argued, frozenset(affirmed - denied))


def support(argument: Argument, label: str) -> float:
    """Score how far a rationale argues for a label.

    Returns:
        1 / n if the label is one of the n labels that the rationale concludes with, else 0.
    """
    return 1 / len(argument.argued) if label in argument.argued else 0.0


def agreement(argument: Argument, label: str) -> float:
    """Compare the action units that a rationale reports with a label's prototype.

    F1 = 2 |S n P| / (|S| + |P|), with P the units of the prototype and S those that the
    rationale affirms and nowhere denies. Units of no prototype (10, 17, 25) are left out.
    Contempt requires units 12 and 14 on one side, the other labels on both. For the prototype
    without units (neutral) the score is 1 if the rationale has a cue and affirms no unit.

    Args:
        argument: The content of the rationale.
        label: A canonical label.

    Returns:
        The agreement, in [0, 1].
    """
    prototype = _prototype(label)
    if not prototype:
        return float(bool(argument.cue_sentences) and not argument.claims)
    seen = argument.claims
    return 2 * len(seen & prototype) / (len(seen) + len(prototype))


@cache
def _prototype(label: str) -> frozenset[Claim]:
    one_sided = label == _ONE_SIDED_LABEL
    return frozenset((unit, one_sided and unit in LATERAL_UNITS) for unit in PROTOTYPES[label])


def seen_units(argument: Argument) -> frozenset[int]:
    """Return the units of prototypes that a rationale affirms and nowhere denies."""
    return frozenset(unit for unit, _ in argument.claims)


def contradictions(argument: Argument) -> tuple[Contradiction, ...]:
    """Return the pairs of cues that exclude each other, each kind of pair once.

    Two affirmed cues exclude each other if the lexicon lists their states as exclusive. A denied
    cue excludes an affirmed one that has all of its units: denying a smile denies a smirk, but
    denying raised brows leaves room for raised inner brows. Cues on different sides are
    compatible.
    """
    stated: frozenset[Statement] = frozenset()
    exclusive = _exclusive(stated.union(*[each.statements for _, each in argument.cue_sentences]))
    if not exclusive:
        return ()
    statements = [cue[:4] for _, sentence in argument.cue_sentences for cue in sentence.cues]
    firsts = dict(zip(reversed(statements), reversed(range(len(statements))), strict=True))
    found = []
    for one, other, reason in exclusive:
        first, second = sorted((firsts[one], firsts[other]))
        found.append(Contradiction(first, second, reason))
    return tuple(sorted(found))


_Exclusive = tuple[Statement, Statement, str]


# Rationales differ in their words more than in what they state.
@lru_cache(maxsize=1 << 12)
def _exclusive(statements: frozenset[Statement]) -> tuple[_Exclusive, ...]:
    """Return the pairs of statements that exclude each other, each with the reason."""
    affirmed = [statement for statement in statements if statement[1]]
    denied = [statement for statement in statements if not statement[1]]
    return (*_exclusions(affirmed), *_denials(affirmed, denied))


def _exclusions(affirmed: Iterable[Statement]) -> Iterator[_Exclusive]:
    exclusions = lexicon().exclusions
    excluding = [(one, exclusions[one[3]]) for one in affirmed if one[3] in exclusions]
    for (one, reasons), (other, _) in combinations(excluding, 2):
        (_, _, side, _), (_, _, other_side, state) = one, other
        if state in reasons and {side, other_side} != {"left", "right"}:
            yield one, other, reasons[state]


def _denials(affirmed: Iterable[Statement], denied: Iterable[Statement]) -> Iterator[_Exclusive]:
    for denial, statement in product(denied, affirmed):
        (units, _, side, _), (affirmed_units, _, affirmed_side, _) = denial, statement
        on_its_side = side in {None, "both", affirmed_side}
        if units and on_its_side and set(units) <= set(affirmed_units):
            yield denial, statement, "affirmed and denied"


def exemplary_rationale(label: str) -> str:
    """Return a rationale that argues for a label by exactly its prototype.

    Args:
        label: A canonical label.
    """
    if not PROTOTYPES[label]:
        return f"The face is relaxed. The expression is {label}."
    one_sided = " on one side" if label == _ONE_SIDED_LABEL else ""
    units = ", ".join(f"AU{unit}{one_sided}" for unit in PROTOTYPES[label])
    return f"The face shows {units}. The expression is {label}."
