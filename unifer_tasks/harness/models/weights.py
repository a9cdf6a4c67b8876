"""Whether a checkpoint holds every weight of its model; transformers draws the missing ones.

Names and shapes come from the files' headers, and transformers' own loader compares them with the
model on the meta device, where a tensor has no bytes: old layouts and tied weights count as they
do when the model is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER_CONFIG = "adapter_config.json"
MERGE = "unifer-train merge RUN/global_step_N OUT"

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_LFS_POINTER = b"version https://git-lfs"


class WeightsError(ValueError):
    """A checkpoint's files cannot be read as weights; the message names the remedy."""


def weight_problems(checkpoint: Path) -> Iterator[str]:
    """Yield what keeps a folder from being loaded as the whole model that its config describes.

    Args:
        checkpoint: A local Hugging Face folder with a `config.json`.

    Yields:
        A sentence a problem, with its remedy: an adapter that was not merged, files that are
        missing, cut off or Git-LFS pointers, parameters without weights, other shapes. Nothing
        for a quantized model or one with code of its own, whose names only its loader knows.
    """
    if (checkpoint / ADAPTER_CONFIG).is_file():
        yield (
            f"{checkpoint} is a LoRA adapter ({ADAPTER_CONFIG}) and not a whole model; "
            f"{_merge_first(checkpoint)}"
        )
        return
    try:
        files = weight_files(checkpoint)
        config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
        weights = {name: tensor for file in files for name, tensor in _headers(file).items()}
    except WeightsError as error:
        yield str(error)
        return
    except (OSError, ValueError) as error:
        yield f"{checkpoint / 'config.json'} cannot be read: {error}"
        return
    if unmerged := [name for name in weights if is_adapter(name)]:
        yield (
            f"{checkpoint} holds a LoRA adapter that was not merged (such as {unmerged[0]}); "
            f"{_merge_first(checkpoint)}"
        )
        return
    if "quantization_config" in config or "auto_map" in config:
        return
    try:
        info = _dry_load(checkpoint, weights)
    except (ValueError, KeyError, OSError) as error:
        yield f"transformers cannot load {checkpoint}: {str(error).splitlines()[0]}"
        return
    yield from loading_problems(str(checkpoint), info)


def loading_problems(checkpoint: str, info: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems that transformers' loader met.

    Args:
        checkpoint: The folder or hub id that was loaded.
        info: Of `from_pretrained(..., output_loading_info=True)`.
    """
    unexpected = sorted(info["unexpected_keys"])
    if any(map(is_adapter, unexpected)):
        yield f"{checkpoint} holds a LoRA adapter that was not merged; merge it first: {MERGE}"
    elif missing := sorted(info["missing_keys"]):
        found = f", but {_some(unexpected)}, which the model lacks" if unexpected else ""
        yield (
            f"{checkpoint} holds no weights for {_some(missing)}{found}: transformers would draw "
            "them at random; give a folder with the whole model"
        )
    elif mismatched := sorted(info["mismatched_keys"]):
        name, found, expected = mismatched[0]
        others = f", and {len(mismatched) - 1:,} more likewise" if len(mismatched) > 1 else ""
        yield (
            f"{checkpoint} holds {name} in shape {tuple(found)}, its config.json describes "
            f"{tuple(expected)}{others}; give a folder whose config and weights belong together"
        )


def refuse(problems: Iterable[str]) -> None:
    """Refuse a checkpoint that has problems.

    Raises:
        WeightsError: It has some.
    """
    if found := list(problems):
        raise WeightsError("; ".join(found))


def is_adapter(name: str) -> bool:
    """Return whether a weight's name is one of a model that peft wraps."""
    return name.startswith("base_model.") or ".lora_" in name or ".base_layer." in name


def weight_files(checkpoint: Path) -> Sequence[Path]:
    """Return a checkpoint's weight files, in the order in which transformers looks for them.

    Raises:
        WeightsError: There are none, or an index names a file that is not there.
    """
    for name in _WEIGHTS:
        if (checkpoint / name).is_file():
            return [checkpoint / name]
        index = checkpoint / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    raise WeightsError(
        f"{checkpoint} holds no weights: neither {_WEIGHTS[0]} nor {_WEIGHTS[0]}.index.json; "
        "download it whole, or merge the run's checkpoint: " + MERGE
    )


def _shards(index: Path) -> Sequence[Path]:
    _refuse_pointer(index)
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{index} cannot be read ({error!r}); download it again") from error
    missing = sorted(name for name in names if not (index.parent / name).is_file())
    if missing:
        raise WeightsError(
            f"{index} names {_some(missing)}, not in {index.parent}; download the model whole"
        )
    return [index.parent / name for name in sorted(names)]


def _headers(file: Path) -> dict[str, Tensor]:
    """Name -> a tensor without bytes, of the file's shape."""
    from transformers.modeling_utils import load_state_dict

    _refuse_pointer(file)
    try:
        headers: dict[str, Tensor] = load_state_dict(file, map_location="meta")
    # safetensors and torch.load raise errors of many types.
    except Exception as error:
        raise WeightsError(
            f"{file} cannot be read as weights ({error}); it may be cut off: copy or download it "
            "again"
        ) from error
    return headers


def is_lfs_pointer(file: Path) -> bool:
    """Return whether git left a note of a file's hash in its place."""
    with file.open("rb") as opened:
        return opened.read(len(_LFS_POINTER)) == _LFS_POINTER


def _refuse_pointer(file: Path) -> None:
    if is_lfs_pointer(file):
        raise WeightsError(
            f"{file} is a Git-LFS pointer and not the weights; run `git lfs pull` in {file.parent}"
        )


def model_class(config: Any) -> Any:
    """Return the class that transformers generates text with.

    Args:
        config: A model's configuration, of transformers.

    Raises:
        ValueError: There is none for models of this type.
    """
    import transformers

    kinds = (transformers.AutoModelForImageTextToText, transformers.AutoModelForCausalLM)
    found = next(
        filter(None, (kind._model_mapping.get(type(config), None) for kind in kinds)), None
    )
    if found is None:
        raise ValueError(f"a model of type {config.model_type} does not generate text")
    return found


def _dry_load(checkpoint: Path, weights: Mapping[str, Tensor]) -> Mapping[str, Any]:
    import transformers

    config = transformers.AutoConfig.from_pretrained(checkpoint)
    model = model_class(config)
    is_tied = getattr(config, "tie_word_embeddings", False)
    tied = (model._tied_weights_keys or ()) if is_tied else ()
    # A tied weight that is there all the same would be compared by value.
    given = {name: tensor for name, tensor in weights.items() if name not in tied}
    with _quiet():
        _, info = model.from_pretrained(
            None,
            config=config,
            state_dict=given,
            device_map="meta",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    return dict(info)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bar and its table of missing weights."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _merge_first(checkpoint: Path) -> str:
    parents = (checkpoint, *checkpoint.absolute().parents)
    step = next((p for p in parents if p.name.startswith("global_step_")), None)
    command = MERGE if step is None else MERGE.replace("RUN/global_step_N", str(step))
    return f"merge it first: {command}"


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:3])
    return listed if len(names) <= 3 else f"{listed} and {len(names) - 3:,} more"
