"""Term: does the rationale argue for the answer?"""

from __future__ import annotations

from unifer_tasks.protocol.answers.strict import Answer
from unifer_tasks.protocol.labels import canonical
from unifer_tasks.rationale.reasoning import Argument, agreement, support


def consistency(answer: Answer, argument: Argument) -> float:
    """Score how far the rationale argues for the answered label, right or wrong.

    1 / n if the answer is among the n labels that the rationale concludes with, so that naming
    every label earns little; 0 if it is not among them, or without an answer. Also 0 if the
    rationale reports no sign of the label: an action unit of its prototype or, for neutral, a
    face at rest. Motivated by the finding of the UniFER paper (arXiv 2511.00389) that models
    classify better than they reason.

    Returns:
        The score, in [0, 1].
    """
    if answer.label is None:
        return 0.0
    label = canonical(answer.label)
    return support(argument, label) if agreement(argument, label) else 0.0
