"""The inputs of training rows: splits of official archives, or one of the paper's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data_prep.sources import ferplus
from data_prep.sources.counts import official_counts
from data_prep.sources.published import Keys, published_samples
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import ArchiveError
from data_prep.support.tree import Tree
from unifer_tasks.protocol.labels import label_space


@dataclass(frozen=True, slots=True)
class Input:
    """One split of one source.

    Attributes:
        name: The source's name in files and in the manifest.
        split: The split.
        tree: Holds the images.
        read: Returns a new iterator over the entries.
        official: Label -> samples of the official split; None for the paper's files, and for
            labels that follow another rule.
    """

    name: str
    split: Split
    tree: Tree
    read: Callable[[], Iterator[Sample | Skipped]]
    official: Mapping[str, int] | None = None

    def root(self, images: Path) -> Path:
        """Return the absolute folder below which the images lie, by their names in the tree.

        Those of an archive are extracted to a subfolder of `images`.
        """
        return (self.tree.folder or images / self.name).resolve()

    def differences(self, counts: Mapping[str, int]) -> list[str]:
        """Return a line for each label whose count differs from the official one."""
        return [
            f"{self.name} {self.split}: {counts.get(label, 0):,} samples are {label}, "
            f"{expected:,} are official"
            for label, expected in (self.official or {}).items()
            if counts.get(label, 0) != expected
        ]


def inputs_of(sources: Mapping[str, Source], *, ferplus_valid: bool = False) -> list[Input]:
    """Return the training splits of official archives, given by dataset.

    Raises:
        ArchiveError: An archive lacks such a split.
    """
    inputs = []
    for source in sources.values():
        with_valid = ferplus_valid and source.dataset == ferplus.DATASET
        for split in (Split.TRAIN, Split.VALID) if with_valid else (Split.TRAIN,):
            if split not in source.splits:
                raise ArchiveError(
                    f"{source.images.path} holds no {split} split of "
                    f"{label_space(source.dataset).title} ({source.layout}); add it, or leave out "
                    f"--{source.dataset}"
                )
            counts = official_counts(source.dataset, split) if source.has_official_labels else None
            read = partial(source.read, split)
            inputs.append(Input(source.dataset, split, source.images, read, counts or None))
    return inputs


def inputs_of_published(path: Path, tree: Tree, keys: Keys) -> list[Input]:
    """Return the rows of one of the paper's files."""
    return [Input("published", Split.TRAIN, tree, partial(published_samples, path, keys, tree))]
