"""Whether verl's datasets take a file's rows: its columns, the forms of its images, its lengths.

verl 0.9.1 reads an image when its batch comes, hours into a run, and takes other forms for SFT
(`utils/dataset/multiturn_sft_dataset.py`) than for GRPO (`rl_dataset.py`, and `fetch_image` of
qwen-vl-utils). An image that no `<image>` stands for, or the reverse, fails there or is not seen.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Stage = Literal["sft", "grpo"]
Config = Mapping[str, Any]

PLACEHOLDER = "<image>"
MAX_LISTED = 5

_BATCH_ROWS = 1024
_WRITES = {"sft": "unifer-data cot", "grpo": "unifer-data rlvr"}
_REMOTE = ("http://", "https://")


class RowsError(Exception):
    """A file is not a table of rows for its stage."""


@dataclass(slots=True)
class Found:
    """What is wrong with the rows of a file.

    Attributes:
        rows: How many rows it holds.
        malformed: Row -> what verl cannot read in it.
        missing: Image files that are not there.
        longest: Tokens of the longest row that is over the limit.
        overlong: How many rows are.
        blind: How many rows have no image.
    """

    rows: int = 0
    malformed: dict[int, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    longest: int = 0
    overlong: int = 0
    blind: int = 0


def examine_rows(stage: Stage, path: Path, data: Config, tokens: Tokens | None) -> Found:
    """Look at every row of a file as verl's dataset of the stage will.

    Args:
        stage: "sft" or "grpo".
        path: A parquet file.
        data: The group `data` of the resolved configuration.
        tokens: Counts tokens with the model's processor; None leaves lengths out.

    Raises:
        RowsError: It is no parquet file, or lacks a column that the stage reads.
    """
    messages_key, images_key = _keys(stage, data)
    limit = data["max_length" if stage == "sft" else "max_prompt_length"]
    found = Found()
    try:
        file = pq.ParquetFile(path)
        _check_columns(stage, path, file.schema_arrow.names, messages_key)
        has_images = images_key in file.schema_arrow.names
        decoded = stage == "grpo" and _is_image_feature(file.schema_arrow, images_key)
        columns = [messages_key, *([images_key] if has_images else [])]
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
            for row in batch.to_pylist():
                messages = row[messages_key]
                images = row[images_key] if has_images else ()
                if problem := _row_problem(stage, messages, images, has_images):
                    found.malformed[found.rows] = problem
                else:
                    pictures = [_picture(image, decoded) for image in images or ()]
                    found.blind += not pictures
                    _count(found, pictures, messages, limit, tokens)
                found.rows += 1
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise RowsError(f"{path} cannot be read as parquet ({reason}); write it again") from None
    return found


def told(path: Path, found: Found, stage: Stage) -> Iterator[str]:
    """Yield what is wrong with the rows of a file, one sentence a kind."""
    if found.malformed:
        listed = "; ".join(
            f"row {row}: {problem}" for row, problem in list(found.malformed.items())[:MAX_LISTED]
        )
        n = f"{len(found.malformed):,} of {found.rows:,}"
        yield f"verl cannot read {n} rows of {path}: {listed}"
    if found.missing:
        listed = ", ".join(found.missing[:MAX_LISTED])
        yield (
            f"{len(found.missing):,} images of {path} are not there, such as {listed}; "
            f"if they moved: unifer-data rebase {path.parent} --root NEW"
        )
    if found.overlong:
        key = "data.max_length" if stage == "sft" else "data.max_prompt_length"
        yield (
            f"{found.overlong:,} of {found.rows:,} rows of {path} are longer than {key}; "
            f"raise it to {found.longest} or more"
        )


def _keys(stage: Stage, data: Config) -> tuple[str, str]:
    messages = ("messages_key", "messages") if stage == "sft" else ("prompt_key", "prompt")
    return data.get(*messages), data.get("image_key", "images")


def _check_columns(stage: Stage, path: Path, names: Sequence[str], messages_key: str) -> None:
    read = (messages_key, *(("data_source", "reward_model") if stage == "grpo" else ()))
    if lacks := [name for name in read if name not in names]:
        others = {"messages", "prompt"} & {*names}
        other = "; these are rows of the other stage" if others else ""
        raise RowsError(
            f"{path} has no column {' and '.join(lacks)}, which {stage.upper()} reads{other}; "
            f"give the file that `{_WRITES[stage]}` writes"
        )


def _is_image_feature(schema: pa.Schema, key: str) -> bool:
    """Whether the file says that `datasets` shall decode its images, which GRPO's dataset asks."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return "Image" in json.dumps(features[key])
    except (KeyError, ValueError, TypeError):
        return False


