"""Where a response thinks and where it answers, in the marks of a model family's own format too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from unifer_tasks.protocol.answers.model_formats import (
    ASKED_THINKING,
    FULL_WIDTH,
    THINKING,
    WRAPPERS,
    Thinking,
    Wrapper,
)
from unifer_tasks.protocol.answers.tags import MARKS, VISIBLE
from unifer_tasks.protocol.prompts import ANSWER_TAG

_ANSWER = re.compile(rf"<(/?)(?ai:{ANSWER_TAG})>")


class Block(NamedTuple):
    """Where a block opens, its text starts and ends, and the block closes."""

    opens: int
    start: int
    end: int
    closes: int


@dataclass(frozen=True, slots=True)
class Syntax:
    """The marks of a thought and the wrappers of a label that a reader recognises.

    Attributes:
        marks: Matches every mark of a thought.
        roles: Mark, lower case -> its family, and whether it closes.
        before: Matches all that is taken off before a label.
        after: Matches all that is taken off after it, in the reversed text.
    """

    marks: re.Pattern[str]
    roles: Mapping[str, tuple[Thinking, bool]]
    before: re.Pattern[str]
    after: re.Pattern[str]

    @classmethod
    def of(cls, families: Sequence[Thinking], wrappers: Sequence[Wrapper], edge: str) -> Syntax:
        """Return what recognises the marks of some families.

        Args:
            families: Whose thoughts are recognised.
            wrappers: What is taken off around a label.
            edge: A pattern of one character that is taken off likewise.
        """
        roles = {mark: (each, False) for each in families for mark in each.opening}
        roles |= {mark: (each, True) for each in families for mark in each.closing}
        # Families spell their marks in one way; the tags that were asked for pass in any case.
        rests: dict[str, list[str]] = {}
        for mark in roles:
            rest = f"(?ai:{mark[1:]})" if mark in MARKS else re.escape(mark[1:])
            rests.setdefault(re.escape(mark[0]), []).append(rest)
        # By their first characters, to which the search then leaps.
        marks = "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in rests.items())
        return cls(
            re.compile(marks),
            MappingProxyType({mark.lower(): role for mark, role in roles.items()}),
            _run([each.opening for each in wrappers if each.opening], edge),
            _run([each.closing[::-1] for each in wrappers], edge),
        )

    def thoughts(self, text: str) -> tuple[list[Block], int | None]:
        """Return the closed thoughts, and where one opens that is never closed."""
        closed: list[Block] = []
        family: Thinking | None = None
        opens = start = 0
        for number, match in enumerate(self.marks.finditer(text)):
            owner, closes = self.roles[match[0].lower()]
            if not closes and family in (None, owner):
                opens = match.start() if family is None else opens
                family, start = owner, match.end()
            elif closes and (family is owner or (number == 0 and owner.closes_alone)):
                closed.append(Block(opens, start, match.start(), match.end()))
                family = None
        return closed, None if family is None else opens

    def quoting_thought(self, text: str, thoughts: Sequence[Block], answer: Block) -> Block | None:
        """Return the thought before an answer that quotes marks; None if it quotes none.

        It ends at a closing mark right before the answer that is the end of no other thought.
        """
        before = len(text[: answer.opens].rstrip())
        if not thoughts or thoughts[-1].closes >= before:
            return None
        longest = max(map(len, self.roles))
        marks = list(self.marks.finditer(text, max(0, before - longest), before))
        last = marks[-1] if marks else None
        if last is None or last.end() != before:
            return None
        owner, closes = self.roles[last[0].lower()]
        if not closes or not owner.closes_alone:
            return None
        opens = thoughts[0].opens
        opening = None if text[:opens].strip() else self.marks.match(text, opens)
        start = opening.end() if opening and thoughts[0].start > opens else 0
        return Block(opens if start else 0, start, last.start(), before)

    def unwrap(self, text: str) -> str:
        """Return a text without what surrounds it by form."""
        rest = text[_end(self.before, text) :]
        return rest[: len(rest) - _end(self.after, rest[::-1])]


def _run(wrappers: Sequence[str], edge: str) -> re.Pattern[str]:
    # Possessive: a run of millions of wrappers leaves nothing to go back to.
    return re.compile(f"(?:{'|'.join((*map(re.escape, wrappers), edge))})*+")


def _end(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.match(text)
    return match.end() if match else 0


def last_answer(text: str, thoughts: Sequence[Block]) -> tuple[Block | None, bool]:
    """Return the last well-formed answer block, and whether another is open at the end.

    Tags inside a thought do not count. A block does not hold its opening tag again.
    """
    last: Block | None = None
    opened: re.Match[str] | None = None
    ahead = iter(thoughts)
    thought = next(ahead, None)
    for tag in _ANSWER.finditer(text):
        while thought and thought.closes <= tag.start():
            thought = next(ahead, None)
        if thought and thought.opens <= tag.start():
            continue
        if not tag[1]:
            opened = tag
        elif opened:
            last = Block(opened.start(), opened.end(), tag.start(), tag.end())
            opened = None
    return last, opened is not None


def rationale_of(text: str, thoughts: Sequence[Block]) -> str | None:
    """Return the first thought with a word in it, or the first; None without any."""
    if not thoughts:
        return None
    filled = (each for each in thoughts if VISIBLE.search(text, each.start, each.end))
    block = next(filled, thoughts[0])
    return text[block.start : block.end]


def spoken(text: str, thoughts: Sequence[Block]) -> str:
    """Return what a response says outside its thoughts."""
    starts = (0, *(each.closes for each in thoughts))
    ends = (*(each.opens for each in thoughts), len(text))
    return "\n".join(text[start:end] for start, end in zip(starts, ends, strict=True))


_PLAIN_EDGE = " \t\r\n*_~`'\"“”‘’«».,;:!?()[]{}"  # noqa: RUF001
LITERAL = Syntax.of([ASKED_THINKING], [], f"[{re.escape(_PLAIN_EDGE)}]")
STRICT = Syntax.of(THINKING, WRAPPERS, rf"[\s{re.escape(_PLAIN_EDGE + FULL_WIDTH)}]")
