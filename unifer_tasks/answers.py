"""What a model answered: a response in, an `Answer` out.

Two readers, both reported by every run:

* **strict** (the headline): the last well-formed `<answer>` block, normalised, must be one
  candidate label or one declared synonym and nothing else. Whatever is not has an outcome of
  its own, counts as wrong and stays in the denominator.
* **upstream**: the behaviour of the paper's evaluators, label for label, with their substring
  fallbacks ("unhappy" reads as "happy"), for comparison with published numbers.

Both run in time linear in the response, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from itertools import islice
from types import MappingProxyType

from unifer_tasks.labels import CANONICAL_LABELS, canonical, label_space
from unifer_tasks.prompts import ANSWER_TAG, THINK_TAG

UNKNOWN = "unknown"
"""The extra class into which the paper's evaluators put what they cannot read."""


class Outcome(StrEnum):
    """What became of a question. Only `ANSWERED` can be right."""

    ANSWERED = "answered"
    """One candidate label was read."""
    MISSING = "missing"
    """The response has no well-formed answer block."""
    EMPTY = "empty"
    """The answer block holds no word."""
    AMBIGUOUS = "ambiguous"
    """The answer block names several candidate labels."""
    OFF_LIST = "off-list"
    """The answer block holds something else than one candidate label."""
    TRUNCATED = "truncated"
    """The response ends inside a block: the token limit was reached."""
    REFUSED = "refused"
    """The model declined to answer."""
    REQUEST_FAILED = "request-failed"
    """The model was never heard: its server or API failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read.

    Attributes:
        label: The candidate label, in the dataset's own word; None unless answered.
        outcome: What became of the question.
        rationale: The text of the first well-formed think block; None where there is none.
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

# Where the four evaluators' lists differ from one another, by dataset label
# (zfkarl/UniFER, `eval_*/code/eval_unifer.py`); the rest is common to all of them.
_UPSTREAM_COMMON = ("contempt", "disgust", "fear", "neutral", "surprise")
_UPSTREAM_OWN: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "rafdb": {"anger": ("angry",), "happiness": ("joy", "happy"), "sadness": ("sad",)},
        "ferplus": {
            "angry": ("anger",),
            "happy": ("joy", "happiness"),
            "sad": ("sorrow", "unhappy"),
        },
        "affectnet": {
            "anger": ("angry", "mad"),
            "happiness": ("joy", "happy"),
            "sadness": ("sad",),
        },
        "sfew": {
            "angry": ("anger", "mad"),
            "happy": ("joy", "happiness"),
            "sad": ("sorrow", "unhappy"),
        },
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

REQUEST_FAILED_PREFIX = "[LMMS_EVAL_REQUEST_FAILED"
"""How the text begins that lmms-eval's API back ends return in place of a response."""

_NEVER_ASKED_PREFIX = "[LMMS_EVAL_BUDGET_EXCEEDED]"

_EDGE = " \t\r\n*_~`'\"“”‘’«».,;:!?()[]{}"  # noqa: RUF001
_WORD = re.compile(r"[a-z]+")
_REFUSAL = re.compile(
    r"\b(?:i(?:['’]m| am) (?:sorry|unable|not able)"  # noqa: RUF001
    r"|i (?:can(?:no|['’])t|won['’]t|will not|must decline)"  # noqa: RUF001
    r"|(?:unable|not able|cannot|can['’]t) (?:to )?"  # noqa: RUF001
    r"(?:assist|comply|help|identify|determine|provide|fulfil|analy[sz]e)"
    r"|as an ai\b)"
    # What lmms-eval's Gemini back end returns for a blocked response (models/simple/gemini.py).
    r"|\A\[SAFETY_BLOCKED:",
    re.IGNORECASE,
)


def request_failed(response: str) -> bool:
    """Tells whether a response is lmms-eval's note that the request failed or was not made."""
    return response.startswith((REQUEST_FAILED_PREFIX, _NEVER_ASKED_PREFIX))


def read_answer(response: str, dataset: str) -> Answer:
    """Reads a response with the strict reader.

    Args:
        response: The model's whole output, tags included.
        dataset: Key of the dataset whose candidate labels were asked for.

    Returns:
        The answer. A closed block decides by what is in it. Without one, an open block
        means truncated, a phrase of refusal or a block by the API's filter means refused, and
        all else missing.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    return read_choice(response, label_space(dataset).labels)


def read_choice(response: str, labels: Sequence[str]) -> Answer:
    """Reads a response to a question over any candidate labels, as `read_answer` does.

    Args:
        response: The model's whole output, tags included.
        labels: The candidate labels that were asked for, in any order.

    Raises:
        ValueError: There is none, or two of them mean one expression, or one is the label
            of no dataset.
    """
    forms = _label_of_form(tuple(labels))
    if request_failed(response):
        return Answer(None, Outcome.REQUEST_FAILED)
    thoughts = _Blocks.find(response, THINK_TAG)
    rationale = thoughts.closed[0] if thoughts.closed else None
    answers = _Blocks.find(response, ANSWER_TAG)
    if answers.closed:
        label, outcome = _read_label(answers.closed[-1], forms)
    elif answers.ends_open or thoughts.ends_open:
        label, outcome = None, Outcome.TRUNCATED
    elif _REFUSAL.search(response):
        label, outcome = None, Outcome.REFUSED
    else:
        label, outcome = None, Outcome.MISSING
    return Answer(label, outcome, rationale)


def read_label(text: str, dataset: str) -> Answer:
    """Reads a label that another program has already extracted, by the strict rule.

    Args:
        text: What that program took for the answer; empty where it found none.
        dataset: Key of the dataset whose candidate labels were asked for.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    label, outcome = _read_label(text, _label_of_form(label_space(dataset).labels))
    return Answer(label, outcome)


