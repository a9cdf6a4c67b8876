"""Response formats: the blocks that the question asks a response to consist of.

| format | blocks of a response | asked by the tasks |
|---|---|---|
| `reasoned` | think, answer | `ferbench`, and its variants but for these two |
| `answer_first` | answer, think | `ferbench_answer_first` |
| `direct` | answer | `ferbench_direct` |

Training rows, the reward and the benchmark take a format from here, so that a model is asked for,
paid for and evaluated on the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unifer_tasks.protocol.answers.tags import has_valid_format
from unifer_tasks.protocol.prompts import (
    ANSWER_TAG,
    THINK_TAG,
    answer_first_question,
    direct_question,
    listed_labels,
    question,
)


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The blocks of a response, and the question that asks for them.

    Attributes:
        key: Its name in options, rewards and recipes.
        ask: Candidate labels -> the question's text that asks for it.
        blocks: The tags of its blocks, in order.
    """

    key: str
    ask: Callable[[Sequence[str]], str]
    blocks: tuple[str, ...]

    def response(self, rationale: str, label: str) -> str:
        """Return a response in this format; one without a think block leaves the rationale out."""
        text = {THINK_TAG: rationale, ANSWER_TAG: label}
        return "\n".join(f"<{block}>{text[block]}</{block}>" for block in self.blocks)

    def texts(self, response: str) -> Mapping[str, str]:
        """Return the text of each block of a response that has this format, by its tag."""
        return {
            block: response.partition(f"<{block}>")[2].partition(f"</{block}>")[0]
            for block in self.blocks
        }

    def is_kept(self, response: str) -> bool:
        """Return whether a response has this format, and nothing else (`has_valid_format`)."""
        return has_valid_format(response, self.blocks)


REASONED = ResponseFormat("reasoned", question, (THINK_TAG, ANSWER_TAG))

FORMATS: Mapping[str, ResponseFormat] = MappingProxyType(
    {
        each.key: each
        for each in (
            REASONED,
            ResponseFormat("answer_first", answer_first_question, (ANSWER_TAG, THINK_TAG)),
            ResponseFormat("direct", direct_question, (ANSWER_TAG,)),
        )
    }
)


def asked_format(prompt: str) -> ResponseFormat | None:
    """Return the format that a prompt asks for; None if it holds no question of ours.

    Args:
        prompt: A question, with whatever surrounds it.
    """
    try:
        labels = listed_labels(prompt)
    except ValueError:
        return None
    asked = (each for each in FORMATS.values() if each.ask(labels) in prompt)
    return next(asked, None)
