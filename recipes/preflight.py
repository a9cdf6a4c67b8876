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

from unifer_rewards.preflight import validate

Stage = Literal["sft", "grpo"]
Config = Mapping[str, Any]

VERL = "0.9.1"
MAX_LISTED = 5


class PreflightError(Exception):
    """A run that would fail; the message lists every reason with its remedy."""


def preflight(stage: Stage, config: Config) -> dict[str, int]:
    """Checks versions, devices, model and data of a run.

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
        *_devices(stage, config),
        *_model(stage, config),
        *_data(stage, config, rows),
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
    if _model_config(stage, config)["use_remove_padding"] and find_spec("flash_attn") is None:
        yield (
            "flash-attn is not installed: pip install flash-attn --no-build-isolation, or give "
            f"{_prefix(stage)}.use_remove_padding=false "
            f"+{_prefix(stage)}.override_config.attn_implementation=sdpa"
        )


def _devices(stage: Stage, config: Config) -> Iterator[str]:
    trainer = config["trainer"]
    wanted = trainer["n_gpus_per_node"]
    total = wanted * trainer["nnodes"]
    if os.environ.get("VERL_PLATFORM") != "cpu" and "RAY_ADDRESS" not in os.environ:
        import torch

        found = torch.cuda.device_count()
        if found < wanted:
            yield f"{found} GPUs are visible, trainer.n_gpus_per_node asks for {wanted}"
    batch = config["data"]["train_batch_size"]
    rollouts = config["actor_rollout_ref"]["rollout"]["n"] if stage == "grpo" else 1
    if batch * rollouts % total:
        yield f"data.train_batch_size={batch} x {rollouts} does not share out over {total} GPUs"
    if stage == "grpo":
        parallel = config["actor_rollout_ref"]["rollout"]["tensor_model_parallel_size"]
        if total % parallel:
            yield f"{total} GPUs do not share out over rollouts of {parallel} GPUs"


def _model(stage: Stage, config: Config) -> Iterator[str]:
    path = Path(str(_model_config(stage, config)["path"])).expanduser()
    is_local = path.is_absolute() or path.exists()
    if is_local and not (path / "config.json").is_file():
        yield f"{path} is no Hugging Face checkpoint ({_prefix(stage)}.path): no config.json"


def _data(stage: Stage, config: Config, rows: dict[str, int]) -> Iterator[str]:
    for key in ("train_files", "val_files"):
        files = config["data"][key]
        for file in [files] if isinstance(files, str) else files or ():
            yield from _file(stage, config, Path(file).expanduser(), f"data.{key}", rows)
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


def _model_config(stage: Stage, config: Config) -> Config:
    model: Config = config["model"] if stage == "sft" else config["actor_rollout_ref"]["model"]
    return model


def _prefix(stage: Stage) -> str:
    return "model" if stage == "sft" else "actor_rollout_ref.model"
