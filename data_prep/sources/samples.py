"""Sources of labelled faces, and what their readers yield."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from data_prep.support.tree import Tree
from unifer_tasks.data.annotations import Annotations


class Split(StrEnum):
    """A dataset's official splits. FERBench asks about `TEST` (Val of AffectNet and SFEW)."""

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
        label: The label, in the dataset's own words.
        split: The official split.
        member: The image's name in the source's tree.
        votes: How many annotators chose each candidate label, in the order of the dataset's
            label space; None where the dataset has one label and no votes.
        valence: From -1, unpleasant, to 1; None where the dataset does not say.
        arousal: From -1, calm, to 1; None where the dataset does not say.
        prompt: The question, if it is not the benchmark's.
        response: An answer with its rationale, if the source has one.
        annotations: Further columns of a test sample's row; None where the source has none.
        unannotated: Which annotation of the source is left out, and why; None if none is.
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
    unannotated: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry of an archive that gives no sample.

    Attributes:
        dataset: The dataset's key.
        name: A file or a row of a list, as the archive names it.
        reason: Why, in the same words for all entries of a kind.
        by_rule: True if the dataset's own rules exclude it from every copy; False if this copy is
            incomplete.
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
        layout: The detected layout, for messages and manifests.
        images: The tree of the images that samples name.
        read: Yields the samples of a split, in an order that depends only on the archive.
        splits: The splits that `read` accepts.
        not_benchmark: Why its test split is not FERBench's, None if it is.
        has_official_labels: False if the labels follow another rule than the official counts.
    """

    dataset: str
    layout: str
    images: Tree
    read: Callable[[Split], Iterator[Sample | Skipped]]
    splits: tuple[Split, ...] = (Split.TRAIN, Split.TEST)
    not_benchmark: str | None = None
    has_official_labels: bool = True
