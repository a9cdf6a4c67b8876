"""Official archives -> FERBench: the published questions with their images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

import xxhash

from data_prep.images.inspection import inspect
from data_prep.outputs.benchmark_folder import Row, open_build, write_dataset
from data_prep.outputs.quarantine import (
    QUARANTINE_NAME,
    SKIPPED_NAME,
    UNANNOTATED_NAME,
    Fault,
    write_list,
)
from data_prep.sources.index import Question
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import PreparationError
from data_prep.support.output import Output
from unifer_tasks.data.annotations import ANNOTATION_TYPES, Annotations
from unifer_tasks.data.manifest import Manifest
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.protocol.prompts import question

SOURCE = "the datasets' official archives"


@dataclass(frozen=True, slots=True)
class Plan:
    """The questions of one dataset, before any image is read.

    Attributes:
        source: The archive.
        samples: The samples, in the benchmark's order.
        skipped: Entries of the archive that give no question.
    """

    source: Source
    samples: Sequence[Sample]
    skipped: Sequence[Skipped]

    @property
    def digest(self) -> str:
        """A digest of the questions, their labels, their order and their image files."""
        digest = xxhash.xxh3_128()
        for sample in self.samples:
            stamp = self.source.images.stamp(sample.member)
            facts: list[object] = [sample.id, sample.label, stamp]
            if sample.annotations is not None:
                facts.append(asdict(sample.annotations))
            digest.update(json.dumps(facts).encode())
        return digest.hexdigest()

    @property
    def unannotated(self) -> Sequence[Fault]:
        """The annotations that the archive has and the questions do not."""
        return [
            Fault(sample.dataset, sample.id, sample.member, sample.unannotated)
            for sample in self.samples
            if sample.unannotated is not None
        ]

    @property
    def annotations(self) -> Sequence[str]:
        """The annotation columns for which any sample has a value."""
        found = [sample.annotations for sample in self.samples if sample.annotations is not None]
        return [
            name
            for name in ANNOTATION_TYPES
            if any(getattr(each, name) is not None for each in found)
        ]


def plan(source: Source, index: Sequence[Question] | None = None) -> Plan:
    """Find a dataset's questions.

    They are in the order of the published ones. Without these they are sorted by id, which is the
    published order of FERPlus and AffectNet; RAF-DB's is the reverse. SFEW's order follows no rule.

    Raises:
        PreparationError: The archive cannot give the benchmark's questions.
    """
    if source.not_benchmark is not None:
        raise PreparationError(f"{label_space(source.dataset).title}: {source.not_benchmark}")
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    for entry in source.read(Split.TEST):
        if isinstance(entry, Sample):
            samples.append(entry)
        else:
            skipped.append(entry)
    samples.sort(key=lambda sample: sample.id, reverse=source.dataset == "rafdb")
    if index is not None:
        place = {asked.id: number for number, asked in enumerate(index)}
        samples.sort(key=lambda sample: place.get(sample.id, len(place)))
    return Plan(source, samples, skipped)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between an archive and the published benchmark.

    Attributes:
        text: The difference, starting with the dataset.
        is_absence: Whether the archive merely lacks something.
    """

    text: str
    is_absence: bool = False


def differences(plan: Plan, index: Sequence[Question] | None = None) -> list[Difference]:
    """Compare a dataset with the published questions; without them, with their label counts."""
    ids = Counter(sample.id for sample in plan.samples)
    found = [Difference(f"{each} is listed {n} times") for each, n in ids.items() if n > 1]
    found += _of_counts(plan) if index is None else _of_questions(plan, index)
    return [replace(each, text=f"{plan.source.dataset}: {each.text}") for each in found]


def _of_counts(plan: Plan) -> Iterator[Difference]:
    counts = Counter(sample.label for sample in plan.samples)
    for label, expected in label_space(plan.source.dataset).test_counts.items():
        if (n := counts[label]) != expected:
            yield Difference(f"{n:,} faces are {label}, {expected:,} are published", n < expected)


def _of_questions(plan: Plan, index: Sequence[Question]) -> Iterator[Difference]:
    labels = label_space(plan.source.dataset).labels
    label_of = {sample.id: sample.label for sample in plan.samples}
    prompt = question(labels)
    for asked in index:
        label = label_of.get(asked.id)
        if label is None:
            yield Difference(f"{asked.id} is not in the archive", True)
        elif label != asked.target:
            yield Difference(f"{asked.id} is {label}, {asked.target} is published")
        if asked.prompt != prompt:
            yield Difference(f"{asked.id} is published with another prompt")
        if asked.candidate_labels != labels:
            yield Difference(f"{asked.id} is published with other labels")
    published = {asked.id for asked in index}
    for sample in plan.samples:
        if sample.id not in published:
            yield Difference(f"{sample.id} is not published")


def build(output: Output, plans: Sequence[Plan]) -> Manifest:
    """Write the benchmark folder.

    Datasets that an interrupted build has finished are kept. An image that cannot be used is left
    out and listed in `DATASET/quarantine.jsonl`; the manifest then counts fewer rows than the
    benchmark has. Entries of an archive that the benchmark does not ask about are listed in
    `DATASET/skipped.jsonl`, annotations that are left out in `DATASET/unannotated.jsonl`.

    Raises:
        PreparationError: The folder holds something else, or another state of the archives.
    """
    recipe: Mapping[str, object] = {
        plan.source.dataset: {"layout": plan.source.layout, "questions_xxh3": plan.digest}
        for plan in plans
    }
    versions = {name: version(name) for name in ("unifer", "pyarrow")}
    out = output.folder
    manifest = open_build(out, Manifest(SOURCE, False, recipe, versions))
    for plan in plans:
        dataset = plan.source.dataset
        if dataset not in manifest.datasets:
            write_list(out / dataset / SKIPPED_NAME, plan.skipped)
            if plan.unannotated:
                write_list(out / dataset / UNANNOTATED_NAME, plan.unannotated)
            rows = _rows(output, plan)
            manifest = write_dataset(out, manifest, dataset, rows, plan.annotations)
    return manifest


def _rows(output: Output, plan: Plan) -> Iterator[Row]:
    dataset = plan.source.dataset
    faults: list[Fault] = []
    read = ((sample, plan.source.images.try_read(sample.member)) for sample in plan.samples)
    found = output.map(label_space(dataset).title, _row, read, len(plan.samples))
    for sample, row_or_fault in zip(plan.samples, found, strict=True):
        if isinstance(row_or_fault, Row):
            yield row_or_fault
        else:
            faults.append(Fault(sample.dataset, sample.id, sample.member, row_or_fault))
    # Before the rows get their final name, so that a finished dataset always has its list.
    write_list(output.folder / dataset / QUARANTINE_NAME, faults)


def _row(read: tuple[Sample, bytes | str]) -> Row | str:
    sample, data = read
    if isinstance(data, str):
        return data
    fault = inspect(data).fault
    if fault is not None:
        return fault
    return Row(sample.id, data, sample.label, sample.annotations or Annotations())
