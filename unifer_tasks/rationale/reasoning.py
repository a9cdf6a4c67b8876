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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, product
from operator import attrgetter

from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.rationale.lexicon import State, lexicon
from unifer_tasks.rationale.markup import blank_hidden
from unifer_tasks.rationale.sentences import (
    LATERAL_UNITS,
    MOST_KEPT,
    Claim,
    Cue,
    Sentence,
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


@dataclass(frozen=True, slots=True)
class Contradiction:
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
    room = MOST_KEPT
    begin = length = 0
    before: Sentence | None = None
    for words in sentences(normalise(blank_hidden(text))):
        sentence = read_sentence(words)
        if sentence.begins_with_pronoun and before and before.part:
            sentence = read_sentence(words, before.part.moved(-before.words, -length))
        if sentence.cues and room:
            if len(sentence.cues) > room:
                sentence = sentence.up_to(room)
            cue_sentences.append((begin, sentence))
            room -= len(sentence.cues)
        argued = sentence.argued or argued
        before, length = sentence, len(words)
        begin += length
    return Argument(
        tuple(cue_sentences), argued, _claims([sentence for _, sentence in cue_sentences])
    )


def _claims(cue_sentences: Sequence[Sentence]) -> frozenset[Claim]:
    affirmed: frozenset[Claim] = frozenset()
    affirmed = affirmed.union(*[sentence.affirmed for sentence in cue_sentences])
    return affirmed.difference(*[sentence.denied for sentence in cue_sentences])


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
    cues = chain.from_iterable([sentence.cues for _, sentence in argument.cue_sentences])
    firsts: dict[tuple[object, ...], _Numbered] = {}
    for numbered in enumerate(cues):
        firsts.setdefault(numbered[1][:4], numbered)
    affirmed = [numbered for numbered in firsts.values() if numbered[1].present]
    denied = [numbered for numbered in firsts.values() if not numbered[1].present]
    found = chain(_exclusions(affirmed), _denials(affirmed, denied))
    return tuple(sorted(found, key=attrgetter("first", "second")))


_Numbered = tuple[int, Cue]


def _exclusions(affirmed: Iterable[_Numbered]) -> Iterator[Contradiction]:
    of_state: dict[State, list[_Numbered]] = {}
    for number, seen in affirmed:
        of_state.setdefault(seen.state, []).append((number, seen))
    exclusions = lexicon().exclusions
    for state in exclusions.keys() & of_state.keys():
        reasons = exclusions[state]
        if reasons.keys().isdisjoint(of_state):
            continue
        for other in reasons.keys() & of_state.keys():
            for (first, cue), (second, later) in product(of_state[state], of_state[other]):
                if first < second and {cue.side, later.side} != {"left", "right"}:
                    yield Contradiction(first, second, reasons[other])


def _denials(affirmed: Sequence[_Numbered], denied: Iterable[_Numbered]) -> Iterator[Contradiction]:
    for number, denial in denied:
        for other, cue in affirmed if denial.units else ():
            on_its_side = denial.side in {None, "both", cue.side}
            if on_its_side and set(denial.units) <= set(cue.units):
                yield Contradiction(min(number, other), max(number, other), "affirmed and denied")


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
