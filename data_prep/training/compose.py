"""Sources of training images -> rows for verl, without the images of the benchmark.

The official training splits hold 329,371 samples (RAF-DB 12,271, FERPlus 28,558, AffectNet 287,651,
SFEW 891), 332,950 with FERPlus's validation split. The paper's 360K is not a sum of these.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_prep.images.duplicates import Duplicate, find_duplicates
from data_prep.images.fingerprints import (
    FOLDER,
    Examined,
    examine,
    examine_benchmark,
    list_entries,
    read_examined,
    remove_stale_findings,
)
from data_prep.images.leaks import find_leaks
from data_prep.images.nearness import MAX_BITS, Images, compare
from data_prep.outputs.quarantine import read_list
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
from data_prep.support.errors import BuildError
from data_prep.support.output import Output
from data_prep.training.balance import Balance, copies, expected_copies, uniform
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


_Findings = tuple[Path, Sequence[Path]]
"""The folder below which a source's images lie, and the files of findings on them."""


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
    out, inputs, options = output.folder, composition.inputs, composition.options
    open_folder(out)
    work = out / FOLDER
    work.mkdir(exist_ok=True)
    listings = [list_entries(given, work) for given in inputs]
    differences = tuple(
        difference
        for given, listing in zip(inputs, listings, strict=True)
        for difference in given.differences(listing.counts)
    )
    if differences and not composition.partial:
        raise BuildError(
            f"{counted(len(differences), 'difference')} from the official counts, listed above; no "
            "rows were written. Download the archive again; --partial takes it as it is, and "
            "records it",
            differences,
        )
    tests: list[Path] = []
    tested: Mapping[str, Any] | None = None
    if composition.benchmark is not None:
        manifest = read_manifest(composition.benchmark)
        tests = examine_benchmark(composition.benchmark, manifest, output)
        tested = {
            "caveat": manifest.caveat(),
            "sha256": {key: file.sha256 for key, file in manifest.datasets.items()},
        }
    for given, listing in zip(inputs, listings, strict=True):
        examine(given, listing, output)
    remove_stale_findings(work, listings)
    training = [path for listing in listings for path in listing.paths]
    recipe = {
        "kind": composition.form.kind,
        **asdict(options),
        "inputs": [[given.name, given.split] for given in inputs],
        "examined": [path.stem for path in training],
        "tested_against": tested,
        "counted_tokens": composition.count_tokens is not None,
    }
    finished = finished_manifest(out, recipe)
    if finished is not None:
        return finished
    images = compare(training, tests, max_bits=options.near_bits, jobs=output.jobs)
    leaked = _list_leaks(out, images)
    _list_duplicates(out, images)
    findings = [
        (given.root(output.images), listing.paths)
        for given, listing in zip(inputs, listings, strict=True)
    ]
    written = _write(out, composition, findings, leaked)
    roots = {given.name: str(given.root(output.images)) for given in inputs}
    whole = replace(written, recipe=recipe, roots=roots, differences=differences)
    write_training_manifest(out, whole)
    return whole


def _list_leaks(out: Path, images: Images) -> set[tuple[str, str]]:
    leaked = set()
    with atomic_write_lines(out / LEAKS_NAME) as write:
        for leak in find_leaks(images):
            write(asdict(leak))
            leaked.add((leak.dataset, leak.id))
    return leaked


def _list_duplicates(out: Path, images: Images) -> None:
    with atomic_write_lines(out / DUPLICATES_NAME) as write:
        for duplicate in find_duplicates(images):
            write({**asdict(duplicate), "conflict": duplicate.is_conflict})


def listed_duplicates(out: Path) -> Iterator[Duplicate]:
    """Read the list of near duplicates that a build wrote (see `read_list`)."""
    return read_list(Duplicate, out / DUPLICATES_NAME)


@dataclass(slots=True)
class _Survey:
    """Counts of the samples, taken in one pass before a row is written."""

    present: dict[str, Counter[str]]
    trained: dict[str, Counter[str]]
    left_out: Counter[str]
    unusable: int = 0


def _survey(
    out: Path, findings: Sequence[_Findings], leaked: set[tuple[str, str]], options: Options
) -> _Survey:
    """Count samples by dataset and label, and list those that are left out."""
    survey = _Survey(defaultdict(Counter), defaultdict(Counter), Counter())
    with atomic_write_lines(out / LEFT_OUT_NAME) as write:
        for row in _rows(findings):
            if row.label is not None:
                survey.present[row.dataset][row.label] += 1
            reason = _reason(row, leaked)
            if reason is not None:
                # What follows a colon differs from file to file.
                survey.left_out[reason.partition(":")[0]] += 1
                survey.unusable += row.left_out is not None and not row.by_rule
                where = {"dataset": row.dataset, "id": row.id, "file": row.file}
                write({**where, "reason": reason})
            elif not _is_valid(row, options):
                survey.trained[row.dataset][str(row.label)] += 1
    return survey


def _write(
    out: Path,
    composition: Composition,
    findings: Sequence[_Findings],
    leaked: set[tuple[str, str]],
) -> TrainingManifest:
    """Write lists and shards; return their manifest, not yet written."""
    form, options, count_tokens = composition.form, composition.options, composition.count_tokens
    leaked = set() if options.keep_leaks else leaked
    survey = _survey(out, findings, leaked, options)
    expected = expected_copies(survey.trained, options.classes, options.datasets, options.rows)
    n_tokens = {key: count_tokens(key) for key in survey.present} if count_tokens else {}
    rows_of_image: dict[str, Counter[Image]] = {part: Counter() for part in _PARTS}

    def rows_of(part: str) -> Iterator[dict[str, Any]]:
        index = 0
        for row in _rows(findings):
            if _reason(row, leaked) is not None or _is_valid(row, options) != (part == VALID):
                continue
            label = str(row.label)
            wanted = 1.0 if part == VALID else expected[row.dataset, label]
            n = copies(wanted, f"copies {row.dataset} {row.id}", options.seed)
            rows_of_image[part][Image(row.dataset, label, row.id)] += n
            for _ in range(n):
                yield form.row(row, part, index, n_tokens.get(row.dataset))
                index += 1

    shards = {part: write_shards(out, part, rows_of(part), form.schema) for part in _PARTS}
    return TrainingManifest(
        kind=form.kind,
        recipe={},
        versions={name: version(name) for name in ("unifer", "pyarrow", "pillow")},
        roots={},
        counts_in={dataset: dict(labels) for dataset, labels in survey.present.items()},
        counts_out={part: counts_of(rows) for part, rows in rows_of_image.items()},
        left_out=dict(survey.left_out),
        unusable=survey.unusable,
        shards=shards,
        repeats={part: repeats_of(rows) for part, rows in rows_of_image.items()},
    )


def _rows(findings: Sequence[_Findings]) -> Iterator[Examined]:
    for root, paths in findings:
        for path in paths:
            for row in read_examined(path):
                yield replace(row, file=f"{root}/{row.file}") if row.file else row


def _reason(row: Examined, leaked: set[tuple[str, str]]) -> str | None:
    if row.left_out is not None:
        return row.left_out
    if row.votes is not None and not any(row.votes):
        return NO_VOTES
    return LEAKED if (row.dataset, row.id) in leaked else None


def _is_valid(row: Examined, options: Options) -> bool:
    """Return whether a row is held out, by its pixels, so that copies stay in one part."""
    return uniform(f"valid {row.pixels.hex()}", options.seed) < options.valid
