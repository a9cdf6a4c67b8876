"""Read the answer from a response: text in, an `Answer` out.

Two readers, both reported by every run:

* **strict** (the headline): the last well-formed `<answer>` block outside the thinking, without
  what belongs to a model family's own format (`model_formats`), must be one candidate label or
  one declared synonym and nothing else. Anything else has another outcome, counts as wrong and
  stays in the denominator.
* **upstream**: the behaviour of the paper's evaluators, label for label, with their substring
  fallbacks ("unhappy" reads as "happy"), for comparison with published numbers.

The reward reads the strict way too, but only the form that the question asks for
(`read_literal`, `read_in_format`). All run in time linear in the response, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from string import ascii_uppercase
from types import MappingProxyType
from typing import NamedTuple

from unifer_tasks.protocol.labels import CANONICAL_LABELS, LABEL_SPACES, canonical, label_space
from unifer_tasks.protocol.model_formats import (
    ASKED_THINKING,
    FULL_WIDTH,
    THINKING,
    WRAPPERS,
    Thinking,
    Wrapper,
)
from unifer_tasks.protocol.outcomes import (
    REQUEST_FAILED_PREFIX,
    Outcome,
    noted_outcome,
    request_failed,
)
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG

__all__ = [
    "REQUEST_FAILED_PREFIX",
    "UNKNOWN",
    "Answer",
    "Outcome",
    "has_upstream_format",
    "has_valid_format",
    "has_visible_text",
    "read_answer",
    "read_bare",
    "read_choice",
    "read_in_format",
    "read_label",
    "read_literal",
    "read_upstream",
    "read_upstream_label",
    "request_failed",
    "upstream_answer",
]

UNKNOWN = "unknown"
"""The extra class into which the paper's evaluators put what they cannot read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read.

    Attributes:
        label: The candidate label, in the dataset's own word; None unless answered.
        outcome: Whether a label was read, and if not, why.
        rationale: The text of the first think block with a word in it, or of the first if none
            has one; None where there is no well-formed block. It is a part of the response. Where
            a closing mark that no opening mark explains stands right before the answer, the
            thought quoted marks, and is all of the text up to there.
    """

    label: str | None
    outcome: Outcome
    rationale: str | None = None


# Keyed by canonical name. The union of the four upstream lists: a word means the same
# expression in every dataset that has it.
_SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "anger": ("angry", "mad"),
        "contempt": ("scorn", "disdain"),
        "disgust": ("revulsion", "repulsion"),
        "fear": ("terror", "fright"),
        "happiness": ("happy", "joy"),
        "neutral": ("normal", "calm", "blank"),
        "sadness": ("sad", "sorrow", "unhappy"),
        "surprise": ("shock", "astonishment"),
    }
)

# The order in which every evaluator walks through its list.
_UPSTREAM_ORDER = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "neutral",
    "surprise",
)

_WORDS = chain(_SYNONYMS, *_SYNONYMS.values(), *(space.renamed for space in LABEL_SPACES.values()))
_WORD = re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, _WORDS))})(?![a-z])")
_REFUSAL = re.compile(
    r"\b(?:i(?:['’]m| am) (?:sorry|unable|not (?:able|allowed|permitted|comfortable))"  # noqa: RUF001
    r"|i (?:can(?:no|['’])t|won['’]t|will not|must (?:respectfully )?decline)"  # noqa: RUF001
    r"|i (?:do not|don['’]t) (?:feel comfortable|have the ability)"  # noqa: RUF001
    r"|(?:unable|not able|cannot|can['’]t) (?:to )?"  # noqa: RUF001
    r"(?:assist|comply|help|identify|determine|provide|fulfil|analy[sz]e)"
    r"|as an ai\b)",
    re.IGNORECASE,
)


def read_answer(response: str, dataset: str) -> Answer:
    """Read a response with the strict reader.

    Args:
        response: The model's whole output, tags included.
        dataset: Key of the dataset whose candidate labels were asked for.

    Returns:
        The answer. A note of lmms-eval decides by itself, then the last closed answer block.
        An answer block inside the thinking is not the answer; one in a thought that is never
        closed is, if the response ends with it. Without a block, an open block means
        truncated, a phrase of refusal outside the thinking means refused, and all else missing.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    return read_choice(response, label_space(dataset).labels)