def _row_problem(stage: Stage, messages: Any, images: Any, has_images: bool) -> str | None:
    if not isinstance(messages, list) or not messages or not isinstance(messages[0], Mapping):
        return "it has no list of messages"
    if images is None and stage == "sft":
        return "its images are null, which SFT does not take: give a list"
    if images is not None and not isinstance(images, list | tuple):
        return f"its images are one value ({_brief(images)}): give a list"
    asked = sum(
        message["content"].count(PLACEHOLDER)
        for message in messages
        if isinstance(message.get("content"), str)
    )
    given = len(images or ())
    if asked != given:
        where = "" if has_images else ", and the file has no column of them"
        return f"{asked} times {PLACEHOLDER} in its messages, and {given} images{where}"
    return next((p for image in images or () if (p := _image_problem(stage, image))), None)


def _image_problem(stage: Stage, image: Any) -> str | None:
    """Return why the stage cannot read an image; files are looked for elsewhere."""
    if isinstance(image, str):
        if stage == "sft":
            return "an image is a string, which SFT does not take: give {'image': PATH}"
        return _reference_problem(image)
    if not isinstance(image, Mapping):
        return f"an image is {_brief(image)}: give {{'image': PATH}}"
    reference = image.get("image", image.get("image_url"))
    if "bytes" in image:
        if stage == "sft" and "image" in image:
            return "an image has both `bytes` and `image`, which SFT does not take: leave one out"
        if image["bytes"] is None:
            # `datasets` decodes these; elsewhere verl opens nothing.
            return None if stage == "grpo" and image.get("path") else (
                "an image's `bytes` are null: give the bytes, or only {'image': PATH}"
            )  # fmt: skip
        if problem := _bytes_problem(image["bytes"]):
            return problem
    elif reference is None:
        return "an image has neither `image` nor `bytes`: give {'image': PATH}"
    elif problem := _reference_problem(reference):
        return problem
    sizes = [image[key] for key in ("resized_height", "resized_width") if key in image]
    if len(sizes) == 2 and not all(isinstance(size, int) and size > 0 for size in sizes):
        return "an image's `resized_height` and `resized_width` are not numbers: leave both out"
    return None


def _reference_problem(reference: Any) -> str | None:
    if not isinstance(reference, str) or not reference:
        return f"an image's reference is {_brief(reference)}: give a path"
    if reference.startswith("data:image"):
        try:
            return _bytes_problem(base64.b64decode(reference.partition("base64,")[2]))
        except binascii.Error:
            return "an image's base64 text is damaged"
    return None


def _bytes_problem(content: Any) -> str | None:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.verify()
    except Exception as error:  # Pillow's decoders raise whatever they meet.
        return f"an image's bytes are damaged ({type(error).__name__})"
    return None


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


@dataclass(frozen=True, slots=True)
class _Picture:
    """An image of a row: where it lies, or its bytes, and what size it is shown at."""

    file: Path | None
    content: bytes | None
    options: Mapping[str, Any]

    def size(self) -> tuple[int, int]:
        """Return width and height; of an image elsewhere, those of a small one."""
        source = io.BytesIO(self.content) if self.content is not None else self.file
        if source is None:
            return (1, 1)
        with Image.open(source) as image:
            return image.size


