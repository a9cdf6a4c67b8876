"""How a configuration spreads a model over its GPUs, and how much of it is computed at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipes.training.checks.methods import FROZEN_VISION
from recipes.training.checks.shapes import ModelShape
from recipes.training.configuration.keys import Config, value_at
from recipes.training.configuration.settings import (
    ConfigurationError,
    GrpoSettings,
    MicroBatches,
    Settings,
)
from recipes.training.plan.adapted import adapter_parameters
from recipes.training.plan.lengths import Lengths

_BYTES: Mapping[str, int] = {
    "fp32": 4, "float32": 4, "float": 4, "32": 4, "bf16": 2, "bfloat16": 2, "fp16": 2,
    "float16": 2, "half": 2, "16": 2,
}  # fmt: skip

WORKERS = (
    "actor_rollout_ref.rollout.agent.num_workers",
    "reward.num_workers",
    "transfer_queue.backend.SimpleStorage.num_data_storage_units",
)
"""Settings of how many processes sample, compute rewards, and hold a batch."""

_CONTROLLERS = 5
"""Our launcher, the driver, verl's task runner, its balancer of requests, TransferQueue's own."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """How FSDP holds the actor: workers/engine/fsdp/transformer_impl.py.

    Attributes:
        shards: GPUs that share one copy of the model.
        stored: Bytes of a weight as it is kept (`model_dtype`); gradients and AdamW's two moments
            have the same type.
        computed: Bytes of a weight as it is gathered to compute (`mixed_precision.param_dtype`).
        reduced: Bytes of a gradient while it is reduced (`reduce_dtype`).
        reshards: Whether a layer's weights are freed after its forward pass.
        sums_whole_gradients: `use_no_sync_for_gradient_accumulation`.
        weights_wait_in_host: `param_offload`.
        optimizer_waits_in_host: `optimizer_offload`.
        all_stay_in_host: `offload_policy` of FSDP2: a layer comes to the GPU to be computed.
    """

    shards: int
    stored: int
    computed: int
    reduced: int
    reshards: bool
    sums_whole_gradients: bool
    weights_wait_in_host: bool
    optimizer_waits_in_host: bool
    all_stay_in_host: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """A micro-batch at its largest.

    Attributes:
        tokens: Tokens that it computes, padding included.
        image_tokens: Those of them that are an image's.
        longest: Tokens of its longest sequence.
    """

    tokens: int
    image_tokens: int
    longest: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """vLLM, beside the trainer on the same GPUs.

    Attributes:
        share: `gpu_memory_utilization`.
        tensor_parallel: GPUs that share an engine's layers.
        weight: Bytes of a weight.
        context: Tokens of a sequence at most.
        batched_tokens: `max_num_batched_tokens`.
        sequences: `max_num_seqs`.
        frees: `free_cache_engine`: it gives its memory back while the actor trains.
        keeps_weights: It sleeps with its weights in the host's memory, as adapters need.
        gathers_base: It is given the base of the adapter once, by each process of the trainer.
        bucket: Bytes of the buffer through which it is given weights.
    """

    share: float
    tensor_parallel: int
    weight: int
    context: int
    batched_tokens: int
    sequences: int
    frees: bool
    keeps_weights: bool
    gathers_base: bool
    bucket: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All that memory follows from.

    Attributes:
        shape: The model.
        trained: Parameters that are trained.
        adapter: Parameters of the LoRA adapter; 0 without one.
        trains_vision: Whether gradients reach the vision tower.
        gpus: All GPUs.
        gpus_per_node: Those of a node.
        on_gpu: Whether it computes on GPUs at all.
        sharding: How FSDP holds the actor.
        update: The micro-batch that is trained on.
        log_probs: That of the log-probabilities of the rollout; None in SFT.
        checkpoints: Whether layers are computed again in the backward pass.
        offloads_activations: `enable_activation_offload`.
        packs: `use_remove_padding`.
        fuses_head: `use_fused_kernels`: logits are never whole.
        compiles_entropy: Whether the entropy is computed without whole copies of the logits.
        has_entropy_loss: Whether the update needs it too.
        scales_logits: Whether the temperature is not 1.
        reference: Bytes of a weight of the reference model; None if there is none.
        rollout: vLLM; None in SFT.
        processes: Those of GRPO that belong to no GPU; 0 in SFT.
    """

    shape: ModelShape
    trained: int
    adapter: int
    trains_vision: bool
    gpus: int
    gpus_per_node: int
    on_gpu: bool
    sharding: Sharding
    update: Pass
    log_probs: Pass | None
    checkpoints: bool
    offloads_activations: bool
    packs: bool
    fuses_head: bool
    compiles_entropy: bool
    has_entropy_loss: bool
    scales_logits: bool
    reference: int | None
    rollout: Rollout | None
    processes: int

    @property
    def parameters(self) -> int:
        """Parameters that are held: the model's and the adapter's."""
        return self.shape.parameters + self.adapter


