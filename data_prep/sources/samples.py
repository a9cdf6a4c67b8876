"""What a reader yields, and the source that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from data_prep.storage.tree import Tree
from unifer_tasks.data.annotations import Annotations


class Split(StrEnum):
    """A dataset's own division. FERBench asks about `TEST` (AffectNet's and SFEW's Val)."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled face.

    Attributes:
        dataset: The dataset's key.
        id: Unique in its dataset. A test sample has the id that FERBench publishes; the others
            follow the same pattern.
        label: In the dataset's own word.
        split: The official split.
        member: The image's name in the source's tree.
        votes: How many annotators chose each candidate label, in the order of the dataset's
            label space; None where the dataset has one label and no votes.
        valence: From -1, unpleasant, to 1; None where the dataset does not say.
        arousal: From -1, calm, to 1; None where the dataset does not say.
        prompt: The question, where it is not the benchmark's.
        response: An answer with its rationale, where the source has one.
        annotations: What a test sample's row keeps besides its question; None where the source has
            nothing of it.
    """

    dataset: str
    id: str
    label: str
    split: Split
    member: str
    votes: tuple[int, ...] | None = None
    valence: float | None = None
    arousal: float | None = None
    prompt: str | None = None
    response: str | None = None
    annotations: Annotations | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that an archive lists and that gives no sample.

    Attributes:
        dataset: The dataset's key.
        name: As the archive has it: a file, or a row of a list.
        reason: Why, in words that many entries share.
        by_rule: True if the dataset's own rules leave it out of any copy; False if this copy
            lacks something.
    """

    dataset: str
    name: str
    reason: str
    by_rule: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """An opened archive of one dataset.

    Attributes:
        dataset: The dataset's key.
        layout: The layout that was found, for people and manifests.
        images: Holds the images that samples name.
        read: Yields a split's samples, in an order that depends on the archive alone.
        splits: What `read` can be asked for.
        not_benchmark: Why its test split is not FERBench's, None if it is.
        has_official_labels: False if the labels follow another rule than the official counts do.
    """

    dataset: str
    layout: str
    images: Tree
    read: Callable[[Split], Iterator[Sample | Skipped]]
    splits: tuple[Split, ...] = (Split.TRAIN, Split.TEST)
    not_benchmark: str | None = None
    has_official_labels: bool = True
