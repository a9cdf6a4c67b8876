"""What a rationale says: which action units it sees, and which expression it argues for.

A deterministic reader with no judge and no model. The words are in `lexicon.toml`;
the rules are here, and all but the last work inside a clause:

* A movement belongs to the part that it stands before ("raised brows"), or, after a copula or
  with no such part, to the nearest part before it ("the brows are raised"); parts joined by
  "and" share it. Part and movement together make a cue.
* A negator denies what follows it up to the end of its list, a denial ("not visible") what
  stands before it, and what is merely supposed, expected or defined ("fear would widen the
  eyes", "fear is a wide eye") is no cue at all. An item that follows a denied one with no word
  of its own ("no smile, raised cheeks") is neither affirmed nor denied.
* A side ("on the left", "one corner") counts for the cue beside it.
* A question says nothing, and "they" or "it" at the head of a sentence stands for the part that
  was named last.

What markup hides (`markup`) is not read. Without coded action units of the picture this
measures whether a rationale is plausible and agrees with itself, not whether it is true.
English only; time is linear in the text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, groupby, islice, product
from operator import attrgetter, itemgetter

from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.rationale.lexicon import State, Token, lexicon
from unifer_tasks.rationale.markup import shown
from unifer_tasks.rationale.sentences import (
    LATERAL_UNITS,
    MOST_KEPT,
    Claim,
    Cue,
    Sentence,
    read_sentence,
)
from unifer_tasks.rationale.words import plain, sentences

# The label whose prototype is on one side.
_ONE_SIDED_LABEL = "contempt"


@dataclass(frozen=True)
class Argument:
    """What a rationale says, in the order in which it says it.

    Attributes:
        seeing: The sentences with a cue in them, each after the place where it begins.
        naming: The sentences that name an expression, each after the number of sentences before.
    """

    seeing: tuple[tuple[int, Sentence], ...] = ()
    naming: tuple[tuple[int, Sentence], ...] = ()

    @property
    def cues(self) -> tuple[Cue, ...]:
        """The signs that it mentions, with their places in it; of a loop the first 10,000."""
        return tuple(
            [
                Cue(units, present, side, state, begin + start, begin + end)
                for begin, sentence in self.seeing
                for units, present, side, state, start, end in sentence.cues
            ]
        )

    @cached_property
    def claims(self) -> frozenset[Claim]:
        """What it affirms and nowhere denies of the units that distinguish expressions."""
        affirmed: frozenset[Claim] = frozenset()
        affirmed = affirmed.union(*[sentence.affirmed for _, sentence in self.seeing])
        return affirmed.difference(*[sentence.denied for _, sentence in self.seeing])


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two cues that cannot both be true.

    Attributes:
        first: The number of the earlier cue in its rationale, from 0.
        second: The number of the later one.
        reason: Why they exclude each other, in words.
    """

    first: int
    second: int
    reason: str


def read_rationale(text: str) -> Argument:
    """Read the cues and the expressions that a rationale mentions."""
    seeing: list[tuple[int, Sentence]] = []
    naming: deque[tuple[int, Sentence]] = deque(maxlen=MOST_KEPT)
    room = MOST_KEPT
    begin = before = 0
    part: Token | None = None
    n_words = length = 0
    for words in sentences(plain(shown(text))):
        sentence = read_sentence(words)
        if part and sentence.begins_with_pronoun:
            sentence = read_sentence(words, part.moved(-n_words, -length))
        if sentence.cues and room:
            seen = sentence if len(sentence.cues) <= room else sentence.up_to(room)
            seeing.append((begin, seen))
            room -= len(seen.cues)
        if sentence.namings:
            naming.append((before, sentence))
        part, n_words, length = sentence.part, sentence.words, len(words)
        begin += length
        before += sentence.count
    return Argument(tuple(seeing), tuple(naming))


def argued_labels(argument: Argument) -> frozenset[str]:
    """Return the canonical labels that a rationale concludes with.

    They are those that the last sentence to affirm any label affirms, or what follows the
    last "but" in it: what a rationale weighs on the way does not count.
    """
    from_the_end = (
        (before + named.sentence, named)
        for before, sentence in reversed(argument.naming)
        for named in reversed(sentence.namings)
    )
    affirmed = (
        (number, named.label) for number, named in islice(from_the_end, MOST_KEPT) if named.present
    )
    _, last = next(groupby(affirmed, itemgetter(0)), (0, ()))
    return frozenset(label for _, label in last)


def support(argument: Argument, label: str) -> float:
    """Return how far a rationale argues for a label.

    Returns:
        1 / n if the label is one of the n labels that the rationale concludes with, else 0;
        in [0, 1].
    """
    argued = argued_labels(argument)
    return 1 / len(argued) if label in argued else 0.0


def agreement(argument: Argument, label: str) -> float:
    """Compare the action units that a rationale sees with a label's prototype.

    F1 = 2 |S n P| / (|S| + |P|), with P the units of the prototype and S those that the
    rationale affirms and nowhere denies. Units of no prototype (10, 17, 25) distinguish
    nothing and are left out. Contempt wants units 12 and 14 on one side, the others want
    them on both. For a prototype without units (neutral) it is 1 if the rationale names
    something visible, at rest or absent, and sees no unit.

    Args:
        argument: What the rationale says.
        label: A canonical label.

    Returns:
        The agreement, in [0, 1].
    """
    prototype = _prototype(label)
    if not prototype:
        return float(bool(argument.seeing) and not argument.claims)
    seen = argument.claims
    return 2 * len(seen & prototype) / (len(seen) + len(prototype))


@cache
def _prototype(label: str) -> frozenset[Claim]:
    one_sided = label == _ONE_SIDED_LABEL
    return frozenset((unit, one_sided and unit in LATERAL_UNITS) for unit in PROTOTYPES[label])


def seen_units(argument: Argument) -> frozenset[int]:
    """Return the units of any prototype that a rationale affirms and nowhere denies."""
    return frozenset(unit for unit, _ in argument.claims)


def contradictions(argument: Argument) -> tuple[Contradiction, ...]:
    """Return the cues of a rationale that exclude each other, each kind of pair once.

    Two affirmed cues do if the lexicon says so of their states. A denied cue excludes an
    affirmed one that has all of its units: who denies a smile denies a smirk, but who denies
    raised brows may see the inner ends raised. What is said of different sides agrees.
    """
    cues = chain.from_iterable([sentence.cues for _, sentence in argument.seeing])
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
    """Return a rationale that argues for a label by its whole prototype and nothing else.

    Args:
        label: A canonical label.
    """
    if not PROTOTYPES[label]:
        return f"The face is relaxed. The expression is {label}."
    one_sided = " on one side" if label == _ONE_SIDED_LABEL else ""
    units = ", ".join(f"AU{unit}{one_sided}" for unit in PROTOTYPES[label])
    return f"The face shows {units}. The expression is {label}."
