"""The rules of a sentence: its clauses, what each affirms or denies, and the cues in them.

A sentence is read by itself, but for the part of the face that a pronoun at its head may stand
for (`reasoning` has the rules in words), and what was read of a short one is remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice, takewhile
from typing import NamedTuple

from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.rationale.lexicon import SENTENCE_ENDS, Side, State, Token, sign, state
from unifer_tasks.rationale.words import tokens, words_of

# In words: how far a movement may stand before its part, a part before its movement, and a side
# beside its cue.
_FORWARD, _BACKWARD, _BESIDE = 4, 10, 4

# In tokens: how much of an item of a list says whether it is one.
_LONGEST_ITEM = 10

# In tokens: of a clause that is too long to be one, the beginning is read.
_LONGEST_CLAUSE = 1_000

MOST_KEPT = 10_000
"""More cues or mentions than this are a loop; what is kept of it costs little memory."""

# In characters, and in sentences.
_LONGEST_REMEMBERED, _MOST_REMEMBERED = 500, 1 << 14

# The only units that a prototype wants on one side.
LATERAL_UNITS = (12, 14)
_TELLING_UNITS = frozenset(unit for prototype in PROTOTYPES.values() for unit in prototype)

Claim = tuple[int, bool]
"""An action unit, and whether it is one that acts on one side of the face only."""


class Cue(NamedTuple):
    """A visible sign that a sentence, or a rationale, mentions.

    Attributes:
        units: The action units that it stands for; none where a part is at rest, or does what
            indicates no expression.
        present: False if the text says that the sign is not there.
        side: The side of the face that is named, if one is; whose left it is stays open.
        state: What its words say that a part does.
        start: Where its words begin in the text; below 0 in a sentence before.
        end: Where they end.
    """

    units: tuple[int, ...]
    present: bool
    side: Side | None
    state: State
    start: int
    end: int


class Naming(NamedTuple):
    """An expression that a sentence names.

    Attributes:
        label: Its canonical label.
        present: False if the sentence says that it is another one.
        sentence: How many sentences began before it in this one: a "but" begins another.
    """

    label: str
    present: bool
    sentence: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a sentence says.

    Attributes:
        cues: The cues that it mentions, the first 10,000 of them.
        namings: The expressions that it names, the last 10,000 of them.
        words: The number of its words.
        count: As how many sentences it counts.
        part: The part of the face that its last clause names last; None if it names none.
        begins_with_pronoun: Whether it depends on the part that was named before it.
        affirmed: What its cues affirm of the units that distinguish expressions.
        denied: What they deny of them.
    """

    cues: tuple[Cue, ...]
    namings: tuple[Naming, ...]
    words: int
    count: int
    part: Token | None
    begins_with_pronoun: bool
    affirmed: frozenset[Claim]
    denied: frozenset[Claim]

    def up_to(self, most: int) -> Sentence:
        """Return the same with no more than so many cues."""
        kept = self.cues[:most]
        return replace(
            self,
            cues=kept,
            affirmed=_claims(kept, present=True),
            denied=_claims(kept, present=False),
        )


def read_sentence(sentence: str, part: Token | None = None) -> Sentence:
    """Read a sentence.

    Args:
        sentence: Its words in plain spelling, with what ends it.
        part: The part of the face that was named before it, its words and their places counted
            from the beginning of this sentence on.
    """
    if len(sentence) > _LONGEST_REMEMBERED:
        return _read(sentence, part)
    return remembered(sentence, part)


def _read(sentence: str, part: Token | None) -> Sentence:
    cues: list[Cue] = []
    namings: deque[Naming] = deque(maxlen=MOST_KEPT)
    count = 0
    begins_with_pronoun = False
    words = words_of(sentence)
    for number, (clause, ending) in enumerate(_clauses(tokens(words))):
        if clause and clause[0].kind == "pronoun":
            begins_with_pronoun = begins_with_pronoun or number == 0
            if part:
                clause = [part, *clause[1:]]
        kinds = {token.kind for token in clause}
        part = _last_part(clause) if "part" in kinds else None
        if ending != "question" and not _SAYING.isdisjoint(kinds):
            standing = _standing(clause, kinds)
            namings += _namings(clause, standing, count)
            seen = _cues(clause, standing, has_side="side" in kinds)
            cues += islice(seen, MOST_KEPT - len(cues))
        count += ending != "break"
    return Sentence(
        tuple(cues),
        tuple(namings),
        len(words.texts),
        count,
        part,
        begins_with_pronoun,
        _claims(cues, present=True),
        _claims(cues, present=False),
    )


remembered = lru_cache(_MOST_REMEMBERED)(_read)


