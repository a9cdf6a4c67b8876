"""Term: is the answer right?"""

from __future__ import annotations

from collections.abc import Mapping

from unifer_tasks.protocol.answers.strict import Answer


def accuracy(
    answer: Answer,
    target: str,
    votes: Mapping[str, float] | None = None,
    vote_credit: float = 0.0,
) -> float:
    """Score the answered label.

    1 if it is the target; else `vote_credit` * votes[label] / max(votes), which is 0 without
    votes, credit or label. Synonyms were read as their candidate label, and labels in a model
    family's own wrapper were not read (`answers.read_literal`). Votes as a soft target follow
    Barsoum et al., *Training deep networks for facial expression recognition with crowd-sourced
    label distribution* (2016), the authors of FER+.

    Args:
        answer: The answer in the requested format.
        target: The true candidate label.
        votes: Candidate label -> annotators' votes or their share, all positive.
        vote_credit: The score of a wrong label with as many votes as the winner, in [0, 1].

    Returns:
        The score, in [0, 1].
    """
    if answer.label is None:
        return 0.0
    if answer.label == target:
        return 1.0
    if not votes:
        return 0.0
    return vote_credit * votes.get(answer.label, 0.0) / max(votes.values())
