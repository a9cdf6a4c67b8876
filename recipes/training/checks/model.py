"""Whether a run's model can be loaded for it: weights, tokenizer, processor, eyes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from recipes.training.runs.checkpoints import is_checkpoint, newest_checkpoint, sharded
from unifer_tasks.harness.models.weights import (
    ADAPTER_CONFIG,
    MERGE,
    WeightsError,
    is_lfs_pointer,
    weight_files,
    weight_problems,
)

_HUB_ID = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)?", re.ASCII)
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE = {"1", "ON", "YES", "TRUE"}
_HUB_SECONDS = 20


def model_problems(name: str, key: str) -> Iterator[str]:
    """Yield what keeps a run, or an evaluation, from loading its model.

    Args:
        name: A Hugging Face folder or a hub id.
        key: The setting or argument that gives it.
    """
    folder = find_model(name)
    if folder is not None and (_is_local(name) or _is_whole(folder)):
        yield from _folder_problems(folder, key)
    elif Path(name).is_absolute() or not _HUB_ID.fullmatch(name):
        yield f"{name} is not a Hugging Face checkpoint ({key}): no config.json, nor a hub id"
    else:
        yield from _hub_problems(name, key)


def find_model(name: str) -> Path | None:
    """Return the folder of a model; None if there is none.

    It is its own, or that of the hub's cache, which may hold a part of the model: transformers
    downloads the rest.
    """
    if _is_local(name):
        return Path(name).expanduser()
    if Path(name).is_absolute() or not _HUB_ID.fullmatch(name):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def find_processor(name: str) -> Any | None:
    """Return the processor of a model; None where its files are not at hand.

    Raises:
        OSError, ValueError: See `load_processor`.
    """
    folder = find_model(name)
    return None if folder is None or _lacks_processor(folder) else load_processor(folder)


@lru_cache(maxsize=1)
def load_processor(folder: Path) -> Any:
    """Return the processor of a model's folder, read once and from its files alone.

    Raises:
        OSError: A file is missing or damaged.
        ValueError: transformers knows no such processor.
    """
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder, local_files_only=True)


def _folder_problems(folder: Path, key: str) -> Iterator[str]:
    config = folder / "config.json"
    if (folder / ADAPTER_CONFIG).is_file():
        yield from weight_problems(folder)
        return
    if not config.is_file():
        yield f"{folder} is not a Hugging Face checkpoint ({key}): no config.json; {_meant(folder)}"
        return
    if pointers := [p.name for p in sorted(folder.iterdir()) if p.is_file() and is_lfs_pointer(p)]:
        yield (
            f"{folder} holds Git-LFS pointers instead of files ({', '.join(pointers)}): "
            f"`git lfs pull` there, or `hf download`"
        )
        return
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"{config} cannot be read ({error}): download it again, or copy it"
        return
    if not isinstance(described, dict):
        yield f"{config} describes no model: download it again, or copy it"
        return
    if "vision_config" not in described:
        kind = described.get("model_type")
        yield f"{folder} is a model of text alone ({kind}), which sees no faces: give a VLM ({key})"
        return
    yield from weight_problems(folder)
    yield from _processor_problems(folder)


def _meant(given: Path) -> str:
    """Return what to give in the place of a folder, or a file, that is not a model."""
    if given.is_file():
        return f"give a folder, such as {given.parent}"
    step = next((path for path in (given, given.parent) if is_checkpoint(path)), None)
    if step is not None:
        whole = sharded(step) / "huggingface"
        if (whole / "config.json").is_file() and not any(weight_problems(whole)):
            return f"give {whole}"
        return f"merge it: {MERGE.replace('RUN/global_step_N', str(step))}"
    if (newest := newest_checkpoint(given)) is not None:
        return f"it is a run's folder, whose newest checkpoint is {newest}"
    return f"download it whole, or merge the run's checkpoint: {MERGE}"


def _is_local(name: str) -> bool:
    return Path(name).expanduser().exists()


def _is_whole(folder: Path) -> bool:
    """Return whether a folder holds every file that a run reads, whatever is in them."""
    try:
        weight_files(folder)
    except WeightsError:
        return False
    return (folder / "config.json").is_file() and _lacks_processor(folder) is None


def _lacks_processor(folder: Path) -> str | None:
    """Return the files that a folder's processor is missing; None if it has all."""
    # transformers makes an empty tokenizer where there are no files.
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        return "tokenizer"
    if not any((folder / f"{name}processor_config.json").is_file() for name in ("", "pre")):
        return "processor_config.json or preprocessor_config.json"
    return None


def _processor_problems(folder: Path) -> Iterator[str]:
    if lacking := _lacks_processor(folder):
        yield (
            f"{folder} has no {lacking}: copy tokenizer and processor from the model that it was "
            "trained from"
        )
        return
    try:
        processor = load_processor(folder)
    except Exception as error:  # tokenizers and transformers raise what they meet.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        yield (
            f"the tokenizer or processor of {folder} cannot be loaded ({reason}): copy them from "
            "the model that it was trained from"
        )
        return
    if not hasattr(processor, "image_processor"):
        yield f"{folder} has no image processor: copy it from the model that it was trained from"
    elif processor.chat_template is None:
        yield f"{folder} has no chat template: copy it from the model that it was trained from"


def _hub_problems(name: str, key: str) -> Iterator[str]:
    from huggingface_hub import model_info
    from huggingface_hub.errors import HfHubHTTPError

    absent = f"{name} ({key}) is not whole in the Hugging Face cache"
    remedy = f"download it with `hf download {name}` where there is a network, or give a folder"
    if offline := [var for var in _OFFLINE if os.environ.get(var, "").upper() in _TRUE]:
        yield f"{absent}, and {offline[0]} is set: {remedy}"
        return
    try:
        model_info(name, timeout=_HUB_SECONDS)
    except HfHubHTTPError as error:
        yield f"the hub does not give {name} ({key}): {str(error).strip().splitlines()[0]}"
    except Exception as error:  # The client's network library raises its own.
        yield f"{absent}, and the hub cannot be reached ({type(error).__name__}): {remedy}"
