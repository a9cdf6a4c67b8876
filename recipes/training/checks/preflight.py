"""What can be known to fail before any GPU time is spent.

verl drops a group whose reward raised and exits 0, leaves out rows that raise while they are
filtered, and reads an image only when its batch comes. All of that can be tried beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recipes.training.checks.adapters import adapter_problems
from recipes.training.checks.batches import grpo_batches, sft_batches, smallest_micro_batch
from recipes.training.checks.model import find_model, load_processor, model_problems
from recipes.training.checks.rows import RowsError, Stage, Tokens, examine_rows, told
from recipes.training.checks.unread import folder_problems, number_problems, setting_problems
from unifer_rewards.preflight import validate
from unifer_tasks.support.extras import BACKENDS, TRAIN

Config = Mapping[str, Any]

VERL = "0.9.1"
OUR_REWARD = "pkg://unifer_rewards.fer"


class PreflightError(Exception):
    """A run that would fail; the message lists every reason with its remedy."""


def preflight(stage: Stage, config: Config) -> dict[str, int]:
    """Check versions, devices, settings, model, data and batches of a run.

    Args:
        stage: "sft" or "grpo".
        config: The whole configuration of verl's trainer, resolved.

    Returns:
        Data file -> rows.

    Raises:
        PreflightError: Something is missing or does not fit.
    """
    rows: dict[str, int] = {}
    problems = list(number_problems(stage, config))
    if not problems:
        model = [*model_problems(_model_name(stage, config), f"{_prefix(stage)}.path")]
        problems = [
            *_versions(stage, config),
            *_devices(config),
            *setting_problems(stage, config),
            *folder_problems(config),
            *model,
            *adapter_problems(stage, model_config(stage, config)),
            *_data(stage, config, rows, None if model else _tokens(stage, config)),
            *_batches(stage, config, rows),
            *_reward_file(stage, config),
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
        yield f"verl is not installed: {TRAIN.install}"
    if stage == "grpo" and BACKENDS["vllm"].missing():
        yield f"vllm is not installed: {TRAIN.install}"
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


def _model_name(stage: Stage, config: Config) -> str:
    return str(model_config(stage, config)["path"])


def _tokens(stage: Stage, config: Config) -> Tokens | None:
    """Return what counts a row's tokens; None for a model that is still to be downloaded."""
    folder = find_model(_model_name(stage, config))
    if folder is None:
        return None
    processor = load_processor(folder)
    if not hasattr(processor.image_processor, "merge_size"):
        return None  # Not of Qwen's kind: how many tokens an image takes is its own affair.
    return Tokens(stage, processor, config["data"].get("apply_chat_template_kwargs") or {})


def _data(
    stage: Stage, config: Config, rows: dict[str, int], tokens: Tokens | None
) -> Iterator[str]:
    for key in ("train_files", "val_files"):
        files = data_files(config, key)
        for file in files:
            yield from _file(stage, config, file, f"data.{key}", rows, tokens)
        if not files:
            yield f"data.{key} is not given"


def _file(
    stage: Stage, config: Config, path: Path, key: str, rows: dict[str, int], tokens: Tokens | None
) -> Iterator[str]:
    if not path.is_file():
        yield f"{path} is no file ({key}); write it by `unifer-data`"
        return
    if config["data"].get("custom_cls", {}).get("path") is not None:
        rows[str(path)] = pq.read_metadata(path).num_rows
        return  # Its rows are what that class takes.
    try:
        found = examine_rows(stage, path, config["data"], tokens)
    except RowsError as error:
        yield f"{error} ({key})"
        return
    rows[str(path)] = found.rows
    yield from told(path, found, stage)
    # models/transformers/qwen2_vl.py, _get_input_embeds: `.mean()` of what transformers 5 returns.
    if found.blind and found.blind * _rollouts(stage, config) >= smallest_micro_batch(config):
        yield (
            f"{found.blind:,} of {found.rows:,} rows of {path} have no image, and verl {VERL} "
            "fails on a micro-batch of such rows; leave them out"
        )
    if stage == "grpo":
        yield from _reward(config, path)


def _rollouts(stage: Stage, config: Config) -> int:
    return 1 if stage == "sft" else int(config["actor_rollout_ref"]["rollout"]["n"])


def _reward_file(stage: Stage, config: Config) -> Iterator[str]:
    if stage == "grpo":
        path = str(config["reward"]["custom_reward_function"]["path"])
        if not path.startswith("pkg://") and not Path(path).is_file():
            yield f"reward.custom_reward_function.path={path} is no file, and no pkg://MODULE"


def _reward(config: Config, path: Path) -> Iterator[str]:
    function = config["reward"]["custom_reward_function"]
    if function["path"] != OUR_REWARD:
        return  # Its rows are what that reward reads.
    options = function.get("reward_kwargs") or {}
    there = pq.read_schema(path).names
    columns = [name for name in ("data_source", "reward_model", "extra_info") if name in there]
    try:
        validate(pq.read_table(path, columns=columns).to_pylist(), **options)
    except (KeyError, TypeError, ValueError) as error:
        yield f"{path} and the reward do not fit together: {error}"


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