def keeps_format(response: str) -> bool:
    """Tells whether a response has the form that the question asks for, and nothing else.

    That is one think block and then one answer block, both with a letter or digit in them,
    the tags spelt as in the question, and no more than white space around the blocks. A tag
    inside a block, in any spelling that the readers take for one, breaks the form.
    """
    tags = list(islice(_tags(THINK_TAG, ANSWER_TAG).finditer(response), len(_FORM) + 1))
    if tuple(tag[0] for tag in tags) != _FORM:
        return False
    starts = (0, *(tag.end() for tag in tags))
    ends = (*(tag.start() for tag in tags), len(response))
    before, thought, between, answer, after = (
        response[start:end] for start, end in zip(starts, ends, strict=True)
    )
    is_filled = _LETTER.search(thought) and _LETTER.search(answer)
    return bool(is_filled) and not (before + between + after).strip()


def keeps_upstream_form(response: str) -> bool:
    r"""Tells whether the paper's format reward is paid.

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
    """Returns what the paper's accuracy reward compares (zfkarl/UniFER, `grpo.py`).

    It is the first lower-case answer block, or the whole text where there is none, stripped;
    a row's solution is read in the same way.
    """
    block = _first_block_across_lines(response)
    return response.strip() if block is None else block


def read_upstream(response: str, dataset: str, *, pooled: bool = False) -> str:
    """Reads a response as the paper's evaluators do.

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
    labels = label_space(dataset).labels
    spans_lines = dataset == "sfew" and not pooled
    block = _first_block_across_lines(response) if spans_lines else _first_block_on_a_line(response)
    lowered = response.lower()
    for text in (lowered,) if block is None else (block.lower(), lowered):
        # Upstream tests equality and whole words first, but a label that passes either
        # test is also contained, and labels are tried one after another.
        for label in labels:
            if label in text:
                return label
    for label, synonyms in _upstream_synonyms(dataset):
        if any(synonym in lowered for synonym in synonyms):
            return label
    return UNKNOWN


def read_upstream_label(text: str, dataset: str) -> str:
    """Takes an already extracted label as the paper's evaluators would have returned it.

    Returns:
        The candidate label that `text` is, or `UNKNOWN`.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    label = text.strip().lower()
    return label if label in label_space(dataset).labels else UNKNOWN


def _read_label(text: str, forms: Mapping[str, str]) -> tuple[str | None, Outcome]:
    words = text.strip(_EDGE)
    if not words:
        return None, Outcome.EMPTY
    # Other scripts have look-alikes of Latin letters; lowering maps some of them to ASCII.
    lowered = words.lower() if words.isascii() else words
    if lowered in forms:
        return forms[lowered], Outcome.ANSWERED
    if len({forms[word] for word in _WORD.findall(lowered) if word in forms}) > 1:
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
    own = _UPSTREAM_OWN[dataset]
    label_of = {canonical(label): label for label in label_space(dataset).labels}
    return tuple(
        (label, _SYNONYMS[name] if name in _UPSTREAM_COMMON else own[label])
        for name in _UPSTREAM_ORDER
        if (label := label_of.get(name)) is not None
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The well-formed blocks of one tag, none of which holds the tag again."""

    closed: tuple[str, ...]
    ends_open: bool

    @classmethod
    def find(cls, text: str, tag: str) -> _Blocks:
        closed = []
        start = None
        for match in _tags(tag).finditer(text):
            if match[1]:
                if start is not None:
                    closed.append(text[start : match.start()])
                start = None
            else:
                start = match.end()
        return cls(tuple(closed), start is not None)


@cache
def _tags(*tags: str) -> re.Pattern[str]:
    return re.compile(rf"<(/?)(?:{'|'.join(tags)})>", re.IGNORECASE | re.ASCII)


_FORM = (f"<{THINK_TAG}>", f"</{THINK_TAG}>", f"<{ANSWER_TAG}>", f"</{ANSWER_TAG}>")
_LETTER = re.compile(r"\w")
_SEAM = re.compile(rf"{_FORM[1]}\s*{_FORM[2]}")


# Without re.ASCII, as upstream has it: the long s of U+017F passes for an s in a tag.
_UPSTREAM_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_UPSTREAM_CLOSE = re.compile(r"</answer>", re.IGNORECASE)
_NO_SPACE = re.compile(r"\S")


def _first_block_across_lines(text: str) -> str | None:
    """What `re.search(r'<answer>(.*?)</answer>', text, re.DOTALL)` captures, stripped."""
    _, opened, rest = text.partition("<answer>")
    block, closed, _ = rest.partition("</answer>")
    return block.strip() if opened and closed else None


def _first_block_on_a_line(text: str) -> str | None:
    r"""What `re.search(r'<answer>\s*(.*?)\s*</answer>', text, re.IGNORECASE)` captures.

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
