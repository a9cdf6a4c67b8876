"""Term: does the rationale argue for the answer?"""

from __future__ import annotations

from unifer_tasks.answers import Answer
from unifer_tasks.labels import canonical
from unifer_tasks.reasoning import Argument, support


def consistency(answer: Answer, argument: Argument) -> float:
    """Scores how far the rationale concludes with the answered label, be it right or wrong.

    1 / n if the answer is among the n labels that the rationale concludes with; 0 if it is
    not, if the rationale names none, or if nothing was answered. A rationale that names every
    label therefore earns next to nothing. After the observation of the UniFER paper
    (arXiv 2511.00389) that models classify better than they reason.

    Returns:
        The score, in [0, 1].
    """
    return support(argument, canonical(answer.label)) if answer.label is not None else 0.0
