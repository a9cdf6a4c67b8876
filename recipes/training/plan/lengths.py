"""How long the sequences of a run are: counted from its rows, or assumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq

from recipes.training.checks.images import picture
from recipes.training.checks.shapes import VisionShape
from recipes.training.checks.tokens import find_tokens
from recipes.training.configuration.settings import ConfigurationError, GrpoSettings, Settings
from unifer_tasks.protocol.images import IMAGE_SIZE

TEXT = {"sft": 271, "grpo": 71}
"""Text of a row: FERBench's question in Qwen's chat template is 71 tokens; a rationale of
UniFER-CoT and its answer are taken to be some 200."""

RESPONSE = {"sft": 0, "grpo": 200}
"""Tokens that are sampled for a prompt: as long as the rationales of the cold start."""

_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of a sequence.

    Attributes:
        text: Of its text in the data, the chat template included: the question, in SFT the answer
            too; the mean.
        image: Of an image.
        images: Images of a sequence.
        response: Of the response that is sampled; the mean, 0 in SFT.
        longest: Of the longest sequence that the configuration admits.
        source: Where the figures are from.
    """

    text: int
    image: int
    images: int
    response: int
    longest: int
    source: str

    @property
    def mean(self) -> int:
        """Tokens of a whole sequence; no more than the longest."""
        return min(self.longest, self.text + self.images * self.image + self.response)


@dataclass(frozen=True, slots=True)
class Assumed:
    """Assumptions in place of what is not in the configuration or the data.

    Attributes:
        rows: Rows to train on; None to count them.
        image_side: Pixels of an image's sides.
        text: Tokens of a row's text; None to count them.
        response: Tokens of a response; None for `RESPONSE`.
        rate: Tokens a second of a GPU; None for a published rate.
        sampled: Prompts that dynamic sampling samples for one that is trained on; None for
            `workload.SAMPLED`.
    """

    rows: int | None = None
    image_side: int = IMAGE_SIZE[0]
    text: int | None = None
    response: int | None = None
    rate: float | None = None
    sampled: float | None = None


def lengths_of(settings: Settings, vision: VisionShape, assumed: Assumed) -> Lengths:
    """Return the lengths of a run's sequences.

    Args:
        settings: Of the run.
        vision: Of its model.
        assumed: Lengths given in place of rows.

    Raises:
        ConfigurationError: A given response is longer than any that the run samples.
    """
    stage, method = settings.stage, settings.method
    sampled = method.rollout.response_length if isinstance(method, GrpoSettings) else 0
    if assumed.response is not None and assumed.response > sampled:
        raise ConfigurationError(
            f"--response-tokens {assumed.response} exceeds data.max_response_length={sampled}"
            if sampled
            else "--response-tokens is of GRPO, and SFT samples no responses: leave it out"
        )
    response = RESPONSE[stage] if assumed.response is None else assumed.response
    assumption = Lengths(
        text=TEXT[stage] if assumed.text is None else assumed.text,
        image=vision.image_tokens(assumed.image_side, assumed.image_side),
        images=1,
        response=min(response, sampled),
        longest=settings.data.max_length + sampled,
        source="assumed",
    )
    if assumed.rows is not None or assumed.text is not None or settings.data.has_own_dataset:
        return assumption
    return _counted(settings, assumption) or assumption


def length_problems(settings: Settings, lengths: Lengths) -> Iterator[str]:
    """Yield why the rows of a run would be too long for it.

    Args:
        settings: Of the run.
        lengths: Of its sequences.
    """
    images = lengths.images * lengths.image
    tokens, most = lengths.text + images, settings.data.max_length
    if tokens > most:
        yield (
            f"a row takes {tokens:,} tokens ({lengths.text:,} of text and {images:,} of images, "
            f"{lengths.source}), and {settings.data.length_key}={most}: raise it to {tokens} or "
            "more"
        )


def _counted(settings: Settings, assumption: Lengths) -> Lengths | None:
    """Count the tokens of some rows; None where model or rows are not at hand."""
    tokens = find_tokens(settings)
    files = settings.data.train_files
    if tokens is None or not files:
        return None
    texts, images, counts = [], [], []
    for messages, given in _rows(files[0], settings):
        pictures = [picture(image, decoded=False) for image in given]
        of_images = [tokens.of_image(each) for each in pictures]
        texts.append(tokens.of(messages, pictures, limit=-1) - sum(of_images))
        images += of_images
        counts.append(len(of_images))
    if not texts:
        return None
    return replace(
        assumption,
        text=round(fmean(texts)),
        image=round(fmean(images)) if images else 0,
        images=max(counts),
        source=f"counted in {len(texts):,} rows",
    )


def _rows(file: Path, settings: Settings) -> Sequence[tuple[list[dict[str, str]], list[object]]]:
    messages, images = settings.data.messages_key, settings.data.images_key
    names = pq.read_schema(file).names
    columns = [name for name in (messages, images) if name in names]
    batch = next(pq.ParquetFile(file).iter_batches(_SAMPLE, columns=columns), None)
    rows = [] if batch is None else batch.to_pylist()
    return [(row[messages], row.get(images) or []) for row in rows]