def read_choice(response: str, labels: Sequence[str]) -> Answer:
    """Read a response to a question over any candidate labels, as `read_answer` does.

    Args:
        response: The model's whole output, tags included.
        labels: The candidate labels that were asked for, in any order.

    Raises:
        ValueError: There is none, or two of them mean one expression, or one is the label
            of no dataset.
    """
    return _read(response, labels, _STRICT)


def read_literal(response: str, labels: Sequence[str]) -> Answer:
    """Read a response in the form that the question asks for and in no model family's own.

    Thoughts stand between `<think>` tags. Of what surrounds a label in its block, only spaces,
    line breaks, quotes, punctuation and emphasis are taken off, none of them of full width. The
    reward and the choice of training rows read in this way: what is rewarded or imitated must
    be the form itself.

    Args:
        response: As for `read_choice`.
        labels: Likewise.

    Raises:
        ValueError: As in `read_choice`.
    """
    return _read(response, labels, _LITERAL)


def read_in_format(
    response: str, labels: Sequence[str], blocks: Sequence[str] = (THINK_TAG, ANSWER_TAG)
) -> Answer | None:
    """Read a response that has the form that its question asks for, and nothing else.

    Args:
        response: As for `read_choice`.
        labels: Likewise.
        blocks: As for `has_valid_format`; one of them is the answer.

    Returns:
        What `read_literal` reads, in one pass; None where `has_valid_format` is False.

    Raises:
        ValueError: As in `read_choice`, if the response has the form.
    """
    blocks = tuple(blocks)
    texts = _texts(response, blocks)
    if texts is None:
        return None
    text_of = dict(zip(blocks, texts, strict=True))
    words = _LITERAL.unwrap(text_of[ANSWER_TAG])
    label, outcome = _read_label(words, _label_of_form(tuple(labels)))
    return Answer(label, outcome, text_of.get(THINK_TAG))


def read_bare(response: str, dataset: str) -> Answer:
    """Read the text of a response outside its thoughts as if it were an answer block.

    Args:
        response: The model's whole output.
        dataset: Key of the dataset whose candidate labels were asked for.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    forms = _label_of_form(label_space(dataset).labels)
    thoughts, _ = _STRICT.thoughts(response)
    label, outcome = _read_label(_STRICT.unwrap(_spoken(response, thoughts)), forms)
    return Answer(label, outcome, _rationale(response, thoughts))


def read_label(text: str, dataset: str) -> Answer:
    """Read a label that another program has already extracted, by the strict rule.

    Args:
        text: What that program took for the answer; empty where it found none.
        dataset: Key of the dataset whose candidate labels were asked for.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    forms = _label_of_form(label_space(dataset).labels)
    label, outcome = _read_label(_STRICT.unwrap(text), forms)
    return Answer(label, outcome)


def has_valid_format(response: str, blocks: Sequence[str] = (THINK_TAG, ANSWER_TAG)) -> bool:
    """Return whether a response has the form that its question asks for, and nothing else.

    That is one block of each tag in turn, with a visible letter or digit in it, the tags spelt as
    in the question, and no more than white space around the blocks. A tag inside a block, in any
    spelling that the readers take for one, breaks the form.

    Args:
        response: The model's whole output.
        blocks: The tags in the order that was asked for; the benchmark's unless given.
    """
    return _texts(response, tuple(blocks)) is not None


def has_visible_text(text: str) -> bool:
    """Return whether a text has a letter or digit that leaves ink."""
    return _VISIBLE.search(text) is not None


