"""The words of an answer: which of them mean a candidate label, and which decline to answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from string import ascii_uppercase
from types import MappingProxyType

from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.labels import CANONICAL_LABELS, LABEL_SPACES, canonical

# Keyed by canonical name. The union of the four upstream lists: a word means the same
# expression in every dataset that has it.
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
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

_LOWER = {ord(letter): ord(letter.lower()) for letter in ascii_uppercase}
_WORDS = chain(SYNONYMS, *SYNONYMS.values(), *(space.renamed for space in LABEL_SPACES.values()))
_WORD = re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, _WORDS))})(?![a-z])")
REFUSAL = re.compile(
    r"\b(?:i(?:['’]m| am) (?:sorry|unable|not (?:able|allowed|permitted|comfortable))"  # noqa: RUF001
    r"|i (?:can(?:no|['’])t|won['’]t|will not|must (?:respectfully )?decline)"  # noqa: RUF001
    r"|i (?:do not|don['’]t) (?:feel comfortable|have the ability)"  # noqa: RUF001
    r"|(?:unable|not able|cannot|can['’]t) (?:to )?"  # noqa: RUF001
    r"(?:assist|comply|help|identify|determine|provide|fulfil|analy[sz]e)"
    r"|as an ai\b)",
    re.IGNORECASE,
)


def read_words(words: str, label_of: Mapping[str, str]) -> tuple[str | None, Outcome]:
    """Return the label that words are, and the outcome.

    Args:
        words: What an answer block holds, without what surrounds a label by form.
        label_of: As `label_of_word` returns it.
    """
    if not words:
        return None, Outcome.EMPTY
    # Only ASCII is lowered: case folding makes a Latin letter of some look-alikes.
    lowered = words.translate(_LOWER)
    if lowered in label_of:
        return label_of[lowered], Outcome.ANSWERED
    if len({label_of[word[0]] for word in _WORD.finditer(lowered) if word[0] in label_of}) > 1:
        return None, Outcome.AMBIGUOUS
    return None, Outcome.REFUSED if REFUSAL.search(words) else Outcome.OFF_LIST


@lru_cache(maxsize=1024)
def label_of_word(labels: tuple[str, ...]) -> Mapping[str, str]:
    """Return each word, lower case, that means one of the candidate labels -> that label.

    Raises:
        ValueError: There is no candidate, or two of them mean one expression, or one is the label
            of no dataset.
    """
    names = [canonical(label) for label in labels]
    if not labels or len(set(names)) < len(names) or not SYNONYMS.keys() >= set(names):
        raise ValueError(
            f"candidate labels must be different expressions out of "
            f"{', '.join(CANONICAL_LABELS)}, got {list(labels)}"
        )
    label_of = {}
    for label, name in zip(labels, names, strict=True):
        label_of.update(dict.fromkeys((label, name, *SYNONYMS[name]), label))
    return MappingProxyType(label_of)
