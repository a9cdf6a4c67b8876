"""How the tests look at what a reader finds."""

from __future__ import annotations

from data_prep.sources.samples import Sample, Skipped, Source, Split
from unifer_tasks.data.annotations import Annotations


def read(source: Source, split: Split) -> tuple[list[Sample], list[Skipped]]:
    entries = list(source.read(split))
    samples = [entry for entry in entries if isinstance(entry, Sample)]
    return samples, [entry for entry in entries if isinstance(entry, Skipped)]


Seen = tuple[str, str, str, bytes, Annotations | None, float | None, float | None]


def seen(source: Source) -> list[Seen]:
    return [
        (
            sample.id,
            sample.label,
            sample.split,
            source.images.read(sample.member),
            sample.annotations,
            sample.valence,
            sample.arousal,
        )
        for split in source.splits
        for sample in read(source, split)[0]
    ]
