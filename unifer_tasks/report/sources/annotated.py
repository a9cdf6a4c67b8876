"""Annotations of the questions of a run, from the user's own benchmark folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unifer_tasks.data.annotations import ATTRIBUTES, Annotations, read_annotations
from unifer_tasks.data.contents import checked_path
from unifer_tasks.data.manifest import read_manifest
from unifer_tasks.report.sources.runs import Run

_SHOWN = {"votes", *ATTRIBUTES}
"""The columns that a report uses."""


@dataclass(frozen=True, slots=True)
class AnnotatedData:
    """The annotations of a benchmark folder.

    Attributes:
        folder: The folder.
        stand_in: Whether its faces are synthetic.
        sha256: Dataset key -> the hash of its file.
        questions: Dataset key -> question id -> its annotations; a dataset that no run answered, or
            without votes and attributes, is absent.
    """

    folder: Path
    stand_in: bool
    sha256: Mapping[str, str]
    questions: Mapping[str, Mapping[str, Annotations]]


def read_annotated(folder: Path, runs: Iterable[Run]) -> AnnotatedData:
    """Read the annotations of a benchmark folder, of the datasets that any of the runs answered.

    Raises:
        DataError: It is not a benchmark folder, or is damaged.
    """
    manifest = read_manifest(folder)
    answered = {row.dataset for run in runs for row in run.predictions}
    return AnnotatedData(
        folder,
        manifest.stand_in,
        {dataset: file.sha256 for dataset, file in manifest.datasets.items()},
        {
            dataset: read_annotations(checked_path(folder, manifest, dataset))
            for dataset, file in manifest.datasets.items()
            if dataset in answered and _SHOWN & file.annotations.keys()
        },
    )


def annotations_of(run: Run, data: AnnotatedData) -> dict[str, Mapping[str, Annotations]]:
    """Return dataset key -> question id -> annotations, of the data that a run was asked.

    Annotations of photographs belong to their ids. Synthetic faces have the ids of photographs,
    and every build draws others, so theirs belong to a run on synthetic faces alone, and on those
    of the same bytes where the run says which.
    """
    return {
        dataset: questions
        for dataset, questions in data.questions.items()
        if _answered(run, dataset) and _is_of(run, data, dataset)
    }


def unlike(runs: Sequence[Run], data: AnnotatedData) -> list[str]:
    """Name in a sentence the runs that the annotations do not belong to, if any."""
    others = [
        run.title
        for run in runs
        if any(
            _answered(run, dataset) and not _is_of(run, data, dataset) for dataset in data.questions
        )
    ]
    if not others:
        return []
    return [
        f"Votes and attributes are not shown for {', '.join(others)}: {data.folder.name} does not "
        "hold the faces that these answers are known to be about."
    ]


def _answered(run: Run, dataset: str) -> bool:
    return any(row.dataset == dataset for row in run.predictions)


def _is_of(run: Run, data: AnnotatedData, dataset: str) -> bool:
    if not data.stand_in:
        return not run.stand_in
    known = run.provenance.get(f"data {dataset}", data.sha256[dataset])
    return run.stand_in is True and known == data.sha256[dataset]