def _last_part(clause: Sequence[Token]) -> Token:
    return [token for token in clause if token.kind == "part"][-1]


def _claims(cues: Iterable[Cue], *, present: bool) -> frozenset[Claim]:
    """Return what cues affirm, or deny, of the units that distinguish expressions."""
    return frozenset(
        (unit, seen.side not in {None, "both"} and unit in LATERAL_UNITS)
        for seen in cues
        if seen.present is present
        for unit in seen.units
        if unit in _TELLING_UNITS
    )


def _clauses(words: Iterable[Token]) -> Iterator[tuple[list[Token], str]]:
    """Split a sentence into clauses and say of each what kind of token ends it."""
    clause: list[Token] = []
    for token in words:
        kind = token.kind
        if kind in _CLAUSE_ENDS:
            yield clause, kind
            if kind in SENTENCE_ENDS:
                return
            clause = []
        elif len(clause) < _LONGEST_CLAUSE and not (kind == "frequency" and clause):
            clause.append(token)
    yield clause, "stop"


def _standing(clause: Sequence[Token], kinds: Set[str]) -> list[bool | None]:
    """Return whether each token is affirmed, denied (False) or neither (None)."""
    if _MODAL.isdisjoint(kinds) and not ("label" in kinds and _any_defines(clause)):
        return [True] * len(clause)
    ahead = _kinds_ahead(clause)
    scope = _Scope()
    # Where the list begins that a denial may look back upon.
    listed = 0
    for index, token in enumerate(clause):
        joins_statement = (
            token.kind == "and" and ahead[index] in _VERBS and not scope.subject_denied
        )
        stated = scope.stated or scope.first_named == "part"
        if token.kind == "comma" or (joins_statement and stated):
            if stated:
                listed = index
            scope.begin_item()
            scope.join(
                token,
                ends_list=ahead[index] == "or",
                goes_on=_lists(clause, index, scope.subject_denied),
            )
        elif token.kind in _DENIALS and not _is_ahead(clause, index):
            is_of_all = token.kind == "denial_of_all" or scope.predicates or scope.joined
            first = listed if is_of_all else scope.item
            if not any(map(_says, clause[first:index])):
                scope.negator = token
            scope.judge(first, verdict=False)
            scope.stated = True
            listed = index
        elif token.kind == "no" and _is_verdict(clause, index):
            scope.judge(scope.item, verdict=False)
        elif token.kind in {"supposition", "condition"}:
            scope.judge(scope.item, verdict=None)
            scope.supposed, scope.stated = True, False
            scope.awaits_verb = token.kind == "condition"
        elif token.kind in {"expectation", "frequency"} or _defines(clause, index):
            scope.expected = True
        else:
            scope.meet(token)
        scope.add(token)
    return scope.standing


@dataclass(slots=True)
class _Scope:
    """How the words of a clause are meant, from what was said before them.

    Attributes:
        standing: What came of each token so far.
        negator: The negator that denies what follows; None if none does.
        subject_denied: Whether it denies only up to the verb.
        supposed: Whether what follows is only supposed.
        awaits_verb: Whether the supposition lasts at least up to the next verb.
        expected: The same of cues, not of expressions.
        open: Whether what follows continues a list of what is denied, with no word that says so.
        filled: Whether anything was denied or supposed yet.
        stated: Whether a verb or a negator has made a statement since the last one.
        predicates: Whether there was a copula since the last comma.
        item: Where what may yet be denied begins: after a comma, or what was judged before.
        first_named: The kind of the first sign, part or expression in it.
        joined: Whether there is an "and" in it.
    """

    standing: list[bool | None] = field(default_factory=list)
    negator: Token | None = None
    subject_denied: bool = False
    supposed: bool = False
    awaits_verb: bool = False
    expected: bool = False
    open: bool = False
    filled: bool = False
    stated: bool = False
    predicates: bool = False
    item: int = 0
    first_named: str = ""
    joined: bool = False

    def begin_item(self) -> None:
        """Begin another item of a list."""
        self.item, self.first_named, self.joined = len(self.standing), "", False

    def judge(self, first: int, *, verdict: bool | None) -> None:
        """Say how the tokens from one on are meant after all."""
        self.standing[first:] = [verdict] * (len(self.standing) - first)
        self.begin_item()

    def join(self, token: Token, *, ends_list: bool, goes_on: bool) -> None:
        """Meet a comma, or an "and" that joins another statement."""
        self.predicates = False
        if self.awaits_verb and self.filled and not self.stated:
            return
        if ends_list and self.negator and not self.open:
            return
        # "No smile, raised cheeks" may deny both, "no smile, the raised cheeks" does not.
        is_no = self.negator is not None and self.negator.kind == "no"
        shares = token.name not in (_CONTRASTS | _DETERMINERS if is_no else _CONTRASTS)
        if goes_on and self.filled and shares:
            self.open = self.open or self.negator is not None
            return
        self.negator, self.subject_denied, self.open, self.filled = None, False, False, False
        self.supposed = self.awaits_verb = self.expected = self.stated = False

    def meet(self, token: Token) -> None:
        """Meet any other token."""
        if token.kind == "with" or (self.subject_denied and token.kind in _VERBS):
            self.negator, self.subject_denied, self.open = None, False, False
        elif token.kind in _NEGATORS:
            self.negator, self.open = token, False
            self.subject_denied = self.subject_denied or token.kind == "absence"
        self.stated = self.stated or token.kind in _STATING
        self.predicates = self.predicates or token.kind == "copula"

    def add(self, token: Token) -> None:
        """Note how a token is meant."""
        if not self.first_named and token.kind in _NAMED:
            self.first_named = token.kind
        self.joined = self.joined or token.kind == "and"
        neither = self.supposed or self.open or (self.expected and token.kind != "label")
        self.standing.append(None if neither else self.negator is None)
        self.filled = self.filled or (_says(token) and self.standing[-1] is not True)


