"""The label spaces of FERBench: four datasets, eight canonical expressions, one place.

A *label* is the word a dataset uses ("happy"); its *canonical* name ("happiness") is what
datasets share, so that answers can be pooled. The candidate labels stand in the order in
which the published questions list them (zfkarl/UniFER, `eval_*/data/*_qa.json`): the order
is part of the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CANONICAL_LABELS = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
)

_CANONICAL_OF = MappingProxyType({"angry": "anger", "happy": "happiness", "sad": "sadness"})


def canonical(label: str) -> str:
    """Return the name that all datasets share for a dataset's label.

    The three renamings are those of the paper's pooled evaluator
    (zfkarl/UniFER, `eval_total/code/eval_unifer.py`).

    Args:
        label: A candidate label of any dataset, lower case.

    Returns:
        The canonical name; a word that is no label comes back unchanged.
    """
    return _CANONICAL_OF.get(label, label)


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """The closed set of answers that one dataset admits.

    Attributes:
        key: The dataset's key in files, task names and rows.
        title: The dataset's name in prose.
        test_counts: Benchmark questions for each label, in the order in which the
            question lists the labels.
    """

    key: str
    title: str
    test_counts: Mapping[str, int]

    @property
    def labels(self) -> tuple[str, ...]:
        """The candidate labels, in the question's order."""
        return tuple(self.test_counts)

    @property
    def n_test(self) -> int:
        """The number of benchmark questions."""
        return sum(self.test_counts.values())


def _space(key: str, title: str, **test_counts: int) -> LabelSpace:
    return LabelSpace(key, title, MappingProxyType(test_counts))


LABEL_SPACES: Mapping[str, LabelSpace] = MappingProxyType(
    {
        space.key: space
        for space in (
            _space(
                "rafdb",
                "RAF-DB",
                surprise=329,
                fear=74,
                disgust=160,
                happiness=1185,
                sadness=478,
                anger=162,
                neutral=680,
            ),
            _space(
                "ferplus",
                "FERPlus",
                angry=322,
                contempt=30,
                disgust=21,
                fear=98,
                happy=929,
                neutral=1274,
                sad=449,
                surprise=450,
            ),
            _space(
                "affectnet",
                "AffectNet",
                neutral=500,
                happiness=500,
                sadness=500,
                surprise=500,
                fear=500,
                disgust=500,
                anger=500,
                contempt=500,
            ),
            _space(
                "sfew",
                "SFEW 2.0",
                angry=77,
                disgust=23,
                fear=46,
                happy=72,
                neutral=84,
                sad=73,
                surprise=56,
            ),
        )
    }
)


class UnknownDatasetError(KeyError):
    """A dataset key that no label space carries."""

    def __str__(self) -> str:
        return str(self.args[0])


def label_space(dataset: str) -> LabelSpace:
    """Return the label space of a dataset.

    Args:
        dataset: One of the keys of `LABEL_SPACES`.

    Raises:
        UnknownDatasetError: The key is none of them; the message lists those that are.
    """
    try:
        return LABEL_SPACES[dataset]
    except (KeyError, TypeError):
        known = ", ".join(LABEL_SPACES)
        raise UnknownDatasetError(f"unknown dataset {dataset!r}; known: {known}") from None
