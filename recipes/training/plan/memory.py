"""The memory of a GPU and of a host, by part, at each moment of a step.

Sources of the formulas:

- Weights, gradients and AdamW's moments, each divided by the GPUs that share them: ZeRO stage 3,
  Rajbhandari et al. 2020, arXiv:1910.02054, sections 3.1 and 5. verl 0.9.1 keeps all of them in the
  engine's `model_dtype`: 16 bytes a parameter in fp32, 8 in bf16.
- Activations of a layer, and one input of each layer where it is computed again: Korthikanti et al.
  2022, arXiv:2205.05198, sections 4.1 and 5, counted for Qwen2.5's layers without the scores that
  flash attention (Dao et al. 2022, arXiv:2205.14135) does not keep.
- Keys and values of vLLM, and what is left for them: Kwon et al. 2023, arXiv:2309.06180, section 3;
  vllm/v1/worker/gpu_worker.py, determine_available_memory.
- What is where at which moment of a step: verl's documentation, "Performance Tuning Guide", and
  workers/engine_workers.py, workers/engine/fsdp/transformer_impl.py of verl 0.9.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recipes.training.plan.available import GIB
from recipes.training.plan.layout import Layout, Pass, Rollout

CONTEXT = 1 * GIB
"""A process's CUDA context, libraries and NCCL buffers on a GPU: an estimate."""

_PROCESS = 3 * GIB // 4
"""Private memory of a process of GRPO, each of which imports verl and torch: the 20 of a run of a
model of 7 MB on an H100 took 15 GiB, the 12 of one on a CPU 7.7."""

_OF_A_GPU = 4
"""Processes of GRPO for each GPU: its worker, vLLM's server, engine and worker."""

_FLOAT = 4


@dataclass(frozen=True, slots=True)
class Use:
    """Memory that one part takes."""

    part: str
    size: int


@dataclass(frozen=True, slots=True)
class Moment:
    """The contents of memory at one moment.

    Attributes:
        name: When.
        uses: Its parts.
    """

    name: str
    uses: tuple[Use, ...]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(use.size for use in self.uses)


def gpu_moments(layout: Layout, gpu: int) -> tuple[Moment, ...]:
    """Return what a GPU holds at each moment of a step that may be its fullest.

    Args:
        layout: Of the run.
        gpu: Bytes of a GPU, of which vLLM takes its share.
    """
    moments = [_update(layout, gpu)]
    if layout.rollout is not None and layout.log_probs is not None:
        moments = [
            _moment("rollout", _waiting(layout), _served(layout, layout.rollout, gpu)),
            _moment("weight sync", _syncing(layout, layout.rollout)),
            _log_probs(layout, layout.log_probs, gpu),
            *moments,
        ]
    return tuple(moments)


def host_moments(layout: Layout) -> tuple[Moment, ...]:
    """Return what a node's memory holds when a run loads its model, trains, and saves.

    verl loads the whole model in the engine's type in one process of the run, or in each of them
    where embedding and head are tied (utils/fsdp_utils.py, get_init_weight_context_manager), and
    gathers it in one to write `huggingface/`, beside an empty copy in bf16
    (utils/checkpoint/fsdp_checkpoint_manager.py, save_checkpoint). Where vLLM starts without the
    base of an adapter, every process gathers it whole (utils/fsdp_utils.py, collect_lora_params).
    """
    per_node = layout.gpus_per_node
    whole = layout.parameters * layout.sharding.stored
    copies = per_node if layout.shape.text.tied else 1
    processes = Use("processes", _processes(layout))
    resident = [processes, *_offloaded(layout)]
    if not layout.on_gpu:
        resident += _on_cpu(layout)
    gathers_base = layout.rollout is not None and layout.rollout.gathers_base
    syncing = _moment("first weight sync", [*resident, Use("whole models", per_node * whole)])
    return (
        _moment("loading", [processes, Use("whole models", copies * whole)]),
        *([syncing] if gathers_base else []),
        _moment("training", resident),
        _moment("saving", [*resident, Use("whole models", whole + 2 * layout.parameters)]),
    )


def kv_tokens(layout: Layout, gpu: int) -> int | None:
    """Return how many tokens vLLM's cache of an engine holds; None in SFT."""
    if layout.rollout is None:
        return None
    pool = next(
        use.size for use in _served(layout, layout.rollout, gpu) if use.part == "vLLM KV cache"
    )
    return pool // kv_bytes(layout, layout.rollout)


