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
from dataclasses import dataclass, field
from itertools import combinations, islice, takewhile

from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.rationale.lexicon import Side, State, Token, exclusion, sign, state, tokens
from unifer_tasks.rationale.markup import shown

# In words: how far a movement may stand before its part, a part before its movement, and a side
# beside its cue.
_FORWARD, _BACKWARD, _BESIDE = 4, 10, 4

# In tokens: how much of an item of a list says whether it is one.
_LONGEST_ITEM = 10

# More of anything is a loop; what is kept of it costs little memory. In tokens, and in cues.
_LONGEST_CLAUSE, _MOST_KEPT = 1_000, 10_000

# The only units that a prototype wants on one side, and the label that wants them so.
_LATERAL_UNITS, _ONE_SIDED_LABEL = (12, 14), "contempt"
_TELLING_UNITS = frozenset(unit for prototype in PROTOTYPES.values() for unit in prototype)


@dataclass(frozen=True, slots=True)
class Cue:
    """A visible sign that a rationale mentions.

    Attributes:
        units: The action units that it stands for; none where a part is at rest, or does what
            tells of no expression.
        present: False if the rationale says that the sign is not there.
        side: The side of the face that is named, if one is; whose left it is stays open.
        start: Where the cue's words begin in the rationale.
        end: Where they end.
        state: What its words say that a part does.
    """

    units: tuple[int, ...]
    present: bool
    side: Side | None
    start: int
    end: int
    state: State


@dataclass(frozen=True, slots=True)
class Mention:
    """An expression that a rationale names.

    Attributes:
        label: Its canonical label.
        present: False if the rationale says that it is another one.
        sentence: The number of the sentence, from 0; a "but" begins another.
        start: Where the word begins in the rationale.
        end: Where it ends.
    """

    label: str
    present: bool
    sentence: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Argument:
    """What a rationale says, in the order in which it says it.

    Attributes:
        cues: The signs that it mentions; of a loop the first 10,000.
        mentions: The expressions that it names; of a loop the last 10,000.
    """

    cues: tuple[Cue, ...] = ()
    mentions: tuple[Mention, ...] = ()


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
    cues: list[Cue] = []
    mentions: deque[Mention] = deque(maxlen=_MOST_KEPT)
    sentence = 0
    part = None
    for clause, ending in _clauses(tokens(shown(text))):
        if clause and clause[0].kind == "pronoun" and part:
            clause = [part, *clause[1:]]
        part = next((token for token in reversed(clause) if token.kind == "part"), None)
        if ending != "question":
            standing = _standing(clause)
            mentions += _mentions(clause, standing, sentence)
            cues += islice(_cues(clause, standing), _MOST_KEPT - len(cues))
        sentence += ending != "break"
    return Argument(tuple(cues), tuple(mentions))


def argued_labels(argument: Argument) -> frozenset[str]:
    """Returns the canonical labels that a rationale concludes with.

    They are those that the last sentence to affirm any label affirms, or what follows the
    last "but" in it: what a rationale weighs on the way does not count.
    """
    affirmed = [mention for mention in argument.mentions if mention.present]
    return frozenset(
        mention.label for mention in affirmed if mention.sentence == affirmed[-1].sentence
    )


def support(argument: Argument, label: str) -> float:
    """Tells how far a rationale argues for a label.

    Returns:
        1 / n if the label is one of the n labels that the rationale concludes with, else 0;
        in [0, 1].
    """
    argued = argued_labels(argument)
    return 1 / len(argued) if label in argued else 0.0


