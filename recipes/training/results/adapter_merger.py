"""The sharded checkpoint of a LoRA run -> the whole model with the adapter folded in.

verl's own merger writes the base weights and leaves the adapter beside them, rounded to bfloat16.
Here it reads the shards, and peft folds the adapter in at the precision of the training.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor
from torch.distributed.tensor import DTensor
from verl.model_merger.base_model_merger import ModelMergerConfig
from verl.model_merger.fsdp_model_merger import FSDPModelMerger, merge_non_dtensor_shards

from recipes.training.configuration.adapter import Adapter
from unifer_tasks.harness.models.weights import model_class

_WEIGHTS = (".safetensors", ".bin", ".index.json")


class AdapterError(Exception):
    """An adapter that cannot be folded in, or that has learned nothing."""


def merge_adapter(shards: Path, out: Path, adapter: Adapter, base: str) -> float:
    """Fold the adapter of a checkpoint into its base and write the model.

    Args:
        shards: The folder of the shards, with `huggingface/` in it.
        out: The folder to write; made here.
        adapter: As the run was configured.
        base: What the run began with, for a checkpoint of the adapter alone.

    Returns:
        The largest change of a weight.

    Raises:
        AdapterError: The checkpoint is of another adapter, or all its changes are zero.
    """
    config = ModelMergerConfig(
        operation="merge",
        backend="fsdp",
        local_dir=str(shards),
        target_dir=str(out),
        hf_model_config_path=str(shards / "huggingface"),
    )
    merger = _Merger(config, adapter, base)
    out.mkdir(parents=True)
    merger.merge_and_save()
    return merger.largest_change


class _Merger(FSDPModelMerger):  # type: ignore[misc]
    """Reads as verl's does, and folds the adapter in where that one splits it off."""

    def __init__(self, config: ModelMergerConfig, adapter: Adapter, base: str) -> None:
        super().__init__(config)
        self.adapter = adapter
        self.base = base
        self.largest_change = 0.0

    def _load_and_merge_state_dicts(
        self, world_size: int, total_shards: int, mesh_shape: Sequence[int], names: Sequence[str]
    ) -> dict[str, Tensor]:
        """Return whole tensors; unlike the parent, without rounding them to bfloat16."""
        folder = Path(self.config.local_dir)
        shards = [
            torch.load(
                folder / f"model_world_size_{world_size}_rank_{rank}.pt",
                map_location="cpu",
                weights_only=False,
                mmap=True,
            )
            for rank in range(total_shards)
        ]
        return {
            name: self._whole(name, [shard.pop(name) for shard in shards]) for name in [*shards[0]]
        }

    def _whole(self, name: str, parts: Sequence[Any]) -> Tensor:
        if isinstance(parts[0], DTensor):
            local = [part._local_tensor for part in parts]
            # Replicas, where there are some, are the dimension before.
            whole: Tensor = self._merge_by_placement(local, parts[0].placements[-1])
        else:
            whole = merge_non_dtensor_shards(name, parts)
        return whole

    def save_hf_model_and_tokenizer(self, state_dict: dict[str, Tensor]) -> None:
        model = self._trained(state_dict)
        self.largest_change = max(_changes(model))
        if not self.largest_change:
            raise AdapterError(
                f"the adapter in {self.config.local_dir} changes no weight: it has not been trained"
            )
        merged = model.merge_and_unload(progressbar=True, safe_merge=True)
        out = Path(self.config.target_dir)
        merged.save_pretrained(out)
        # The tokenizer, the processor and the generation's settings are those of the training.
        for file in Path(self.hf_model_config_path).iterdir():
            if file.name != "config.json" and not file.name.endswith(_WEIGHTS):
                shutil.copy2(file, out)

    def _trained(self, weights: dict[str, Tensor]) -> PeftModel:
        """Return the model that was trained, all of its weights from the checkpoint.

        Raises:
            AdapterError: They are not those of the run's adapter.
        """
        meta = self._load_lora_train_meta() or {}
        if (wrote := meta.get("lora_alpha", self.adapter.alpha)) != self.adapter.alpha:
            raise AdapterError(self._mismatch(f"lora_alpha {wrote}"))
        model: PeftModel = get_peft_model(self._base(weights), self.adapter.peft())
        try:
            found = model.load_state_dict(weights, strict=False, assign=True)
        except RuntimeError as error:
            raise AdapterError(self._mismatch(str(error).splitlines()[-1].strip())) from error
        missing = [n for n in found.missing_keys if _is_trained(n)]
        absent = [*missing, *(n for n, p in model.named_parameters() if p.is_meta)]
        if absent or found.unexpected_keys:
            raise AdapterError(self._mismatch(", ".join([*found.unexpected_keys, *absent][:3])))
        if getattr(self.model_config, "tie_word_embeddings", False):
            tied: Any = model.get_base_model()
            tied.tie_weights()
        return model

    def _base(self, weights: dict[str, Tensor]) -> Any:
        kind = model_class(self.model_config)
        if all(_is_trained(name) for name in weights):  # checkpoint.save_lora_only
            return kind.from_pretrained(self.base, dtype=next(iter(weights.values())).dtype)
        with torch.device("meta"):
            return kind(self.model_config)

    def _mismatch(self, what: str) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.adapter.settings.items())
        return (
            f"{self.config.local_dir} is not of the adapter that its run recorded ({said}): {what}"
        )


def _is_trained(name: str) -> bool:
    return ".lora_" in name


def _changes(model: PeftModel) -> list[float]:
    """Return the largest change of each adapted weight."""
    adapted: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    with torch.no_grad():
        return [module.get_delta_weight("default").abs().max().item() for module in adapted]