def kv_bytes(layout: Layout, rollout: Rollout) -> int:
    """Return the bytes of a token's keys and values on a GPU: two vectors a layer."""
    text = layout.shape.text
    return 2 * text.layers * text.kv_width * rollout.weight // rollout.tensor_parallel


def layer_activations(layout: Layout) -> int:
    """Return the bytes a token that a decoder layer keeps for its backward pass.

    In units of two bytes: the input of each norm in float32 (2 widths) and its scaled output, twice
    (1 and 1), the queries and the attention's output (1 each), keys and values, and of the MLP
    gate, its activation, up, and their product: 10 widths, 2 of the keys, 4 inner.
    """
    text = layout.shape.text
    return layout.sharding.computed * (10 * text.width + 2 * text.kv_width + 4 * text.inner)


def block_activations(layout: Layout) -> int:
    """Return the bytes a patch that a block of the vision tower keeps.

    As a decoder layer, but that the values are a view of the projection that holds queries and keys
    too, and that the attention's output is put together from its windows: 16 widths, 4 inner.
    """
    vision = layout.shape.vision
    return layout.sharding.computed * (16 * vision.width + 4 * vision.inner)


def _moment(name: str, *groups: list[Use]) -> Moment:
    return Moment(name, tuple(use for group in groups for use in group if use.size > 0))