def has_upstream_format(response: str) -> bool:
    r"""Return whether the paper's format reward is paid.

    That is what `re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", response,
    re.DOTALL)` matches (zfkarl/UniFER, `grpo.py`); the pattern itself takes quadratic time on
    a run of closed think blocks. As the blocks may hold anything, only the two ends and one
    seam between them count.
    """
    opening, _, _, closing = _FORM
    return (
        response.startswith(opening)
        and response.endswith(closing)
        and _SEAM.search(response, len(opening), len(response) - len(closing)) is not None
    )


def upstream_answer(response: str) -> str:
    """Return what the paper's accuracy reward compares (zfkarl/UniFER, `grpo.py`).

    It is the first lower-case answer block, or the whole text where there is none, stripped;
    a row's solution is read in the same way.
    """
    block = _first_block_across_lines(response)
    return response.strip() if block is None else block


def read_upstream(response: str, dataset: str, *, pooled: bool = False) -> str:
    """Read a response as the paper's evaluators do.

    The first `<answer>` block that the evaluator's pattern finds, lowered, decides if it
    contains a candidate label (in the question's order); else the whole lowered response
    does; else the first synonym that it contains.

    Args:
        response: The model's whole output, tags included.
        dataset: Key of the dataset whose candidate labels were asked for.
        pooled: Read as `eval_total` does. It differs from SFEW's own evaluator, the only
            one with case-sensitive tags whose block may span lines.

    Returns:
        A candidate label, or `UNKNOWN`.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    space = label_space(dataset)
    spans_lines = space.upstream.spans_lines and not pooled
    block = _first_block_across_lines(response) if spans_lines else _first_block_on_a_line(response)
    lowered = response.lower()
    for text in (lowered,) if block is None else (block.lower(), lowered):
        # Upstream tests equality and whole words first, but a label that passes either
        # test is also contained, and labels are tried one after another.
        for label in space.labels:
            if label in text:
                return label
    for label, synonyms in _upstream_synonyms(dataset):
        if any(synonym in lowered for synonym in synonyms):
            return label
    return UNKNOWN


def read_upstream_label(text: str, dataset: str) -> str:
    """Take an already extracted label as the paper's evaluators would have returned it.

    Returns:
        The candidate label that `text` is, or `UNKNOWN`.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    label = text.strip().lower()
    return label if label in label_space(dataset).labels else UNKNOWN


def _texts(response: str, blocks: tuple[str, ...]) -> Sequence[str] | None:
    """Return the text of each block of a response in a valid format; None without one."""
    marks = _marks(blocks)
    # In turn: what no block holds, an opening tag, what its block holds, a closing tag.
    pieces = _TAG.split(response, len(marks) + 1)
    texts = pieces[2::4]
    is_valid = (
        pieces[1::2] == marks
        and all(map(_VISIBLE.search, texts))
        and not any(map(str.strip, pieces[::4]))
    )
    return texts if is_valid else None


@cache
def _marks(blocks: tuple[str, ...]) -> Sequence[str]:
    return [mark for block in blocks for mark in (f"<{block}>", f"</{block}>")]


def _read(response: str, labels: Sequence[str], form: _Form) -> Answer:
    forms = _label_of_form(tuple(labels))
    if noted := noted_outcome(response):
        return Answer(None, noted)
    thoughts, unclosed = form.thoughts(response)
    block, is_open = _last_answer(response, thoughts)
    if block and unclosed is not None and block.opens > unclosed:
        # The thinking either ended without its mark or was cut off after a draft.
        block = None if form.unwrap(response[block.closes :]) else block
    label = None
    if block:
        label, outcome = _read_label(form.unwrap(response[block.start : block.end]), forms)
    elif is_open or unclosed is not None:
        outcome = Outcome.TRUNCATED
    else:
        refuses = _REFUSAL.search(_spoken(response, thoughts))
        outcome = Outcome.REFUSED if refuses else Outcome.MISSING
    quoting = form.quoting_thought(response, thoughts, block) if block else None
    return Answer(label, outcome, _rationale(response, [quoting] if quoting else thoughts))


