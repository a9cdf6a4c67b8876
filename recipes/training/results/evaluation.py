"""A checkpoint -> the model that FERBench is run on, in vLLM where that can be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from recipes.training.checks.model import model_problems
from recipes.training.runs.checkpoints import damage, is_checkpoint, newest_checkpoint, sharded
from unifer_tasks.runner.presets import Card, Preset
from unifer_tasks.support.arguments import arguments_text
from unifer_tasks.support.extras import BACKENDS

Backend = Literal["vllm", "transformers"]
BACKEND_NAMES: tuple[Backend, ...] = get_args(Backend)

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


class EvaluationError(Exception):
    """A model that cannot be evaluated; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model to evaluate.

    Attributes:
        name: Its name in the results.
        pretrained: What loads it: a Hugging Face folder or a hub id.
    """

    name: str
    pretrained: str

    @property
    def folder(self) -> Path | None:
        """Its folder; None for a hub id."""
        return path if (path := Path(self.pretrained)).is_dir() else None


def find_model(given: str) -> Model:
    """Return the model that a user means.

    Args:
        given: A Hugging Face folder, a hub id, or a run's `global_step_N`, whose `huggingface`
            folder holds the whole model unless LoRA trained it.

    Raises:
        EvaluationError: There is no such folder, or it is not one checkpoint that is whole.
    """
    folder = Path(given).expanduser()
    if not folder.exists():
        if _HUB_ID.fullmatch(given) and not folder.parent.is_dir():
            return Model(folder.name, given)
        raise EvaluationError(f"{given} is not there; give a Hugging Face folder or a hub id")
    folder = folder.resolve()
    step = folder
    while step.name in {"actor", "huggingface"}:
        step = step.parent
    if is_checkpoint(step):
        if problems := list(damage(step)):
            raise EvaluationError(f"{step} is not a whole checkpoint: {'; '.join(problems)}")
        return Model(f"{step.parent.name}_{step.name}", str(sharded(step) / "huggingface"))
    if (newest := newest_checkpoint(folder)) is not None:
        raise EvaluationError(
            f"{folder} is a run's folder; give one of its checkpoints, such as {newest}"
        )
    return Model(folder.name, str(folder))


def check_model(model: Model) -> None:
    """Check that a model can be loaded.

    Raises:
        EvaluationError: A file is missing or damaged, it is an adapter, or the hub does not give
            it.
    """
    if problems := list(model_problems(model.pretrained, "MODEL")):
        raise EvaluationError("; ".join(problems))


def choose_backend() -> tuple[Backend, str]:
    """Return the back end for this machine, and why."""
    if BACKENDS["unifer_vllm"].missing():
        return "transformers", "vLLM is not installed"
    import torch

    if not torch.cuda.is_available():
        return "transformers", "there is no GPU"
    return "vllm", "it is installed, and there is a GPU"


def evaluation(model: Model, backend: Backend) -> Preset:
    """Return how lmms-eval is to run a model: the same questions and answers in both back ends.

    Raises:
        EvaluationError: lmms-eval would split the model's path.
    """
    name, batch_size = {"vllm": ("unifer_vllm", 1024), "transformers": ("unifer", 32)}[backend]
    try:
        arguments = arguments_text({"pretrained": model.pretrained})
    except ValueError as error:
        raise EvaluationError(f"--model_args {error}; rename the folder") from None
    settings = {
        "model": name,
        "model_args": arguments,
        "tasks": "ferbench",
        "batch_size": batch_size,
        "log_samples": True,
    }
    return Preset(model.name, settings, Card(model.name))