def _states(layout: Layout, *, weights: bool, optimizer: bool) -> list[Use]:
    """Return the actor's sharded state, as far as it is on the GPU."""
    sharding = layout.sharding
    if sharding.all_stay_in_host:
        return []
    here = sharding.stored
    return [
        Use("weights", weights * layout.parameters * here // sharding.shards),
        Use("optimizer", optimizer * 2 * layout.trained * here // sharding.shards),
    ]


def _waiting(layout: Layout) -> list[Use]:
    """Return the actor's state while vLLM samples; gradients are freed after each update."""
    sharding = layout.sharding
    return [
        *_states(
            layout,
            weights=not sharding.weights_wait_in_host,
            optimizer=not sharding.optimizer_waits_in_host,
        ),
        Use("CUDA contexts", 2 * CONTEXT),
    ]


def _served(layout: Layout, rollout: Rollout, gpu: int) -> list[Use]:
    """Return the parts of vLLM's share: its weights, what it computes with, and the cache."""
    text = layout.shape.text
    weights = layout.parameters * rollout.weight // rollout.tensor_parallel
    width = 3 * text.inner // rollout.tensor_parallel + 4 * text.width
    working = rollout.weight * rollout.batched_tokens * width
    # Sampling sorts logits and their softmax in float32.
    working += 2 * _FLOAT * rollout.sequences * text.vocabulary
    return [
        Use("vLLM weights", weights),
        Use("vLLM working memory", working),
        Use("vLLM KV cache", max(0, int(rollout.share * gpu) - weights - working)),
    ]


def _syncing(layout: Layout, rollout: Rollout) -> list[Use]:
    """Return the contents while vLLM receives weights, before its cache comes back.

    workers/engine_workers.py, update_weights: one tensor at a time is gathered and sent through a
    bucket; of an adapter, none that counts.
    """
    sharding = layout.sharding
    largest = layout.shape.text.embedding_parameters * max(sharding.stored, sharding.computed)
    if rollout.keeps_weights:
        largest = 0
    weights = layout.parameters * rollout.weight // rollout.tensor_parallel
    return [
        *_states(layout, weights=True, optimizer=not sharding.optimizer_waits_in_host),
        Use("vLLM weights", weights),
        Use("gathered weights", largest),
        Use("weight buckets", 2 * rollout.bucket),
        Use("CUDA contexts", 2 * CONTEXT),
    ]


def _asleep(layout: Layout, gpu: int) -> list[Use]:
    """Return what vLLM holds while the actor computes."""
    rollout = layout.rollout
    if rollout is None:
        return [Use("CUDA contexts", CONTEXT)]
    held = [] if rollout.frees else _served(layout, rollout, gpu)
    return [*held, Use("CUDA contexts", 2 * CONTEXT)]


def _log_probs(layout: Layout, micro: Pass, gpu: int) -> Moment:
    """Return the forward pass that computes log-probabilities and entropy of the rollout."""
    sharding, text = layout.sharding, layout.shape.text
    # Nothing is kept: the MLP's three inner vectors and a few widths of the layer at work.
    working = sharding.computed * micro.tokens * (3 * text.inner + 4 * text.width)
    units = _units(layout, text.embedding_parameters, 1)
    if not sharding.reshards:
        units = layout.parameters * sharding.computed
    return _moment(
        "log-probabilities",
        _states(layout, weights=True, optimizer=not sharding.optimizer_waits_in_host),
        [
            Use("gathered weights", units),
            Use("activations", working),
            Use("logits", _logits(layout, micro, trains=False, entropy=True)),
        ],
        _asleep(layout, gpu),
    )


def _update(layout: Layout, gpu: int) -> Moment:
    """Return the update at its fullest: at the head, in a layer, or when the optimizer steps."""
    sharding, text, micro = layout.sharding, layout.shape.text, layout.update
    states = _states(layout, weights=True, optimizer=True)
    gradients = layout.trained * sharding.stored // sharding.shards
    if sharding.all_stay_in_host:
        gradients = 0
    if sharding.sums_whole_gradients:
        gradients += layout.trained * sharding.reduced
    shared = [*states, Use("gradients", gradients), *_asleep(layout, gpu)]
    kept, recomputed = _kept(layout, micro)
    vision = _vision(layout, micro)
    trains_all = layout.adapter == 0
    head = [
        Use("gathered weights", _units(layout, text.embedding_parameters, 1, trains_all)),
        Use("activations", kept),
        Use("vision tower", vision),
        Use("logits", _logits(layout, micro, trains=True, entropy=layout.has_entropy_loss)),
    ]
    layer = [
        # The next layer's weights are gathered while one is computed.
        Use("gathered weights", _units(layout, text.layer_parameters, 2, trains_all)),
        # The gradients of the MLP's three inner vectors.
        Use(
            "activations",
            kept + micro.tokens * (recomputed + 3 * sharding.computed * text.inner),
        ),
        Use("vision tower", vision),
    ]
    # torch's AdamW keeps one more copy of the second moments while it steps (`foreach`).
    step = [
        Use(
            "optimizer's working memory",
            0 if sharding.all_stay_in_host else layout.trained * sharding.stored // sharding.shards,
        )
    ]
    fullest = max(head, layer, step, key=lambda uses: sum(use.size for use in uses))
    return _moment("update", shared, fullest)


def _units(layout: Layout, parameters: int, ahead: int, trains: bool = False) -> int:
    """Return what FSDP gathers of the actor's weights at once.

    The root's parameters (vision merger, norms, and an embedding that is tied to the head) are
    gathered from the forward to the backward pass, a unit of its own while it is computed. A unit
    that is trained has a whole gradient too, which is reduced as another copy.
    """
    sharding, shape = layout.sharding, layout.shape
    root = shape.vision.ends_parameters
    if shape.text.tied:
        root += shape.text.embedding_parameters
        if parameters == shape.text.embedding_parameters:
            parameters = 0
    gathered = sharding.computed * (root + ahead * parameters)
    if not sharding.reshards:
        gathered = sharding.computed * layout.parameters
    unit = parameters or root
    return gathered + trains * unit * (sharding.computed + sharding.reduced)


def _kept(layout: Layout, micro: Pass) -> tuple[int, int]:
    """Return the bytes kept of all layers, and the bytes a token of the one computed again."""
    text, layer = layout.shape.text, layer_activations(layout)
    if not layout.checkpoints:
        return micro.tokens * text.layers * layer, 0
    if layout.offloads_activations:
        return 0, layer
    return micro.tokens * text.layers * text.width * layout.sharding.computed, layer


def _vision(layout: Layout, micro: Pass) -> int:
    """Return the bytes that the vision tower keeps; none where no gradient reaches it."""
    vision = layout.shape.vision
    patches = micro.image_tokens * vision.merge**2
    if not layout.trains_vision:
        return 0
    if layout.checkpoints:
        return patches * vision.blocks * vision.width * layout.sharding.computed
    return patches * vision.blocks * block_activations(layout)


def _logits(layout: Layout, micro: Pass, *, trains: bool, entropy: bool) -> int:
    """Return the bytes of the logits and of values computed from them.

    workers/engine/fsdp/transformer_impl.py, prepare_model_outputs; utils/torch_functional.py:
    packed sequences go through flash-attn's cross entropy, whose gradients overwrite the logits.
    Others take log_softmax a row at a time in float32, which is kept, and so are rows of gradients.
    The entropy takes a softmax, and its product with the logits, in float32 unless it is compiled.
    """
    vocabulary, computed = layout.shape.text.vocabulary, layout.sharding.computed
    if layout.fuses_head:
        # utils/experimental/torch_functional.py: chunks of 512 tokens.
        return 512 * vocabulary * (computed + 2 * _FLOAT)
    each = computed * (2 if layout.scales_logits else 1)
    extra = 0
    if not layout.packs:
        row = 2 * _FLOAT * micro.longest * vocabulary
        extra = row + (micro.tokens * vocabulary * _FLOAT if trains else 0)
    if entropy and not layout.compiles_entropy:
        extra = max(extra, 2 * _FLOAT * micro.tokens * vocabulary)
    return micro.tokens * vocabulary * each + extra


def _processes(layout: Layout) -> int:
    """Return what the processes of a run hold on its first node, whatever the model's size.

    A rank of SFT took 0.8 GiB on a CPU; how this grows with its GPUs is an estimate.
    """
    per_node = layout.gpus_per_node
    if layout.rollout is None:
        return (2 * per_node - 1) * GIB
    return _PROCESS * (layout.processes + _OF_A_GPU * per_node)


def _page_locked(layout: Layout, shards: int) -> float:
    """Return how much of the host's memory a byte of the model's shards takes.

    What a GPU is to fetch again waits in page-locked memory (verl, utils/fsdp_utils.py,
    offload_fsdp2_model_to_cpu and offload_fsdp_optimizer; FSDP2's CPUOffloadPolicy; vLLM,
    device_allocator/cumem.py), of which torch gives each tensor the next power of two and keeps it
    (ATen/core/CachingHostAllocator.h): 1.5 times a model of 3B, and 1.9 times one of 7B.
    """
    if not layout.on_gpu:
        return 1.0
    held = rounded = 0
    for rows, columns in layout.shape.tensors():
        size = -(-rows // shards) * columns
        held += size
        rounded += 1 << (size - 1).bit_length()
    return rounded / held


def _offloaded(layout: Layout) -> Iterator[Use]:
    """Yield what the GPUs of a node keep in its memory."""
    sharding, per_node = layout.sharding, layout.gpus_per_node
    share = sharding.stored * per_node / sharding.shards
    locked = share * _page_locked(layout, sharding.shards)
    away = sharding.all_stay_in_host
    if away or sharding.weights_wait_in_host:
        yield Use("weights", int(layout.parameters * locked))
    if away:
        yield Use("gradients", int(layout.trained * locked))
        # It steps where it is, and no GPU fetches it.
        yield Use("optimizer", int(2 * layout.trained * share))
    elif sharding.optimizer_waits_in_host:
        yield Use("optimizer", int(2 * layout.trained * locked))
    if layout.reference is not None:
        here = per_node / layout.gpus * _page_locked(layout, layout.gpus)
        yield Use("reference", int(layout.shape.parameters * layout.reference * here))
    rollout = layout.rollout
    if rollout is not None and rollout.frees and rollout.keeps_weights:
        copies = per_node // rollout.tensor_parallel or 1
        whole = layout.parameters * rollout.weight
        yield Use("vLLM weights", int(copies * whole * _page_locked(layout, 1)))
    if layout.offloads_activations and layout.checkpoints:
        text = layout.shape.text
        held = layout.update.tokens * text.layers * text.width * sharding.computed
        yield Use("activations", per_node * held)


def _on_cpu(layout: Layout) -> Iterator[Use]:
    """Yield what a run without GPUs holds in their place."""
    for use in _update(layout, 0).uses:
        if use.part != "CUDA contexts" and not use.part.startswith("vLLM"):
            yield use
    if layout.rollout is not None:
        yield Use("vLLM weights", layout.parameters * layout.rollout.weight)
        yield Use("vLLM KV cache", 1 * GIB)