def _read_label(words: str, forms: Mapping[str, str]) -> tuple[str | None, Outcome]:
    if not words:
        return None, Outcome.EMPTY
    # Only ASCII is lowered: case folding makes a Latin letter of some look-alikes.
    lowered = words.translate(_LOWER)
    if lowered in forms:
        return forms[lowered], Outcome.ANSWERED
    if len({forms[word[0]] for word in _WORD.finditer(lowered) if word[0] in forms}) > 1:
        return None, Outcome.AMBIGUOUS
    return None, Outcome.REFUSED if _REFUSAL.search(words) else Outcome.OFF_LIST


@lru_cache(maxsize=1024)
def _label_of_form(labels: tuple[str, ...]) -> Mapping[str, str]:
    names = [canonical(label) for label in labels]
    if not labels or len(set(names)) < len(names) or not _SYNONYMS.keys() >= set(names):
        raise ValueError(
            f"candidate labels must be different expressions out of "
            f"{', '.join(CANONICAL_LABELS)}, got {list(labels)}"
        )
    forms = {}
    for label, name in zip(labels, names, strict=True):
        forms.update(dict.fromkeys((label, name, *_SYNONYMS[name]), label))
    return MappingProxyType(forms)


@cache
def _upstream_synonyms(dataset: str) -> Sequence[tuple[str, tuple[str, ...]]]:
    space = label_space(dataset)
    label_of = {canonical(label): label for label in space.labels}
    return tuple(
        (label, space.upstream.synonyms.get(label, (name, *_SYNONYMS[name])))
        for name in _UPSTREAM_ORDER
        if (label := label_of.get(name)) is not None
    )


class _Block(NamedTuple):
    """Where a block opens, its text starts and ends, and the block closes."""

    opens: int
    start: int
    end: int
    closes: int


@dataclass(frozen=True, slots=True)
class _Form:
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
    def of(cls, families: Sequence[Thinking], wrappers: Sequence[Wrapper], edge: str) -> _Form:
        roles = {mark: (each, False) for each in families for mark in each.opening}
        roles |= {mark: (each, True) for each in families for mark in each.closing}
        # Families spell their marks in one way; the tags that were asked for pass in any case.
        rests: dict[str, list[str]] = {}
        for mark in roles:
            rest = f"(?ai:{mark[1:]})" if mark in _FORM else re.escape(mark[1:])
            rests.setdefault(re.escape(mark[0]), []).append(rest)
        # By their first characters, to which the search then leaps.
        marks = "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in rests.items())
        return cls(
            re.compile(marks),
            MappingProxyType({mark.lower(): role for mark, role in roles.items()}),
            _run([each.opening for each in wrappers if each.opening], edge),
            _run([each.closing[::-1] for each in wrappers], edge),
        )

    def thoughts(self, text: str) -> tuple[list[_Block], int | None]:
        """Return the closed thoughts, and where one opens that is never closed."""
        closed: list[_Block] = []
        family: Thinking | None = None
        opens = start = 0
        for number, match in enumerate(self.marks.finditer(text)):
            owner, closes = self.roles[match[0].lower()]
            if not closes and family in (None, owner):
                opens = match.start() if family is None else opens
                family, start = owner, match.end()
            elif closes and (family is owner or (number == 0 and owner.closes_alone)):
                closed.append(_Block(opens, start, match.start(), match.end()))
                family = None
        return closed, None if family is None else opens

    def quoting_thought(
        self, text: str, thoughts: Sequence[_Block], answer: _Block
    ) -> _Block | None:
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
        return _Block(opens if start else 0, start, last.start(), before)

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


