"""The tags that a question asks for, and the form of a response that keeps to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG

MARKS = (f"<{THINK_TAG}>", f"</{THINK_TAG}>", f"<{ANSWER_TAG}>", f"</{ANSWER_TAG}>")
# A search leaps to the first character of a pattern, unless that has two cases.
_TAG = re.compile(rf"(</?(?ai:{THINK_TAG}|{ANSWER_TAG})>)")

# Letters by their category that leave no ink: Hangul's fillers, and hieroglyphic blanks.
VISIBLE = re.compile("[^\\W_\u115f\u1160\u3164\uffa0\U00013441\U00013442]")


def has_valid_format(response: str, blocks: Sequence[str] = (THINK_TAG, ANSWER_TAG)) -> bool:
    """Return whether a response has the form that its question asks for, and nothing else.

    That is one block of each tag in turn, with a visible letter or digit in it, the tags spelt as
    in the question, and no more than white space around the blocks. A tag inside a block, in any
    spelling that the readers take for one, breaks the form.

    Args:
        response: The model's whole output.
        blocks: The tags in the order that was asked for; the benchmark's unless given.
    """
    return block_texts(response, tuple(blocks)) is not None


def has_visible_text(text: str) -> bool:
    """Return whether a text has a letter or digit that leaves ink."""
    return VISIBLE.search(text) is not None


def block_texts(response: str, blocks: tuple[str, ...]) -> Sequence[str] | None:
    """Return the text of each block of a response in a valid format; None without one."""
    marks = _marks(blocks)
    # In turn: what no block holds, an opening tag, what its block holds, a closing tag.
    pieces = _TAG.split(response, len(marks) + 1)
    texts = pieces[2::4]
    is_valid = (
        pieces[1::2] == marks
        and all(map(VISIBLE.search, texts))
        and not any(map(str.strip, pieces[::4]))
    )
    return texts if is_valid else None


@cache
def _marks(blocks: tuple[str, ...]) -> Sequence[str]:
    return [mark for block in blocks for mark in (f"<{block}>", f"</{block}>")]
