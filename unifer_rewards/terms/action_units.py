"""Term: does the rationale report the action units of the expression?"""

from __future__ import annotations

from unifer_tasks.protocol.answers.strict import Answer
from unifer_tasks.protocol.labels import canonical
from unifer_tasks.rationale.reasoning import Argument, agreement


def action_units(answer: Answer, target: str, argument: Argument) -> float:
    """Score the action units that the rationale names, if the answer is right.

    The F1 of those units with the EMFACS prototype of the true label (`reasoning.agreement`),
    and 0 for a wrong answer. Naming more units lowers precision, and naming all of them scores 0
    (`evidence.evidence`). Reciting the prototype of the true label scores 1.

    Returns:
        The score, in [0, 1].
    """
    return agreement(argument, canonical(target)) if answer.label == target else 0.0