def layout_of(settings: Settings, shape: ModelShape, lengths: Lengths) -> Layout:
    """Return how a run is laid out over its GPUs.

    Args:
        settings: Of the run.
        shape: Of its model.
        lengths: Of its sequences.

    Raises:
        ConfigurationError: A setting names a type of numbers that is unknown.
    """
    method, trainer = settings.method, settings.trainer
    verl = settings.verl
    model = value_at(verl, settings.model.key)
    engine = value_at(verl, settings.engine_key)
    strategy = engine["strategy"]
    adapter = settings.model.adapter
    adapter_size = adapter_parameters(shape, adapter) if adapter else 0
    freezes_vision = model.get("external_lib") == FROZEN_VISION
    trains_vision = not freezes_vision and not adapter
    trained = adapter_size or shape.parameters - freezes_vision * shape.vision.parameters
    packs = settings.model.packs_sequences
    log_probs = rollout = reference = None
    processes, has_entropy_loss, scales_logits = 0, False, False
    if isinstance(method, GrpoSettings):
        n = method.rollout.n
        strategy = value_at(verl, "actor_rollout_ref.actor.strategy")
        has_entropy_loss = bool(value_at(verl, "actor_rollout_ref.actor.entropy_coeff"))
        scales_logits = value_at(verl, "actor_rollout_ref.rollout.temperature") != 1
        updated = max(1, method.mini_batch_size * n // trainer.gpus)
        sampled = max(1, settings.data.batch_size * n // trainer.gpus)
        log_probs = _pass(method.log_probs, sampled, lengths, packs)
        rollout = _rollout(verl, settings, method, shape)
        processes = _CONTROLLERS + sum(value_at(verl, key) for key in WORKERS)
        if method.reference is not None and adapter is None:
            reference = _bytes(value_at(verl, "actor_rollout_ref.ref.fsdp_config.model_dtype"))
    else:
        updated = max(1, settings.data.batch_size // trainer.gpus)
    return Layout(
        shape=shape,
        trained=trained,
        adapter=adapter_size,
        trains_vision=trains_vision,
        gpus=trainer.gpus,
        gpus_per_node=trainer.gpus_per_node,
        on_gpu=trainer.device != "cpu",
        sharding=_sharding(engine, str(strategy), trainer.gpus),
        update=_pass(method.update, updated, lengths, packs),
        log_probs=log_probs,
        checkpoints=bool(model.get("enable_gradient_checkpointing")),
        offloads_activations=bool(model.get("enable_activation_offload")),
        packs=packs,
        fuses_head=bool(model.get("use_fused_kernels")),
        compiles_entropy=packs and bool(engine["use_torch_compile"]),
        has_entropy_loss=has_entropy_loss,
        scales_logits=scales_logits,
        reference=reference,
        rollout=rollout,
        processes=processes,
    )


def _sharding(engine: Config, strategy: str, gpus: int) -> Sharding:
    size = engine["fsdp_size"]
    types = engine.get("mixed_precision") or {}
    stays = strategy == "fsdp2" and bool(engine["offload_policy"])
    return Sharding(
        shards=size if 0 < size < gpus else gpus,
        stored=_bytes(engine["model_dtype"]),
        computed=_bytes(types.get("param_dtype", "bf16")),
        reduced=_bytes(types.get("reduce_dtype", "fp32")),
        reshards=bool(engine["reshard_after_forward"]),
        sums_whole_gradients=bool(engine["use_no_sync_for_gradient_accumulation"]),
        # offload_policy switches both off.
        weights_wait_in_host=bool(engine["param_offload"]) and not stays,
        optimizer_waits_in_host=bool(engine["optimizer_offload"]) and not stays,
        all_stay_in_host=stays,
    )


def _pass(micro: MicroBatches, share: int, lengths: Lengths, packs: bool) -> Pass:
    """Return the largest micro-batch of a GPU's share of sequences.

    GPUs that share a sequence (Ulysses) have as many tokens each as if they did not.

    Packed by tokens (utils/seqlen_balancing.py, rearrange_micro_batches), it holds sequences of the
    mean length up to the limit; without `use_remove_padding` all of them are padded to its longest.
    """
    if not micro.dynamic:
        size = min(micro.size or 1, share)
        return Pass(size * lengths.longest, size * lengths.images * lengths.image, lengths.longest)
    sequences = min(share, max(1, micro.max_tokens // lengths.mean))
    real = min(micro.max_tokens, share * lengths.longest)
    longest = min(lengths.longest, real)
    tokens = real if packs else max(real, sequences * longest)
    return Pass(tokens, sequences * lengths.images * lengths.image, longest)


def _rollout(verl: Config, settings: Settings, grpo: GrpoSettings, shape: ModelShape) -> Rollout:
    group = value_at(verl, "actor_rollout_ref.rollout")
    whole = settings.data.max_length + grpo.rollout.response_length
    model = settings.model
    serves_adapter = model.adapter is not None and not model.rollout_gets_merged_weights
    return Rollout(
        share=float(group["gpu_memory_utilization"]),
        tensor_parallel=grpo.rollout.tensor_parallel,
        weight=_bytes(group["dtype"]),
        context=grpo.rollout.max_model_len or whole,
        batched_tokens=group["max_num_batched_tokens"],
        sequences=group["max_num_seqs"],
        frees=bool(group["free_cache_engine"]),
        keeps_weights=serves_adapter,
        gathers_base=serves_adapter and "dummy" in grpo.rollout.load_format,
        bucket=value_at(group, "checkpoint_engine.update_weights_bucket_megabytes") * 2**20,
    )


def _bytes(kind: Any) -> int:
    try:
        return _BYTES[str(kind).removeprefix("torch.")]
    except KeyError:
        raise ConfigurationError(
            f"{kind} is not a type of numbers that verl knows; give one of {', '.join(_BYTES)}"
        ) from None