_CLAUSE_ENDS = SENTENCE_ENDS | {"turn", "break"}
_SAYING = frozenset({"movement", "unit", "label"})
_NAMED = _SAYING | {"part"}
_DENIALS = frozenset({"denial", "denial_of_all"})
_NEGATORS = _DENIALS | {"negator", "no", "absence"}
_VERBS = frozenset({"copula", "verb", "definition"})
_STATING = _VERBS | {"negator", "no", "absence"}
# Without one of these all that a clause says is affirmed, unless it defines an expression.
_MODAL = _NEGATORS | {"supposition", "condition", "expectation", "frequency"}
# Between a copula and a movement these leave the movement said of what stands before.
_PREDICATIVE = frozenset({"movement", "side", "negator", "no", "and", "or"})
_CONTRASTS = frozenset({"just", "instead", "merely", "only"})
_DETERMINERS = frozenset({"a", "an", "the", "his", "her", "their", "its", "this", "these"})


def _says(token: Token) -> bool:
    """Return whether a token is a sign or an expression, and not only a part of the face."""
    return token.kind in _SAYING


def _lists(clause: Sequence[Token], index: int, is_subject: bool) -> bool:
    """Return whether a bare item of a list follows: "raised cheeks", not "the mouth is open".

    The last item of a subject stands before a verb: "the absence of a smile, and dimples is".
    """
    following = (clause[position] for position in range(index + 1, len(clause)))
    item = takewhile(lambda token: token.kind != "comma", following)
    tokens = list(islice(item, _LONGEST_ITEM))
    if is_subject and tokens and tokens[0].kind in {"and", "or"}:
        tokens = list(takewhile(lambda token: token.kind not in _VERBS, tokens))
    states = _STATING | {"with"}
    kinds = [token.kind for token in tokens]
    first_named = next((kind for kind in kinds if kind in _NAMED), "")
    return first_named in {"movement", "unit"} and states.isdisjoint(kinds)


def _is_ahead(clause: Sequence[Token], index: int) -> bool:
    """Return whether a denial stands before what it denies: "an absent smile"."""
    following = clause[index + 1] if index + 1 < len(clause) else None
    return (
        following is not None
        and following.kind in {"movement", "unit"}
        and following.at - clause[index].to <= _FORWARD
    )


def _is_verdict(clause: Sequence[Token], index: int) -> bool:
    """Return whether a "no" answers what stands right before it: "smile: no"."""
    adjoins = index > 0 and clause[index].at == clause[index - 1].to + 1
    following = clause[index + 1 : index + 3]
    return (
        adjoins
        and clause[index - 1].kind in _NAMED
        and not any(map(_says, takewhile(lambda token: token.kind != "comma", following)))
    )


def _any_defines(clause: Sequence[Token]) -> bool:
    return any(_defines(clause, index) for index in range(len(clause)))


def _defines(clause: Sequence[Token], index: int) -> bool:
    """Return whether a verb defines an expression: "happiness is a smile", "fear involves"."""
    token = clause[index]
    if index == 0 or clause[index - 1].kind != "label" or token.at != clause[index - 1].to + 1:
        return False
    if token.kind == "definition":
        return True
    following = clause[index + 1] if index + 1 < len(clause) else None
    return (
        token.kind == "copula"
        and following is not None
        and following.kind in {"movement", "part", "unit", "numbering"}
        and following.at - token.to <= 2
    )


