"""Read the answer of a response strictly: text in, an `Answer` out.

The last well-formed `<answer>` block outside the thinking, without what belongs to a model family's
own format (`model_formats`), must be one candidate label or one declared synonym and nothing else.
Anything else has another outcome, counts as wrong and stays in the denominator.

The reward reads likewise, but only the form that the question asks for (`read_literal`,
`read_in_format`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unifer_tasks.protocol.answers.blocks import (
    LITERAL,
    STRICT,
    Syntax,
    last_answer,
    rationale_of,
    spoken,
)
from unifer_tasks.protocol.answers.outcomes import Outcome, noted_outcome
from unifer_tasks.protocol.answers.tags import block_texts
from unifer_tasks.protocol.answers.words import REFUSAL, label_of_word, read_words
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG


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
    return _read(response, labels, STRICT)


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
    return _read(response, labels, LITERAL)


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
    texts = block_texts(response, blocks)
    if texts is None:
        return None
    text_of = dict(zip(blocks, texts, strict=True))
    words = LITERAL.unwrap(text_of[ANSWER_TAG])
    label, outcome = read_words(words, label_of_word(tuple(labels)))
    return Answer(label, outcome, text_of.get(THINK_TAG))


def read_bare(response: str, dataset: str) -> Answer:
    """Read the text of a response outside its thoughts as if it were an answer block.

    Args:
        response: The model's whole output.
        dataset: Key of the dataset whose candidate labels were asked for.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    label_of = label_of_word(label_space(dataset).labels)
    thoughts, _ = STRICT.thoughts(response)
    label, outcome = read_words(STRICT.unwrap(spoken(response, thoughts)), label_of)
    return Answer(label, outcome, rationale_of(response, thoughts))


def read_label(text: str, dataset: str) -> Answer:
    """Read a label that another program has already extracted, by the strict rule.

    Args:
        text: What that program took for the answer; empty where it found none.
        dataset: Key of the dataset whose candidate labels were asked for.

    Raises:
        UnknownDatasetError: No label space has that key.
    """
    label_of = label_of_word(label_space(dataset).labels)
    label, outcome = read_words(STRICT.unwrap(text), label_of)
    return Answer(label, outcome)


def _read(response: str, labels: Sequence[str], syntax: Syntax) -> Answer:
    label_of = label_of_word(tuple(labels))
    if noted := noted_outcome(response):
        return Answer(None, noted)
    thoughts, unclosed = syntax.thoughts(response)
    block, is_open = last_answer(response, thoughts)
    if block and unclosed is not None and block.opens > unclosed:
        # The thinking either ended without its mark or was cut off after a draft.
        block = None if syntax.unwrap(response[block.closes :]) else block
    label = None
    if block:
        label, outcome = read_words(syntax.unwrap(response[block.start : block.end]), label_of)
    elif is_open or unclosed is not None:
        outcome = Outcome.TRUNCATED
    else:
        refuses = REFUSAL.search(spoken(response, thoughts))
        outcome = Outcome.REFUSED if refuses else Outcome.MISSING
    quoting = syntax.quoting_thought(response, thoughts, block) if block else None
    return Answer(label, outcome, rationale_of(response, [quoting] if quoting else thoughts))