def _last_answer(text: str, thoughts: Sequence[_Block]) -> tuple[_Block | None, bool]:
    """Return the last well-formed answer block, and whether another is open at the end.

    Tags inside a thought do not count. A block does not hold its opening tag again.
    """
    last: _Block | None = None
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
            last = _Block(opened.start(), opened.end(), tag.start(), tag.end())
            opened = None
    return last, opened is not None


def _rationale(text: str, thoughts: Sequence[_Block]) -> str | None:
    if not thoughts:
        return None
    filled = (each for each in thoughts if _VISIBLE.search(text, each.start, each.end))
    block = next(filled, thoughts[0])
    return text[block.start : block.end]


def _spoken(text: str, thoughts: Sequence[_Block]) -> str:
    """Return what a response says outside its thoughts."""
    starts = (0, *(each.closes for each in thoughts))
    ends = (*(each.opens for each in thoughts), len(text))
    return "\n".join(text[start:end] for start, end in zip(starts, ends, strict=True))


_FORM = (f"<{THINK_TAG}>", f"</{THINK_TAG}>", f"<{ANSWER_TAG}>", f"</{ANSWER_TAG}>")
# A search leaps to the first character of a pattern, unless that has two cases.
_TAG = re.compile(rf"(</?(?ai:{THINK_TAG}|{ANSWER_TAG})>)")
_ANSWER = re.compile(rf"<(/?)(?ai:{ANSWER_TAG})>")
_SEAM = re.compile(rf"{_FORM[1]}\s*{_FORM[2]}")
_LOWER = {ord(letter): ord(letter.lower()) for letter in ascii_uppercase}

# Letters by their category that leave no ink: Hangul's fillers, and hieroglyphic blanks.
_VISIBLE = re.compile("[^\\W_\u115f\u1160\u3164\uffa0\U00013441\U00013442]")

_PLAIN_EDGE = " \t\r\n*_~`'\"“”‘’«».,;:!?()[]{}"  # noqa: RUF001
_LITERAL = _Form.of([ASKED_THINKING], [], f"[{re.escape(_PLAIN_EDGE)}]")
_STRICT = _Form.of(THINKING, WRAPPERS, rf"[\s{re.escape(_PLAIN_EDGE + FULL_WIDTH)}]")


# Without re.ASCII, as upstream has it: the long s of U+017F passes for an s in a tag.
_UPSTREAM_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_UPSTREAM_CLOSE = re.compile(r"</answer>", re.IGNORECASE)
_NO_SPACE = re.compile(r"\S")


def _first_block_across_lines(text: str) -> str | None:
    """Return what `re.search(r'<answer>(.*?)</answer>', text, re.DOTALL)` captures, stripped."""
    _, opened, rest = text.partition("<answer>")
    block, closed, _ = rest.partition("</answer>")
    return block.strip() if opened and closed else None


def _first_block_on_a_line(text: str) -> str | None:
    r"""Return what `re.search(r'<answer>\s*(.*?)\s*</answer>', text, re.IGNORECASE)` captures.

    The pattern itself takes quadratic time on a run of open tags. A block ends at the first
    close tag after its open tag; it matches if no line feed is left inside once it is
    stripped, since the dot takes everything else and the white space may take line feeds.
    """
    closes = (match.start() for match in _UPSTREAM_CLOSE.finditer(text))
    close = -1
    for opened in _UPSTREAM_OPEN.finditer(text):
        start = opened.end()
        if close < start:
            close = next((position for position in closes if position >= start), -1)
            if close < 0:
                return None
            tail = start + len(text[start:close].rstrip())
            last_feed = text.rfind("\n", start, tail)
        head = _first_non_space(text, start)
        if last_feed < head:
            return text[head:tail]
    return None


def _first_non_space(text: str, start: int) -> int:
    match = _NO_SPACE.search(text, start)
    return match.start() if match else len(text)
