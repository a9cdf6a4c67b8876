"""Read a response as the paper's evaluators do, label for label, and pay as its rewards do.

Their substring fallbacks are kept ("unhappy" reads as "happy"), so that figures compare with the
published ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from unifer_tasks.protocol.answers.tags import MARKS
from unifer_tasks.protocol.answers.words import SYNONYMS
from unifer_tasks.protocol.labels import canonical, label_space

UNKNOWN = "unknown"
"""The extra class into which the paper's evaluators put what they cannot read."""

# The order in which every evaluator walks through its list.
_ORDER = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "neutral",
    "surprise",
)

_SEAM = re.compile(rf"{MARKS[1]}\s*{MARKS[2]}")

# Without re.ASCII, as upstream has it: the long s of U+017F passes for an s in a tag.
_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_CLOSE = re.compile(r"</answer>", re.IGNORECASE)
_NO_SPACE = re.compile(r"\S")


def has_upstream_format(response: str) -> bool:
    r"""Return whether the paper's format reward is paid.

    That is what `re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", response,
    re.DOTALL)` matches (zfkarl/UniFER, `grpo.py`); the pattern itself takes quadratic time on
    a run of closed think blocks. As the blocks may hold anything, only the two ends and one
    seam between them count.
    """
    opening, _, _, closing = MARKS
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
    for label, synonyms in _synonyms(dataset):
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


@cache
def _synonyms(dataset: str) -> Sequence[tuple[str, tuple[str, ...]]]:
    space = label_space(dataset)
    label_of = {canonical(label): label for label in space.labels}
    return tuple(
        (label, space.upstream.synonyms.get(label, (name, *SYNONYMS[name])))
        for name in _ORDER
        if (label := label_of.get(name)) is not None
    )


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
    closes = (match.start() for match in _CLOSE.finditer(text))
    close = -1
    for opened in _OPEN.finditer(text):
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
