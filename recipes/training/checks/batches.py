"""How rows, batches, tokens and GPUs must fit, which verl finds out only when it computes.

Each rule names the place in verl 0.9.1 that asserts it, pads, or drops rows silently. All of those
come after ray, the model and the rollout engine are up: minutes at best, hours of a queue at worst.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from recipes.training.checks.shapes import ModelShape
from recipes.training.configuration.settings import (
    DataSettings,
    GrpoSettings,
    MicroBatches,
    RolloutSettings,
    Settings,
    SftSettings,
    TrainerSettings,
)


def total_steps(settings: Settings, n_train: int) -> int:
    """Return how many steps a run takes, from its beginning.

    Args:
        settings: Of the run.
        n_train: Rows to train on.
    """
    trainer = settings.trainer
    if trainer.steps is not None:
        return trainer.steps
    return _steps(trainer, n_train, settings.data.batch_size)


def batch_problems(settings: Settings, n_train: int, n_valid: int | None = None) -> Iterator[str]:
    """Yield what does not fit in a run, with the remedy.

    Args:
        settings: Of the run.
        n_train: Rows to train on.
        n_valid: Rows to validate on; None where they are not known.
    """
    data, trainer, method = settings.data, settings.trainer, settings.method
    if isinstance(method, SftSettings):
        yield from _sft_problems(data, trainer, method)
    else:
        yield from _grpo_problems(data, trainer, method)
    yield from _enough("data.train_files", n_train, data.batch_size)
    if isinstance(method, SftSettings) and n_valid is not None:
        # The same samplers drop what is not a whole batch: no row is left, and val/loss is nan.
        yield from _enough("data.val_files", n_valid, data.batch_size)
    yield from _reached(trainer, n_train, data.batch_size)


def parallel_problems(settings: Settings, shape: ModelShape) -> Iterator[str]:
    """Yield why GPUs cannot share the layers of an engine, or a sequence, of a model.

    Args:
        settings: Of the run.
        shape: Of its model.
    """
    method, trainer = settings.method, settings.trainer
    if isinstance(method, GrpoSettings):
        size = method.rollout.tensor_parallel
        if not shape.can_share(size):
            sizes = [n for n in range(1, trainer.gpus + 1) if _is_shared(n, trainer, shape)]
            yield (
                f"actor_rollout_ref.rollout.tensor_model_parallel_size={size} does not divide the "
                f"{shape.text.heads} heads of the language model, the {shape.vision.heads} of the "
                f"vision tower and the width of their layers; give {_one_of(sizes)}"
            )
    # models/transformers/monkey_patch.py, apply_monkey_patch; workers/engine/fsdp,
    # _init_device_mesh.
    share, key = trainer.sequence_parallel, trainer.sequence_parallel_key
    heads, kv_heads = shape.text.heads, shape.text.kv_heads
    if trainer.gpus % share:
        yield f"{key}={share} does not divide the run's GPUs ({trainer.gpus}); give 1"
    elif heads % share or (kv_heads % share and share % kv_heads):
        yield f"{key}={share} does not divide the model's {heads} attention heads; give 1"
    elif share > 1 and not settings.model.packs_sequences:
        yield f"{key}={share} needs {settings.model.key}.use_remove_padding=true; give 1"


def _is_shared(size: int, trainer: TrainerSettings, shape: ModelShape) -> bool:
    return trainer.gpus % size == 0 and shape.can_share(size)


def _one_of(sizes: Sequence[int]) -> str:
    *others, last = map(str, sizes)
    return f"{', '.join(others)} or {last}" if others else last


def smallest_micro_batch(settings: Settings) -> int:
    """Return how few sequences a micro-batch of a run may hold."""
    method = settings.method
    if isinstance(method, SftSettings):
        return method.update.smallest
    return min(method.update.smallest, method.log_probs.smallest)


def _sft_problems(data: DataSettings, trainer: TrainerSettings, sft: SftSettings) -> Iterator[str]:
    # trainer/sft_trainer.py, _build_dataloader: `train_batch_size // dp_size`, rest forgotten.
    share = yield from _share("data.train_batch_size", data.batch_size, trainer.gpus)
    yield from _pass(sft.update, share, data.length_key, data.max_length)
    for key, value in (("save_freq", trainer.save_freq), ("test_freq", trainer.test_freq)):
        # trainer/sft_trainer.py, fit: `global_step % self.save_freq`
        if value == 0:
            yield f"trainer.{key}=0 divides by zero in verl; give -1 for never"


def _grpo_problems(
    data: DataSettings, trainer: TrainerSettings, grpo: GrpoSettings
) -> Iterator[str]:
    batch, mini = data.batch_size, grpo.mini_batch_size
    # trainer/ppo/v1/trainer_base.py, _get_required_batch_multiple: fills up with text-only rows,
    # which then fail in models/transformers/qwen2_vl.py as a micro-batch without an image.
    if batch % mini:
        yield (
            f"data.train_batch_size={batch} is not a multiple of "
            f"actor_rollout_ref.actor.ppo_mini_batch_size={mini}: verl would fill the batch up "
            "with empty rows; give a divisor"
        )
    gpus, n = trainer.gpus, grpo.rollout.n
    # utils/config.py, validate_config; trainer/ppo/v1/trainer_base.py
    sampled = yield from _share("data.train_batch_size", batch, gpus, n)
    # workers/engine_workers.py, train_mini_batch
    updated = yield from _share("actor_rollout_ref.actor.ppo_mini_batch_size", mini, gpus, n)
    # workers/engine_workers.py, init_model: an assertion without a message.
    if grpo.update.dynamic != grpo.log_probs.dynamic:
        yield (
            f"actor_rollout_ref.actor.use_dynamic_bsz={grpo.update.dynamic} and "
            f"actor_rollout_ref.rollout.log_prob_use_dynamic_bsz={grpo.log_probs.dynamic} "
            "must be equal"
        )
    lengths = "data.max_prompt_length + data.max_response_length"
    longest = data.max_length + grpo.rollout.response_length
    yield from _pass(grpo.update, updated, lengths, longest)
    for micro_batches in filter(None, (grpo.log_probs, grpo.reference)):
        yield from _pass(micro_batches, sampled, lengths, longest)
    yield from _engines(grpo.rollout, trainer)
    yield from _context(grpo.rollout, data)
    # trainer/ppo/v1/trainer_base.py, fit: the last step too is saved only if this is above 0.
    if not isinstance(trainer.save_freq, int) or trainer.save_freq <= 0:
        yield "trainer.save_freq is not above 0: nothing would be saved; give a number of steps"


def _engines(rollout: RolloutSettings, trainer: TrainerSettings) -> Iterator[str]:
    """Yield why an engine does not take whole GPUs, and whole nodes if it takes more than one.

    workers/engine_workers.py, init_model; workers/rollout/replica.py, RolloutReplica.
    """
    gpus, per_node = trainer.gpus, trainer.gpus_per_node
    engine = rollout.tensor_parallel * rollout.data_parallel
    name = "actor_rollout_ref.rollout.tensor_model_parallel_size"
    if gpus % engine:
        yield f"{gpus} GPUs do not share out over rollout engines of {engine}; lower {name}"
    elif max(engine, per_node) % min(engine, per_node):
        yield (
            f"rollout engines of {engine} GPUs would lie across the nodes' {per_node} GPUs; "
            f"give {name} that divides {per_node}"
        )


def _context(rollout: RolloutSettings, data: DataSettings) -> Iterator[str]:
    """Yield why the rollout engine's context does not hold prompt and response.

    workers/rollout/vllm_rollout/vllm_async_server.py, generate: cuts responses short without a
    word, or raises `leaves no room to generate`, upon which verl drops the group.
    """
    prompt, response, context = data.max_length, rollout.response_length, rollout.max_model_len
    if context is not None and prompt + response > context:
        yield (
            f"data.max_prompt_length={prompt} + data.max_response_length={response} exceeds "
            f"actor_rollout_ref.rollout.max_model_len={context}; raise it to {prompt + response}"
        )


def _share(key: str, n: int, gpus: int, rollouts: int = 1) -> Generator[str, None, int | None]:
    """Return how many sequences a GPU gets; None, and yield why, if they do not share out."""
    if n * rollouts % gpus:
        times = f" x {rollouts} rollouts" if rollouts > 1 else ""
        yield f"{key}={n}{times} does not share out over {gpus} GPUs; give a multiple of {gpus}"
        return None
    return n * rollouts // gpus


def _pass(
    micro_batches: MicroBatches, share: int | None, longest_key: str, longest: int
) -> Iterator[str]:
    """Yield why a GPU's share of sequences cannot be cut into micro-batches."""
    size, size_key = micro_batches.size, micro_batches.size_key
    if micro_batches.dynamic:
        # utils/seqlen_balancing.py, rearrange_micro_batches: the longest sequence must fit.
        if micro_batches.max_tokens < longest:
            yield (
                f"{micro_batches.tokens_key}={micro_batches.max_tokens} is less than "
                f"{longest_key}={longest}; raise it to {longest} or more"
            )
    elif share is not None:
        # workers/engine/utils.py, prepare_micro_batches
        if size is None:
            yield f"{size_key} is not given, and batches are not packed by tokens"
        elif share % size:
            yield (
                f"the {share} sequences of a GPU do not share out over {size_key}={size}; "
                f"give a divisor of {share}"
            )


def _enough(key: str, n_rows: int, batch: int) -> Iterator[str]:
    """Both trainers leave out what fills no batch, and divide by the batches of an epoch."""
    if n_rows < batch:
        yield (
            f"{key} holds {n_rows:,} rows, less than one batch of {batch}; "
            f"lower data.train_batch_size to {n_rows} or fewer"
        )


def _reached(trainer: TrainerSettings, n_rows: int, batch: int) -> Iterator[str]:
    """Both trainers save and validate at the last step, which must come within the epochs."""
    steps = _steps(trainer, n_rows, batch)
    if trainer.steps is not None and 0 < steps < trainer.steps:
        yield (
            f"trainer.total_training_steps={trainer.steps} is never reached: {n_rows:,} rows are "
            f"{steps} steps in trainer.total_epochs={trainer.epochs}; raise the epochs"
        )


def _steps(trainer: TrainerSettings, n_rows: int, batch: int) -> int:
    return n_rows // batch * trainer.epochs
