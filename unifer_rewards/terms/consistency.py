"""Term: does the rationale argue for the answer?"""

from __future__ import annotations

from unifer_tasks.protocol.answers import Answer
from unifer_tasks.protocol.labels import canonical
from unifer_tasks.rationale.reasoning import Argument, agreement, support


def consistency(answer: Answer, argument: Argument) -> float:
    """Score how far the rationale argues for the answered label, be it right or wrong.

    1 / n if the answer is among the n labels that the rationale concludes with; 0 if it is
    not, if the rationale names none, or if nothing was answered. A rationale that names every
    label therefore earns next to nothing. A label that is named without a sign of it on the
    face (an action unit of its prototype; for neutral, a face at rest) is not argued for: 0.
    After the observation of the UniFER paper (arXiv 2511.00389) that models classify better
    than they reason.

    Returns:
        The score, in [0, 1].
    """
    if answer.label is None:
        return 0.0
    label = canonical(answer.label)
    return support(argument, label) if agreement(argument, label) else 0.0
