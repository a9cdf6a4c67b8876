"""The label counts of the official training splits.

Counted from the datasets' own label files (RAF-DB `list_patition_label.txt`, AffectNet
`training.csv`) and, for FERPlus, by the benchmark's rule over microsoft/FERPlus `label.csv`. The
test splits' counts are those of the benchmark: `unifer_tasks.protocol.labels`.

They add up to 329,371, or 332,950 with FERPlus's validation split. The paper's 360K is not a sum
of official splits.
"""

from __future__ import annotations

from collections.abc import Mapping

from data_prep.sources.samples import Split
from unifer_tasks.protocol.labels import label_space


def _counts(**of_label: int) -> Mapping[str, int]:
    return of_label


_TRAINING: Mapping[tuple[str, Split], Mapping[str, int]] = {
    ("rafdb", Split.TRAIN): _counts(
        surprise=1290, fear=281, disgust=717, happiness=4772, sadness=1982, anger=705, neutral=2524
    ),
    # Two of these are neutral by the rule's tie-break alone: nobody voted for any emotion.
    ("ferplus", Split.TRAIN): _counts(
        angry=2476,
        contempt=170,
        disgust=195,
        fear=659,
        happy=7537,
        neutral=10379,
        sad=3559,
        surprise=3583,
    ),
    ("ferplus", Split.VALID): _counts(
        angry=326, contempt=27, disgust=34, fear=72, happy=899, neutral=1341, sad=419, surprise=461
    ),
    ("affectnet", Split.TRAIN): _counts(
        neutral=74874,
        happiness=134415,
        sadness=25459,
        surprise=14090,
        fear=6378,
        disgust=3803,
        anger=24882,
        contempt=3750,
    ),
    ("sfew", Split.TRAIN): _counts(
        angry=178, disgust=52, fear=78, happy=184, neutral=144, sad=161, surprise=94
    ),
}


def official_counts(dataset: str, split: Split) -> Mapping[str, int]:
    """Return label -> samples of an official split; empty if no counts are official."""
    if split is Split.TEST:
        return label_space(dataset).test_counts
    return _TRAINING.get((dataset, split), {})
