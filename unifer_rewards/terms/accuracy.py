"""Term: is the answer right?"""

from __future__ import annotations

from collections.abc import Mapping

from unifer_tasks.protocol.answers import Answer


def accuracy(
    answer: Answer,
    target: str,
    votes: Mapping[str, float] | None = None,
    vote_credit: float = 0.0,
) -> float:
    """Score the answered label.

    1 if it is the target; else `vote_credit` * votes[label] / max(votes), which is 0 without
    votes, without credit or without a label. A declared synonym was already read as its
    candidate label, and a label in a model family's own wrapper was not read
    (`answers.read_literal`). That annotators' votes are worth more than the majority's label
    alone is Barsoum et al., *Training deep networks for facial expression recognition with
    crowd-sourced label distribution* (2016), who made FER+.

    Args:
        answer: What the response answered in the form that was asked for.
        target: The true candidate label.
        votes: Candidate label -> annotators' votes or their share, all above 0.
        vote_credit: What a wrong label with as many votes as the winner is worth, in [0, 1].

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
