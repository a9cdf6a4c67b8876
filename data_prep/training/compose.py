"""Sources of training images -> rows for verl, without the images of the benchmark.

The official training splits hold 329,371 samples (RAF-DB 12,271, FERPlus 28,558, AffectNet 287,651,
SFEW 891), 332,950 with FERPlus's validation split. The paper's 360K is not a sum of these.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_prep.images.duplicates import find_duplicates
from data_prep.images.fingerprints import (
    FOLDER,
    Examined,
    Listing,
    examine,
    examine_benchmark,
    list_entries,
    read_examined,
    remove_stale_findings,
)
from data_prep.images.leaks import find_leaks
from data_prep.images.nearness import MAX_BITS, Images, compare
from data_prep.outputs.quarantine import Fault, write_list
from data_prep.outputs.training_folder import (
    Image,
    TrainingManifest,
    counts_of,
    finished_manifest,
    open_folder,
    repeats_of,
    write_shards,
    write_training_manifest,
)
from data_prep.sources.inputs import Input
from data_prep.support.errors import PreparationError
from data_prep.support.output import Output
from data_prep.training.balance import Balance, expected_copies, repeated, uniform
from data_prep.training.rows import Form
from unifer_tasks.data.manifest import read_manifest
from unifer_tasks.support.counted import counted
from unifer_tasks.support.files import atomic_write_lines

LEAKS_NAME = "leaks.jsonl"
DUPLICATES_NAME = "duplicates.jsonl"
LEFT_OUT_NAME = "left_out.jsonl"

TRAIN, VALID = _PARTS = ("train", "valid")

LEAKED = "shows the same as a test image"
NO_VOTES = "nobody voted for an expression"


@dataclass(frozen=True, slots=True)
class Options:
    """How rows are chosen.

    Attributes:
        classes: Balance of the labels within a dataset.
        datasets: Balance of the datasets.
        rows: Expected training rows; None for the number of samples.
        valid: Share of samples held out for validation, which is neither balanced nor repeated.
        seed: Seed of both draws.
        keep_leaks: Keep training images that are also in the benchmark; they are still listed.
        near_bits: How many of the 256 bits of the perceptual hashes of near duplicates may differ.
    """

    classes: Balance = Balance.NONE
    datasets: Balance = Balance.NONE
    rows: int | None = None
    valid: float = 0.0
    seed: int = 0
    keep_leaks: bool = False
    near_bits: int = MAX_BITS


@dataclass(frozen=True, slots=True)
class Composition:
    """Inputs and options of a composition.

    Attributes:
        inputs: Samples to train on.
        form: Schema of a row.
        options: How rows are chosen.
        benchmark: A folder that `unifer-data ferbench` wrote, whose images must not be trained on;
            None for no check.
        partial: Accept sources whose counts differ from the official splits.
        count_tokens: Counts the tokens of a dataset's prompt with its image.
    """

    inputs: Sequence[Input]
    form: Form
    options: Options = field(default_factory=Options)
    benchmark: Path | None = None
    partial: bool = False
    count_tokens: Callable[[str], int] | None = None


def build(output: Output, composition: Composition) -> TrainingManifest:
    """Write a folder of training rows.

    If it is killed and started again, it continues and ends with the same bytes. A finished folder
    is kept as it is, including image paths that `rebase` changed.

    Raises:
        PreparationError: An archive or the folder is malformed, or a source's counts differ from
            its official split and `partial` is not set.
        DataError: The benchmark folder is missing or damaged.
    """
    out, form, options = output.folder, composition.form, composition.options
    open_folder(out)
    work = out / FOLDER
    work.mkdir(exist_ok=True)
    listed = [(given, list_entries(given, work)) for given in composition.inputs]
    differences = _differences(listed, composition.partial)
    tests, tested = _examine_benchmark(composition.benchmark, output)
    for given, listing in listed:
        examine(given, listing, output)
    remove_stale_findings(work, [listing for _, listing in listed])
    training = [path for _, listing in listed for path in listing.paths]
    recipe = {
        "kind": form.kind,
        **asdict(options),
        "inputs": [[given.name, given.split] for given, _ in listed],
        "examined": [path.stem for path in training],
        "tested_against": tested,
        "counted_tokens": composition.count_tokens is not None,
    }
    if (finished := finished_manifest(out, recipe)) is not None:
        return finished
    images = compare(training, tests, max_bits=options.near_bits, jobs=output.jobs)
    leaks = list(find_leaks(images))
    write_list(out / LEAKS_NAME, leaks)
    _list_duplicates(out, images)
    findings = [(given.root(output.images), listing.paths) for given, listing in listed]
    leaked = set() if options.keep_leaks else {(leak.dataset, leak.id) for leak in leaks}
    candidates = _Candidates(findings, leaked, options)
    survey = _survey(out, candidates)
    rows_of_image: dict[str, Counter[Image]] = {part: Counter() for part in _PARTS}
    shards = {
        part: write_shards(
            out, part, _rows(composition, candidates, survey, part, rows), form.schema
        )
        for part, rows in rows_of_image.items()
    }
    manifest = TrainingManifest(
        kind=form.kind,
        recipe=recipe,
        versions={name: version(name) for name in ("unifer", "pyarrow", "pillow")},
        roots={given.name: str(given.root(output.images)) for given, _ in listed},
        counts_in={dataset: dict(labels) for dataset, labels in survey.present.items()},
        counts_out={part: counts_of(rows) for part, rows in rows_of_image.items()},
        left_out=dict(survey.left_out),
        unusable=survey.unusable,
        shards=shards,
        differences=differences,
        repeats={part: repeats_of(rows) for part, rows in rows_of_image.items()},
    )
    write_training_manifest(out, manifest)
    return manifest


def _differences(listed: Sequence[tuple[Input, Listing]], partial: bool) -> tuple[str, ...]:
    """Return how the sources differ from the official counts, as only a partial build may."""
    found = tuple(
        difference for given, listing in listed for difference in given.differences(listing.counts)
    )
    if found and not partial:
        raise PreparationError(
            f"{counted(len(found), 'difference')} from the official counts, listed above; no rows "
            "were written. Download the archive again; --partial takes it as it is, and records it",
            found,
        )
    return found


def _examine_benchmark(
    folder: Path | None, output: Output
) -> tuple[list[Path], Mapping[str, Any] | None]:
    """Return the findings on a benchmark's images, and what the recipe says of it."""
    if folder is None:
        return [], None
    manifest = read_manifest(folder)
    tested = {
        "caveat": manifest.caveat(),
        "sha256": {key: file.sha256 for key, file in manifest.datasets.items()},
    }
    return examine_benchmark(folder, manifest, output), tested