def _kinds_ahead(clause: Sequence[Token]) -> list[str]:
    """Return for each token which of a verb, a copula and an "or" comes next after it."""
    kinds = []
    ahead = ""
    for token in reversed(clause):
        kinds.append(ahead)
        if token.kind in _VERBS or token.kind == "or":
            ahead = token.kind
    return kinds[::-1]


def _namings(
    clause: Sequence[Token], standing: Sequence[bool | None], sentence: int
) -> Iterator[Naming]:
    for index, token in enumerate(clause):
        present = standing[index]
        if token.kind != "label" or present is None:
            continue
        if not _described(clause, index):
            yield Naming(token.name, present, sentence)


def _described(clause: Sequence[Token], index: int) -> Token | None:
    """Return the part that a label describes: the mouth of "a neutral mouth".

    A "sad face" names the expression.
    """
    following = clause[index + 1] if index + 1 < len(clause) else None
    adjoins = following and following.kind == "part" and following.at == clause[index].to + 1
    return following if adjoins and following and following.name != "face" else None


def _cues(
    clause: Sequence[Token], standing: Sequence[bool | None], *, has_side: bool
) -> Iterator[Cue]:
    predicate = False
    for index, token in enumerate(clause):
        if token.kind == "copula":
            predicate = True
        elif token.kind not in _PREDICATIVE:
            predicate = False
        present = standing[index]
        if present is None:
            continue
        if token.kind == "unit":
            yield from _made(clause, index, [index], present, has_side)
        elif token.kind == "label" and token.name == "neutral" and present:
            if part := _described(clause, index):
                yield Cue((), True, None, (part.name, "resting"), token.start, part.end)
        elif token.kind == "movement":
            owners = _owners(clause, index, predicate=predicate) or [index]
            yield from _made(clause, index, owners, present, has_side)


def _made(
    clause: Sequence[Token], index: int, owners: Iterable[int], present: bool, has_side: bool
) -> Iterator[Cue]:
    """Yield the cues that a movement makes with its owners, which may be itself."""
    movement = clause[index]
    for owner in owners:
        part = clause[owner] if owner != index else None
        found = sign(movement, part)
        # That a part is not at rest says nothing of what it does.
        if found and (found.units or present):
            first, last = (index, owner) if index < owner else (owner, index)
            side = (_side(clause, first, last) if has_side else None) or found.side
            start, end = clause[first].start, clause[last].end
            yield Cue(found.units, present, side, state(movement, part), start, end)


def _owners(clause: Sequence[Token], index: int, *, predicate: bool) -> list[int]:
    """Return where the parts stand that a movement belongs to."""
    if predicate:
        return _parts_before(clause, index) or _part_after(clause, index)
    return _part_after(clause, index) or _parts_before(clause, index)


def _part_after(clause: Sequence[Token], index: int) -> list[int]:
    movement = clause[index]
    for position in range(index + 1, len(clause)):
        token = clause[position]
        if token.at - movement.to > _FORWARD:
            break
        if token.kind == "part":
            return [position] if sign(movement, token) else []
        joins = token.kind in {"and", "comma"} and position + 1 < len(clause)
        if joins and clause[position + 1].kind == "movement":
            continue
        if token.kind not in {"movement", "side"}:
            break
    return []


def _parts_before(clause: Sequence[Token], index: int) -> list[int]:
    movement = clause[index]
    for position in range(index - 1, -1, -1):
        token = clause[position]
        if movement.at - token.to > _BACKWARD:
            break
        if token.kind == "part" and sign(movement, token):
            return [position, *_joined_before(clause, position, movement)]
    return []


def _joined_before(clause: Sequence[Token], position: int, movement: Token) -> Iterator[int]:
    """Yield the parts in a row with a part: "the brows and lids are raised"."""
    while (
        position >= 2
        and clause[position - 1].kind in {"and", "or", "comma"}
        and clause[position - 2].kind == "part"
        and movement.at - clause[position - 2].to <= _BACKWARD
        and sign(movement, clause[position - 2])
        # "Raised brows and lids tightened" moves each part in its own way.
        and (position == 2 or clause[position - 3].kind != "movement")
    ):
        position -= 2
        yield position


def _side(clause: Sequence[Token], first: int, last: int) -> Side | None:
    """Return the side that is named within or beside the tokens from first to last."""
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


def _is_beside(token: Token, other: Token) -> bool:
    near = max(other.at - token.to, token.at - other.to) <= _BESIDE
    return near and token.kind not in {"and", "or", "comma"}
