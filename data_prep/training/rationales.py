"""Which answers of a teacher may be trained on: the reasons to reject one, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from unifer_tasks.protocol.answers.strict import read_literal
from unifer_tasks.protocol.answers.tags import has_valid_format
from unifer_tasks.protocol.labels import canonical, label_space
from unifer_tasks.rationale.reasoning import read_rationale
from unifer_tasks.rationale.repetition import MIN_DISTINCT, repetition


class Mode(StrEnum):
    """What a teacher is shown: the image alone, or the label as well."""

    BLIND = "blind"
    HINTED = "hinted"


class Reject(StrEnum):
    """Why an answer is not trained on."""

    FORMAT = "not one think block and one answer block"
    LABEL = "another label than the annotators'"
    LANGUAGE = "not English"
    LENGTH = "too short or too long"
    REPETITION = "repeats itself"
    HINT_LEAK = "reveals that the label was given"
    CONTRADICTION = "concludes with another expression than it answers"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a rationale.

    Attributes:
        min_words: Fewest words.
        max_words: Most words.
        min_distinct: Smallest share of distinct four-word sequences.
    """

    min_words: int = 20
    max_words: int = 400
    min_distinct: float = MIN_DISTINCT


_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")  # noqa: RUF001

# Words that make up at least a fifth of English prose.
_ENGLISH = re.compile(
    r"an?|and|are|as|at|be|both|by|face|for|from|has|have|in|is|its?|of|on|or|person|slightly|"
    r"suggests|that|the|their|there|these|this|to|which|with"
)
_MIN_ENGLISH = 0.12

_HINT = re.compile(
    r"\b(?:ground[ -]truth|annotat(?:ed|or|ors|ion|ions)|hint(?:ed)?|"
    r"(?:given|provided|supplied|stated|assigned|known|reference|correct|true|target) "
    r"(?:label|answer|expression|emotion|category)|"
    r"label (?:is|was|says|states|given|provided)|"
    r"(?:i|we) (?:was|were|am|are|have been) (?:told|given|informed)|"
    r"(?:as|since|because) (?:labell?ed|given|instructed|told)|"
    r"labell?ed as)\b",
    re.IGNORECASE,
)


def reject(
    response: str, dataset: str, label: str, mode: Mode, limits: Limits = Limits()
) -> Reject | None:
    """Return the first reason to reject a teacher's complete answer; None if it is accepted.

    The label is the annotators', in the dataset's own words; the mode, what the teacher was shown.
    """
    if not has_valid_format(response):
        return Reject.FORMAT
    answer = read_literal(response, label_space(dataset).labels)
    if answer.label != label:
        return Reject.LABEL
    rationale = answer.rationale or ""
    words = [word.lower().replace("’", "'") for word in _WORD.findall(rationale)]  # noqa: RUF001
    if not limits.min_words <= len(words) <= limits.max_words:
        return Reject.LENGTH
    if not _is_english(rationale, words):
        return Reject.LANGUAGE
    if repetition(words) < limits.min_distinct:
        return Reject.REPETITION
    if mode is Mode.HINTED and _HINT.search(rationale):
        return Reject.HINT_LEAK
    if _concludes_otherwise(rationale, label):
        return Reject.CONTRADICTION
    return None


def _is_english(rationale: str, words: list[str]) -> bool:
    letters = [character for character in rationale if character.isalpha()]
    ascii_share = sum(letter.isascii() for letter in letters) / max(len(letters), 1)
    common = sum(_ENGLISH.fullmatch(word) is not None for word in words) / max(len(words), 1)
    return ascii_share > 0.95 and common >= _MIN_ENGLISH


def _concludes_otherwise(rationale: str, label: str) -> bool:
    argued = read_rationale(rationale).argued
    return bool(argued) and canonical(label) not in argued