def agreement(argument: Argument, label: str) -> float:
    """Compares the action units that a rationale sees with a label's prototype.

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
    seen = _seen(argument)
    one_sided = label == _ONE_SIDED_LABEL
    prototype = {(unit, one_sided and unit in _LATERAL_UNITS) for unit in PROTOTYPES[label]}
    if not prototype:
        return float(bool(argument.cues) and not seen)
    return 2 * len(seen & prototype) / (len(seen) + len(prototype))


def seen_units(argument: Argument) -> frozenset[int]:
    """Return the units of any prototype that a rationale affirms and nowhere denies."""
    return frozenset(unit for unit, _ in _seen(argument))


def contradictions(argument: Argument) -> tuple[Contradiction, ...]:
    """Returns the cues of a rationale that exclude each other, each kind of pair once.

    Two affirmed cues do if the lexicon says so of their states. A denied cue excludes an
    affirmed one that has all of its units: who denies a smile denies a smirk, but who denies
    raised brows may see the inner ends raised. What is said of different sides agrees.
    """
    firsts: dict[tuple[object, ...], int] = {}
    for number, cue in enumerate(argument.cues):
        firsts.setdefault((cue.state, cue.units, cue.present, cue.side), number)
    return tuple(
        Contradiction(first, second, reason)
        for first, second in combinations(firsts.values(), 2)
        if (reason := _conflict(argument.cues[first], argument.cues[second]))
    )


def _conflict(cue: Cue, other: Cue) -> str | None:
    if cue.present and other.present:
        apart = {cue.side, other.side} == {"left", "right"}
        return None if apart else exclusion(cue.state, other.state)
    if cue.present is other.present:
        return None
    affirmed, denied = (cue, other) if cue.present else (other, cue)
    on_its_side = denied.side in {None, "both", affirmed.side}
    if on_its_side and denied.units and set(denied.units) <= set(affirmed.units):
        return "affirmed and denied"
    return None


def exemplary_rationale(label: str) -> str:
    """Returns a rationale that argues for a label by its whole prototype and nothing else.

    Args:
        label: A canonical label.
    """
    if not PROTOTYPES[label]:
        return f"The face is relaxed. The expression is {label}."
    one_sided = " on one side" if label == _ONE_SIDED_LABEL else ""
    units = ", ".join(f"AU{unit}{one_sided}" for unit in PROTOTYPES[label])
    return f"The face shows {units}. The expression is {label}."


def _seen(argument: Argument) -> set[tuple[int, bool]]:
    affirmed = {claim for cue in argument.cues if cue.present for claim in _claims(cue)}
    return affirmed - {claim for cue in argument.cues if not cue.present for claim in _claims(cue)}


def _claims(cue: Cue) -> Iterator[tuple[int, bool]]:
    one_sided = cue.side not in {None, "both"}
    for unit in cue.units:
        if unit in _TELLING_UNITS:
            yield unit, one_sided and unit in _LATERAL_UNITS


def _clauses(words: Iterable[Token]) -> Iterator[tuple[list[Token], str]]:
    """Split a text into clauses and say of each what kind of token ends it.

    Of a clause that is too long to be one, the beginning is read.
    """
    clause: list[Token] = []
    for token in words:
        if token.kind in {"stop", "question", "turn", "break"}:
            yield clause, token.kind
            clause = []
        elif token.kind == "frequency" and clause:
            continue
        elif len(clause) < _LONGEST_CLAUSE:
            clause.append(token)
    yield clause, "stop"


def _standing(clause: Sequence[Token]) -> list[bool | None]:
    """Return whether each token is affirmed, denied (False) or neither (None)."""
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
        elif token.kind in {"negator", "no", "absence", *_DENIALS}:
            self.negator, self.open = token, False
            self.subject_denied = self.subject_denied or token.kind == "absence"
        self.stated = self.stated or token.kind in {*_VERBS, "negator", "no", "absence"}
        self.predicates = self.predicates or token.kind == "copula"

    def add(self, token: Token) -> None:
        """Note how a token is meant."""
        if not self.first_named and token.kind in _NAMED:
            self.first_named = token.kind
        self.joined = self.joined or token.kind == "and"
        neither = self.supposed or self.open or (self.expected and token.kind != "label")
        self.standing.append(None if neither else self.negator is None)
        self.filled = self.filled or (_says(token) and self.standing[-1] is not True)


_NAMED = frozenset({"movement", "unit", "part", "label"})
_DENIALS = frozenset({"denial", "denial_of_all"})
_VERBS = frozenset({"copula", "verb", "definition"})
_CONTRASTS = frozenset({"just", "instead", "merely", "only"})
_DETERMINERS = frozenset({"a", "an", "the", "his", "her", "their", "its", "this", "these"})


def _says(token: Token) -> bool:
    """Return whether a token is a sign or an expression, and not only a part of the face."""
    return token.kind in {"movement", "unit", "label"}


def _lists(clause: Sequence[Token], index: int, is_subject: bool) -> bool:
    """Return whether a bare item of a list follows: "raised cheeks", not "the mouth is open".

    The last item of a subject stands before a verb: "the absence of a smile, and dimples is".
    """
    following = (clause[position] for position in range(index + 1, len(clause)))
    item = takewhile(lambda token: token.kind != "comma", following)
    tokens = list(islice(item, _LONGEST_ITEM))
    if is_subject and tokens and tokens[0].kind in {"and", "or"}:
        tokens = list(takewhile(lambda token: token.kind not in _VERBS, tokens))
    states = {*_VERBS, "negator", "no", "absence", "with"}
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
    """Returns for each token which of a verb, a copula and an "or" comes next after it."""
    kinds = []
    ahead = ""
    for token in reversed(clause):
        kinds.append(ahead)
        if token.kind in {*_VERBS, "or"}:
            ahead = token.kind
    return kinds[::-1]


def _mentions(
    clause: Sequence[Token], standing: Sequence[bool | None], sentence: int
) -> Iterator[Mention]:
    for index, token in enumerate(clause):
        present = standing[index]
        if token.kind != "label" or present is None:
            continue
        if not _described(clause, index):
            yield Mention(token.name, present, sentence, token.start, token.end)


def _described(clause: Sequence[Token], index: int) -> Token | None:
    """Returns the part that a label describes: the mouth of "a neutral mouth".

    A "sad face" names the expression.
    """
    following = clause[index + 1] if index + 1 < len(clause) else None
    adjoins = following and following.kind == "part" and following.at == clause[index].to + 1
    return following if adjoins and following and following.name != "face" else None


def _cues(clause: Sequence[Token], standing: Sequence[bool | None]) -> Iterator[Cue]:
    predicate = False
    for index, token in enumerate(clause):
        if token.kind == "copula":
            predicate = True
        elif token.kind not in {"movement", "side", "negator", "no", "and", "or"}:
            predicate = False
        present = standing[index]
        if present is None:
            continue
        if token.kind == "unit":
            yield from _cue(clause, index, index, present)
        elif token.kind == "label" and token.name == "neutral" and present:
            if part := _described(clause, index):
                yield Cue((), True, None, token.start, part.end, (part.name, "resting"))
        elif token.kind == "movement":
            for owner in _owners(clause, index, predicate=predicate) or [index]:
                yield from _cue(clause, index, owner, present)


def _cue(clause: Sequence[Token], index: int, owner: int, present: bool) -> Iterator[Cue]:
    """Yields the cue that a movement makes with its owner, which may be itself."""
    movement, part = clause[index], clause[owner] if owner != index else None
    found = sign(movement, part)
    # That a part is not at rest says nothing of what it does.
    if found and (found.units or present):
        first, last = sorted((index, owner))
        side = _side(clause, first, last) or found.side
        start, end = clause[first].start, clause[last].end
        yield Cue(found.units, present, side, start, end, state(movement, part))


def _owners(clause: Sequence[Token], index: int, *, predicate: bool) -> list[int]:
    """Returns where the parts stand that a movement belongs to."""
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
    """Yields the parts in a row with a part: "the brows and lids are raised"."""
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


def _is_beside(token: Token, other: Token) -> bool:
    near = max(other.at - token.to, token.at - other.to) <= _BESIDE
    return near and token.kind not in {"and", "or", "comma"}