def _picture(image: Any, decoded: bool) -> _Picture:
    options = image if isinstance(image, Mapping) else {}
    if options.get("bytes") is not None:
        return _Picture(None, options["bytes"], options)
    reference = image if isinstance(image, str) else options.get("image", options.get("image_url"))
    if reference is None and decoded:
        reference = options["path"]
    if reference.startswith("data:image"):
        content = base64.b64decode(reference.partition("base64,")[2])
        return _Picture(None, content, options)
    if reference.startswith(_REMOTE):
        return _Picture(None, None, options)
    return _Picture(Path(reference.removeprefix("file://")), None, options)


def _count(
    found: Found,
    pictures: Sequence[_Picture],
    messages: Sequence[Mapping[str, Any]],
    limit: int,
    tokens: Tokens | None,
) -> None:
    gone = [str(p.file) for p in pictures if p.file is not None and not p.file.is_file()]
    found.missing += gone
    if gone or tokens is None:
        return
    try:
        n = tokens.of(messages, pictures, limit)
    except OSError as error:
        found.malformed[found.rows] = f"an image cannot be opened: {error}"
        return
    if n > limit:
        found.overlong += 1
        found.longest = max(found.longest, n)


class Tokens:
    """Counts the tokens of rows as verl does: with the model's chat template and processor."""

    def __init__(self, stage: Stage, processor: Any, options: Mapping[str, Any]) -> None:
        """Take a processor of Qwen's kind, whose images become tokens by their size.

        Args:
            stage: A prompt of GRPO ends where the response begins.
            processor: Of transformers.
            options: `data.apply_chat_template_kwargs`.
        """
        self._processor = processor
        self._options = {**options, "add_generation_prompt": stage == "grpo", "tokenize": False}
        self._text: dict[str, int] = {}
        self._image: dict[tuple[int, int], int] = {}
        self._frame: dict[tuple[str, ...], int] = {}

    def of(
        self, messages: Sequence[Mapping[str, Any]], pictures: Sequence[_Picture], limit: int
    ) -> int:
        """Return a row's tokens, or any number up to the limit where they cannot be above it.

        Raises:
            OSError: An image cannot be opened.
        """
        images = sum(self._image_tokens(picture) for picture in pictures)
        roles = tuple(str(message["role"]) for message in messages)
        if roles not in self._frame:
            empty = [{"role": role, "content": ""} for role in roles]
            self._frame[roles] = len(self._rendered(empty).encode())
        # A token is a byte or more.
        most = self._frame[roles] + images + sum(len(_texts(m).encode()) for m in messages)
        if most <= limit:
            return most
        text = self._rendered([{**m, "content": _parts(m["content"])} for m in messages])
        if text not in self._text:
            encoded = self._processor.tokenizer(text, add_special_tokens=False)
            self._text[text] = len(encoded["input_ids"])
        # Each image is one token of the text before it is expanded.
        return self._text[text] - len(pictures) + images

    def _rendered(self, messages: Sequence[Mapping[str, Any]]) -> str:
        return str(self._processor.apply_chat_template(list(messages), **self._options))

    def _image_tokens(self, picture: _Picture) -> int:
        from qwen_vl_utils.vision_process import smart_resize

        processor = self._processor.image_processor
        factor = processor.patch_size * processor.merge_size
        options = picture.options
        if "resized_height" in options and "resized_width" in options:
            height, width = smart_resize(
                options["resized_height"], options["resized_width"], factor=factor
            )
        else:
            width, height = picture.size()
            height, width = smart_resize(
                height,
                width,
                factor=factor,
                min_pixels=options.get("min_pixels"),
                max_pixels=options.get("max_pixels"),
            )
        if (width, height) not in self._image:
            shown = processor(images=[Image.new("RGB", (width, height))], return_tensors="pt")
            patches = int(shown["image_grid_thw"].prod())
            self._image[width, height] = patches // processor.merge_size**2
        return self._image[width, height]


def _texts(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else json.dumps(content, default=str)


def _parts(content: Any) -> Any:
    """Return a content as verl builds it: a part for each image, and for the text between."""
    if not isinstance(content, str):
        return content
    first, *rest = content.split(PLACEHOLDER)
    parts: list[dict[str, str]] = [{"type": "text", "text": first}] if first else []
    for text in rest:
        parts.append({"type": "image"})
        if text:
            parts.append({"type": "text", "text": text})
    return parts