def _list_duplicates(out: Path, images: Images) -> None:
    with atomic_write_lines(out / DUPLICATES_NAME) as write:
        for duplicate in find_duplicates(images):
            write({**asdict(duplicate), "conflict": duplicate.is_conflict})


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The samples to choose from, read anew at each pass.

    Attributes:
        findings: The folder below which a source's images lie, and the files of findings on them.
        leaked: Dataset and id of those that are left out since the benchmark has them.
        options: How rows are chosen.
    """

    findings: Sequence[tuple[Path, Sequence[Path]]]
    leaked: Set[tuple[str, str]]
    options: Options

    def __iter__(self) -> Iterator[Examined]:
        for root, paths in self.findings:
            for path in paths:
                for row in read_examined(path):
                    yield replace(row, file=f"{root}/{row.file}") if row.file else row

    def of(self, part: str) -> Iterator[Examined]:
        """Yield those that may be in a part."""
        return (row for row in self if self.reason(row) is None and self.part(row) == part)

    def reason(self, row: Examined) -> str | None:
        """Return why a sample is left out."""
        if row.left_out is not None:
            return row.left_out
        if row.votes is not None and not any(row.votes):
            return NO_VOTES
        return LEAKED if (row.dataset, row.id) in self.leaked else None

    def part(self, row: Examined) -> str:
        """Return a sample's part, drawn by its pixels, so that copies stay in one part."""
        is_valid = uniform(f"valid {row.pixels.hex()}", self.options.seed) < self.options.valid
        return VALID if is_valid else TRAIN


@dataclass(slots=True)
class _Survey:
    """Counts of the samples, taken in one pass before a row is written."""

    present: dict[str, Counter[str]]
    trained: dict[str, Counter[str]]
    left_out: Counter[str]
    unusable: int = 0


def _survey(out: Path, candidates: _Candidates) -> _Survey:
    """Count samples by dataset and label, and list those that are left out."""
    survey = _Survey(defaultdict(Counter), defaultdict(Counter), Counter())
    with atomic_write_lines(out / LEFT_OUT_NAME) as write:
        for row in candidates:
            if row.label is not None:
                survey.present[row.dataset][row.label] += 1
            reason = candidates.reason(row)
            if reason is not None:
                # What follows a colon differs from file to file.
                survey.left_out[reason.partition(":")[0]] += 1
                survey.unusable += row.left_out is not None and not row.by_rule
                write(asdict(Fault(row.dataset, row.id, row.file, reason)))
            elif candidates.part(row) == TRAIN:
                survey.trained[row.dataset][str(row.label)] += 1
    return survey


def _rows(
    composition: Composition,
    candidates: _Candidates,
    survey: _Survey,
    part: str,
    rows_of_image: Counter[Image],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a part and count those of each image."""
    options, count_tokens = composition.options, composition.count_tokens
    n_tokens = {key: count_tokens(key) for key in survey.present} if count_tokens else {}
    counts = survey.trained if part == TRAIN else {}
    expected = expected_copies(counts, options.classes, options.datasets, options.rows)
    chosen = ((Image(row.dataset, str(row.label), row.id), row) for row in candidates.of(part))
    for index, row in enumerate(repeated(chosen, expected, options.seed, rows_of_image)):
        yield composition.form.row(row, part, index, n_tokens.get(row.dataset))
