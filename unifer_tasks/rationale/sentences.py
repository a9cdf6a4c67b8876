"""Read a sentence: its clauses, the polarity of each phrase, and the cues.

Sentences are independent of each other, except for the part of the face that a pronoun at the
start may refer to, so readings of short sentences are cached. `reasoning` documents the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, takewhile
from typing import NamedTuple

from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.rationale.lexicon import SENTENCE_ENDS, Side, State, Token, sign, state
from unifer_tasks.rationale.words import tokens, words_of

# Maximum distances in words: from a movement forward to its part, from a movement back to its
# part, and between a side and its cue.
_FORWARD, _BACKWARD, _BESIDE = 4, 10, 4

# In tokens: how much of an item decides whether it continues a list.
_LONGEST_ITEM = 10

# In tokens: longer clauses are cut, to stay linear.
_LONGEST_CLAUSE = 1_000

MOST_KEPT = 10_000
"""Cues kept of a text, to bound memory: a text with more is a loop."""

LONGEST_CACHED = 500
"""In characters."""
_CACHE_SIZE = 1 << 14
"""In sentences."""

# The units that can be one-sided in a prototype.
LATERAL_UNITS = (12, 14)
_DISTINCTIVE_UNITS = frozenset(unit for prototype in PROTOTYPES.values() for unit in prototype)

Claim = tuple[int, bool]
"""(action unit, whether it acts on one side of the face only)."""

Statement = tuple[tuple[int, ...], bool, Side | None, State]
"""What a cue says wherever it says it: its units, presence, side and state."""


class Cue(NamedTuple):
    """A mention of a visible sign in a sentence or a rationale.

    Attributes:
        units: The action units that it denotes; empty for a part at rest or a movement that
            indicates no expression.
        present: False if the text denies the sign.
        side: The side of the face, if named. "Left" may be the viewer's or the subject's.
        state: The part and its movement.
        start: Offset of its first word in the text; negative if that is in an earlier sentence.
        end: Offset of the end of its last word.
    """

    units: tuple[int, ...]
    present: bool
    side: Side | None
    state: State
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """The reading of a sentence.

    Attributes:
        cues: Its cues, at most the first 10,000.
        statements: What they say.
        argued: The canonical labels that it concludes with; empty if it affirms none.
        part: The last part of the face in its last clause, relative to the sentence that
            follows, so its indices and offsets are negative; None if there is none.
        begins_with_pronoun: Whether the reading depends on the part that was named before.
        affirmed: Units that distinguish expressions and that its cues affirm.
        denied: Those that its cues deny.
        n_affirmed: Its affirmed cues with an action unit that is new in it: "AU 12 (lip corner
            puller)", "lip corners pulled up into a smile" and "brows raised and arched" say one
            thing twice.
    """

    cues: tuple[Cue, ...]
    statements: frozenset[Statement]
    argued: frozenset[str]
    part: Token | None
    begins_with_pronoun: bool
    affirmed: frozenset[Claim]
    denied: frozenset[Claim]
    n_affirmed: int


def read_sentence(sentence: str, part: Token | None = None) -> Sentence:
    """Read a sentence.

    Args:
        sentence: A normalised sentence (`words.normalise`), with its closing mark.
        part: The part of the face that was named last before it (`Sentence.part`), if any.
    """
    cues: list[Cue] = []
    argued: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    begins_with_pronoun = False
    words = words_of(sentence)
    for number, (clause, ending) in enumerate(_clauses(tokens(words))):
        if clause and clause[0].kind == "pronoun":
            begins_with_pronoun = begins_with_pronoun or number == 0
            if part:
                clause = [part, *clause[1:]]
        kinds = {token.kind for token in clause}
        part = _last_part(clause) if "part" in kinds else None
        if ending != "question" and not _CONTENT.isdisjoint(kinds):
            polarity = _polarity(clause, kinds)
            if "label" in kinds:
                named |= _affirmed_labels(clause, polarity)
            argued = named or argued
            seen = _cues(clause, polarity, has_side="side" in kinds)
            cues += islice(seen, MOST_KEPT - len(cues))
        # Labels after a "but" replace those before it.
        if ending != "break":
            named = frozenset()
    statements = frozenset([cue[:4] for cue in cues])
    affirmed, denied = _claims(statements)
    return Sentence(
        tuple(cues),
        statements,
        argued,
        part.moved(-len(words.texts), -len(sentence)) if part else None,
        begins_with_pronoun,
        affirmed,
        denied,
        _count_affirmed(cues),
    )


read_cached = lru_cache(_CACHE_SIZE)(read_sentence)
"""`read_sentence` for sentences of at most `LONGEST_CACHED` characters."""


def _last_part(clause: Sequence[Token]) -> Token:
    return [token for token in clause if token.kind == "part"][-1]


# Sentences differ in their words more than in what they state.
@lru_cache(_CACHE_SIZE)
def _claims(statements: frozenset[Statement]) -> tuple[frozenset[Claim], frozenset[Claim]]:
    """Return the units that distinguish expressions: those affirmed, and those denied."""
    affirmed, denied = (
        frozenset(
            (unit, side not in {None, "both"} and unit in LATERAL_UNITS)
            for units, present, side, _ in statements
            if present is asked
            for unit in units
            if unit in _DISTINCTIVE_UNITS
        )
        for asked in (True, False)
    )
    return affirmed, denied


def _count_affirmed(cues: Iterable[Cue]) -> int:
    count = 0
    named: set[int] = set()
    for units, present, _, _, _, _ in sorted(cues, key=lambda cue: cue.start):
        if present and not named.issuperset(units):
            count += 1
            named.update(units)
    return count


def _clauses(words: Iterable[Token]) -> Iterator[tuple[list[Token], str]]:
    """Yield the clauses of a sentence, each with the kind of token that ends it."""
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


def _polarity(clause: Sequence[Token], kinds: Set[str]) -> list[bool | None]:
    """Return for each token whether it is affirmed (True), denied (False) or neither (None)."""
    if _MODAL.isdisjoint(kinds) and not ("label" in kinds and _has_definition(clause)):
        return [True] * len(clause)
    ahead = _kinds_ahead(clause)
    scope = _Scope()
    # Start of the list that a denial may refer back to.
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
                continues=_continues_list(clause, index, scope.subject_denied),
            )
        elif token.kind in _DENIALS and not _is_ahead(clause, index):
            is_of_all = token.kind == "denial_of_all" or scope.predicates or scope.joined
            first = listed if is_of_all else scope.item
            if not any(map(_is_content, clause[first:index])):
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
            scope.process(token)
        scope.add(token)
    return scope.polarity


@dataclass(slots=True)
class _Scope:
    """The state of a left-to-right scan of a clause for polarity.

    Attributes:
        polarity: Of each token so far: affirmed (True), denied (False) or neither (None).
        negator: The negator in effect; None if there is none.
        subject_denied: Whether the negator ends at the verb.
        supposed: Whether the following tokens are only supposed.
        awaits_verb: Whether the supposition lasts at least until the next verb.
        expected: Whether the following cues, but not labels, are only supposed.
        open: Whether the following tokens may continue a denied list: neither affirmed nor denied.
        filled: Whether anything was denied or supposed so far.
        stated: Whether the current statement has a verb or a negator.
        predicates: Whether there was a copula since the last comma.
        item: Index at which the current item starts: after a comma or the last judged token.
        first_named: The kind of the first sign, part or label in the item.
        joined: Whether the item contains an "and".
    """

    polarity: list[bool | None] = field(default_factory=list)
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
        """Start a new item of a list."""
        self.item, self.first_named, self.joined = len(self.polarity), "", False

    def judge(self, first: int, *, verdict: bool | None) -> None:
        """Overwrite the polarity of the tokens from `first` on."""
        self.polarity[first:] = [verdict] * (len(self.polarity) - first)
        self.begin_item()

    def join(self, token: Token, *, ends_list: bool, continues: bool) -> None:
        """Process a comma, or an "and" that joins another statement."""
        self.predicates = False
        if self.awaits_verb and self.filled and not self.stated:
            return
        if ends_list and self.negator and not self.open:
            return
        # "No smile, raised cheeks" may deny both, "no smile, the raised cheeks" does not.
        is_no = self.negator is not None and self.negator.kind == "no"
        shares = token.name not in (_CONTRASTS | _DETERMINERS if is_no else _CONTRASTS)
        if continues and self.filled and shares:
            self.open = self.open or self.negator is not None
            return
        self.negator, self.subject_denied, self.open, self.filled = None, False, False, False
        self.supposed = self.awaits_verb = self.expected = self.stated = False

    def process(self, token: Token) -> None:
        """Process any other token."""
        if token.kind == "with" or (self.subject_denied and token.kind in _VERBS):
            self.negator, self.subject_denied, self.open = None, False, False
        elif token.kind in _NEGATORS:
            self.negator, self.open = token, False
            self.subject_denied = self.subject_denied or token.kind == "absence"
        self.stated = self.stated or token.kind in _STATING
        self.predicates = self.predicates or token.kind == "copula"

    def add(self, token: Token) -> None:
        """Append the polarity of a token."""
        if not self.first_named and token.kind in _CONTENT_OR_PART:
            self.first_named = token.kind
        self.joined = self.joined or token.kind == "and"
        neither = self.supposed or self.open or (self.expected and token.kind != "label")
        self.polarity.append(None if neither else self.negator is None)
        self.filled = self.filled or (_is_content(token) and self.polarity[-1] is not True)


_CLAUSE_ENDS = SENTENCE_ENDS | {"turn", "break"}
_CONTENT = frozenset({"movement", "unit", "label"})
_CONTENT_OR_PART = _CONTENT | {"part"}
_DENIALS = frozenset({"denial", "denial_of_all"})
_NEGATORS = _DENIALS | {"negator", "no", "absence"}
_VERBS = frozenset({"copula", "verb", "definition"})
_STATING = _VERBS | {"negator", "no", "absence"}
# A clause without any of these is affirmed, unless it defines an expression.
_MODAL = _NEGATORS | {"supposition", "condition", "expectation", "frequency"}
# Between a copula and a movement, these leave the movement with the part before the copula.
_PREDICATIVE = frozenset({"movement", "side", "negator", "no", "and", "or"})
_CONTRASTS = frozenset({"just", "instead", "merely", "only"})
_DETERMINERS = frozenset({"a", "an", "the", "his", "her", "their", "its", "this", "these"})


def _is_content(token: Token) -> bool:
    """Return whether a token is a sign or a label, not just a part of the face."""
    return token.kind in _CONTENT


def _continues_list(clause: Sequence[Token], index: int, is_subject: bool) -> bool:
    """Return whether a bare list item follows: "raised cheeks", not "the mouth is open".

    The last item of a subject precedes a verb: "the absence of a smile, and dimples is".
    """
    following = (clause[position] for position in range(index + 1, len(clause)))
    item = takewhile(lambda token: token.kind != "comma", following)
    tokens = list(islice(item, _LONGEST_ITEM))
    if is_subject and tokens and tokens[0].kind in {"and", "or"}:
        tokens = list(takewhile(lambda token: token.kind not in _VERBS, tokens))
    states = _STATING | {"with"}
    kinds = [token.kind for token in tokens]
    first_named = next((kind for kind in kinds if kind in _CONTENT_OR_PART), "")
    return first_named in {"movement", "unit"} and states.isdisjoint(kinds)


def _is_ahead(clause: Sequence[Token], index: int) -> bool:
    """Return whether a denial precedes what it denies: "an absent smile"."""
    following = clause[index + 1] if index + 1 < len(clause) else None
    return (
        following is not None
        and following.kind in {"movement", "unit"}
        and following.at - clause[index].to <= _FORWARD
    )


def _is_verdict(clause: Sequence[Token], index: int) -> bool:
    """Return whether a "no" answers the token just before it: "smile: no"."""
    adjoins = index > 0 and clause[index].at == clause[index - 1].to + 1
    following = clause[index + 1 : index + 3]
    return (
        adjoins
        and clause[index - 1].kind in _CONTENT_OR_PART
        and not any(map(_is_content, takewhile(lambda token: token.kind != "comma", following)))
    )


def _has_definition(clause: Sequence[Token]) -> bool:
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
    """Return for each token the kind of the next verb or "or" after it; "" if there is none."""
    kinds = []
    ahead = ""
    for token in reversed(clause):
        kinds.append(ahead)
        if token.kind in _VERBS or token.kind == "or":
            ahead = token.kind
    return kinds[::-1]


def _affirmed_labels(clause: Sequence[Token], polarity: Sequence[bool | None]) -> frozenset[str]:
    return frozenset(
        token.name
        for index, token in enumerate(clause)
        if token.kind == "label" and polarity[index] and not _described_part(clause, index)
    )


def _described_part(clause: Sequence[Token], index: int) -> Token | None:
    """Return the part that a label describes: the mouth of "a neutral mouth".

    "A sad face" names the expression instead.
    """
    following = clause[index + 1] if index + 1 < len(clause) else None
    adjoins = following and following.kind == "part" and following.at == clause[index].to + 1
    return following if adjoins and following and following.name != "face" else None


def _cues(
    clause: Sequence[Token], polarity: Sequence[bool | None], *, has_side: bool
) -> Iterator[Cue]:
    predicate = False
    for index, token in enumerate(clause):
        if token.kind == "copula":
            predicate = True
        elif token.kind not in _PREDICATIVE:
            predicate = False
        present = polarity[index]
        if present is None:
            continue
        if token.kind == "unit":
            yield from _make_cues(clause, index, [index], present, has_side)
        elif token.kind == "label" and token.name == "neutral" and present:
            if part := _described_part(clause, index):
                yield Cue((), True, None, (part.name, "resting"), token.start, part.end)
        elif token.kind == "movement":
            owners = _owners(clause, index, predicate=predicate) or [index]
            yield from _make_cues(clause, index, owners, present, has_side)


def _make_cues(
    clause: Sequence[Token], index: int, owners: Iterable[int], present: bool, has_side: bool
) -> Iterator[Cue]:
    """Yield the cues of a movement with each of its owners; its own index means no part."""
    movement = clause[index]
    for owner in owners:
        part = clause[owner] if owner != index else None
        found = sign(movement, part)
        # Denying that a part is at rest does not say what it does.
        if found and (found.units or present):
            first, last = (index, owner) if index < owner else (owner, index)
            side = (_side(clause, first, last) if has_side else None) or found.side
            start, end = clause[first].start, clause[last].end
            yield Cue(found.units, present, side, state(movement, part), start, end)


def _owners(clause: Sequence[Token], index: int, *, predicate: bool) -> list[int]:
    """Return the indices of the parts that a movement belongs to."""
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
    """Yield the indices of parts joined to a part: "the brows and lids are raised"."""
    while (
        position >= 2
        and clause[position - 1].kind in {"and", "or", "comma"}
        and clause[position - 2].kind == "part"
        and movement.at - clause[position - 2].to <= _BACKWARD
        and sign(movement, clause[position - 2])
        # In "raised brows and lids tightened" each part has its own movement.
        and (position == 2 or clause[position - 3].kind != "movement")
    ):
        position -= 2
        yield position


def _side(clause: Sequence[Token], first: int, last: int) -> Side | None:
    """Return the side that is named within or next to the tokens from first to last."""
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
