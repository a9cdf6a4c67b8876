"""What can be known to fail before any GPU time is spent.

verl drops a group whose reward raised and exits 0, leaves out rows that raise while they are
filtered, and reads an image only when its batch comes. All of that can be tried beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from recipes.batches import grpo_batches, sft_batches
from unifer_rewards.preflight import validate

Stage = Literal["sft", "grpo"]
Config = Mapping[str, Any]

VERL = "0.9.1"
MAX_LISTED = 5


class PreflightError(Exception):
    """A run that would fail; the message lists every reason with its remedy."""


def preflight(stage: Stage, config: Config) -> dict[str, int]:
    """Checks versions, devices, model, data and batches of a run.

    Args:
        stage: "sft" or "grpo".
        config: The whole configuration of verl's trainer, resolved.

    Returns:
        Data file -> rows.

    Raises:
        PreflightError: Something is missing or does not fit.
    """
    rows: dict[str, int] = {}
    problems = [
        *_versions(stage, config),
        *_devices(config),
        *_model(stage, config),
        *_data(stage, config, rows),
        *_batches(stage, config, rows),
    ]
    if problems:
        raise PreflightError("\n".join(f"- {problem}" for problem in problems))
    return rows


def _versions(stage: Stage, config: Config) -> Iterator[str]:
    try:
        found = version("verl")
        if found != VERL:
            yield f"verl {found} is installed, the recipes are for {VERL}: pip install verl=={VERL}"
    except PackageNotFoundError:
        yield "verl is not installed: pip install 'unifer[train]'"
    if stage == "grpo" and find_spec("vllm") is None:
        yield "vllm is not installed: pip install 'unifer[train]'"
    if model_config(stage, config)["use_remove_padding"] and find_spec("flash_attn") is None:
        yield (
            "flash-attn is not installed: pip install flash-attn --no-build-isolation, or give "
            f"{_prefix(stage)}.use_remove_padding=false "
            f"+{_prefix(stage)}.override_config.attn_implementation=sdpa"
        )


def _devices(config: Config) -> Iterator[str]:
    wanted = config["trainer"]["n_gpus_per_node"]
    if os.environ.get("VERL_PLATFORM") != "cpu" and "RAY_ADDRESS" not in os.environ:
        import torch

        found = torch.cuda.device_count()
        if found < wanted:
            yield f"{found} GPUs are visible, trainer.n_gpus_per_node asks for {wanted}"


def _model(stage: Stage, config: Config) -> Iterator[str]:
    path = Path(str(model_config(stage, config)["path"])).expanduser()
    is_local = path.is_absolute() or path.exists()
    if is_local and not (path / "config.json").is_file():
        yield f"{path} is no Hugging Face checkpoint ({_prefix(stage)}.path): no config.json"


def _data(stage: Stage, config: Config, rows: dict[str, int]) -> Iterator[str]:
    for key in ("train_files", "val_files"):
        files = data_files(config, key)
        for file in files:
            yield from _file(stage, config, file, f"data.{key}", rows)
        if not files:
            yield f"data.{key} is not given"


def _file(
    stage: Stage, config: Config, path: Path, key: str, rows: dict[str, int]
) -> Iterator[str]:
    if not path.is_file():
        yield f"{path} is no file ({key}); write it by `unifer-data`"
        return
    table = pq.read_table(path)
    rows[str(path)] = table.num_rows
    if "images" in table.column_names:
        yield from _images(path, table.column("images").to_pylist())
    if stage == "grpo":
        options = config["reward"]["custom_reward_function"].get("reward_kwargs") or {}
        columns = ["data_source", "reward_model", "extra_info"]
        try:
            validate(table.select(columns).to_pylist(), **options)
        except (KeyError, ValueError) as error:
            yield f"{path} and the reward do not fit together: {error}"


def _images(path: Path, images: Iterable[list[Mapping[str, Any]]]) -> Iterator[str]:
    missing = [i["image"] for row in images for i in row if not Path(i["image"]).is_file()]
    if missing:
        listed = ", ".join(missing[:MAX_LISTED])
        yield (
            f"{len(missing):,} images of {path} are not there, such as {listed}; "
            f"if they moved: unifer-data rebase {path.parent} --root NEW"
        )


def _batches(stage: Stage, config: Config, rows: Mapping[str, int]) -> Iterator[str]:
    n_train, n_valid = (n_rows(config, part, rows) for part in ("train", "val"))
    if not n_train or not n_valid:
        return  # What is missing has been told.
    if stage == "sft":
        yield from sft_batches(config, n_train, n_valid)
    else:
        yield from grpo_batches(config, n_train)


def n_rows(config: Config, part: str, rows: Mapping[str, int]) -> int:
    """Returns how many rows verl will read; 0 where a file is missing.

    Args:
        config: The resolved configuration.
        part: "train" or "val".
        rows: Data file -> rows.
    """
    files = data_files(config, f"{part}_files")
    if not all(str(file) in rows for file in files):
        return 0
    total = sum(rows[str(file)] for file in files)
    most = config["data"].get(f"{part}_max_samples", -1)
    return min(total, most) if most > 0 else total


def data_files(config: Config, key: str) -> list[Path]:
    """Returns the files of `data.train_files` or `data.val_files`: one path, several or none."""
    files = config["data"][key]
    return [
        Path(file).expanduser() for file in ([files] if isinstance(files, str) else files or ())
    ]


def model_config(stage: Stage, config: Config) -> Config:
    """Returns what a stage's configuration says of the model."""
    model: Config = config["model"] if stage == "sft" else config["actor_rollout_ref"]["model"]
    return model


def _prefix(stage: Stage) -> str:
    return "model" if stage == "sft" else "actor_rollout_ref.model"
