"""Term: does the rationale see the action units of the expression?"""

from __future__ import annotations

from unifer_tasks.protocol.answers import Answer
from unifer_tasks.protocol.labels import canonical
from unifer_tasks.rationale.reasoning import Argument, agreement


def action_units(answer: Answer, target: str, argument: Argument) -> float:
    """Score the action units that the rationale names, if the answer is right.

    The F1 of those units and the EMFACS prototype of the true label (`reasoning.agreement`
    has the formula), and 0 for a wrong answer: a prototype that is recited for a label that
    the picture does not show earns nothing. Naming more units costs precision, and naming all
    of them everything (`evidence.evidence`). The prototype of the true label, recited, earns 1.

    Returns:
        The score, in [0, 1].
    """
    return agreement(argument, canonical(target)) if answer.label == target else 0.0
