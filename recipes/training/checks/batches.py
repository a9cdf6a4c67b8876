"""How rows, batches, tokens and GPUs must fit, which verl finds out only when it computes.

Each rule names the place in verl 0.9.1 that asserts it, pads, or drops rows silently. All of those
come after ray, the model and the rollout engine are up: minutes at best, hours of a queue at worst.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

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


def parallel_problems(settings: Settings, shape: ModelShape | None) -> Iterator[str]:
    """Yield why GPUs cannot share the layers of an engine, or a sequence, of a model.

    Args:
        settings: Of the run.
        shape: Of its model; None where it is not known.
    """
    method, trainer = settings.method, settings.trainer
    if isinstance(method, GrpoSettings):
        yield from _engine_problems(method.rollout, trainer, shape)
    # models/transformers/monkey_patch.py, apply_monkey_patch; workers/engine/fsdp,
    # _init_device_mesh.
    share, key = trainer.sequence_parallel, trainer.sequence_parallel_key
    if trainer.gpus % share:
        yield f"{key}={share} does not divide the run's GPUs ({trainer.gpus}); give 1"
    elif shape is not None and not _share_heads(share, shape):
        heads = shape.text.heads
        yield f"{key}={share} does not divide the model's {heads} attention heads; give 1"
    elif share > 1 and not settings.model.packs_sequences:
        yield f"{key}={share} needs {settings.model.key}.use_remove_padding=true; give 1"


def _share_heads(gpus: int, shape: ModelShape) -> bool:
    heads, kv_heads = shape.text.heads, shape.text.kv_heads
    return heads % gpus == 0 and (kv_heads % gpus == 0 or gpus % kv_heads == 0)


def _engine_problems(
    rollout: RolloutSettings, trainer: TrainerSettings, shape: ModelShape | None
) -> Iterator[str]:
    """Yield why GPUs cannot be cut into rollout engines of the size that is given.

    workers/engine_workers.py, init_model; workers/rollout/replica.py, RolloutReplica: an engine
    takes whole nodes if it takes more than one.
    """
    gpus, per_node = trainer.gpus, trainer.gpus_per_node

    def obstacle(size: int) -> str | None:
        engine = size * rollout.data_parallel
        if shape is not None and not shape.can_share(size):
            return (
                f"does not divide the {shape.text.heads} heads of the language model, the "
                f"{shape.vision.heads} of the vision tower and the width of their layers"
            )
        if gpus % engine:
            return f"makes rollout engines of {engine} GPUs, over which {gpus} do not share out"
        if max(engine, per_node) % min(engine, per_node):
            return (
                f"makes rollout engines of {engine} GPUs, which would lie across the nodes' "
                f"{per_node} GPUs"
            )
        return None

    size = rollout.tensor_parallel
    if (reason := obstacle(size)) is not None:
        sizes = [str(n) for n in range(1, gpus + 1) if obstacle(n) is None]
        remedy = _listed(sizes, "or") if sizes else "data_parallel_size=1"
        group = "actor_rollout_ref.rollout"
        yield f"{group}.tensor_model_parallel_size={size} {reason}; give {remedy}"


def _listed(words: Sequence[str], last: str) -> str:
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final


def smallest_micro_batch(settings: Settings) -> int:
    """Return how few sequences a micro-batch of a run may hold."""
    method = settings.method
    if isinstance(method, SftSettings):
        return method.update.smallest
    return min(method.update.smallest, method.log_probs.smallest)


def _sft_problems(data: DataSettings, trainer: TrainerSettings, sft: SftSettings) -> Iterator[str]:
    # trainer/sft_trainer.py, _build_dataloader: `train_batch_size // dp_size`, rest forgotten.
    yield from _share_problems({"data.train_batch_size": data.batch_size}, trainer.gpus)
    share = _share(data.batch_size, trainer.gpus)
    yield from _pass_problems([(sft.update, share)], data.length_key, data.max_length)


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
    # trainer/ppo/v1/trainer_base.py, _next_train_batch and, for dynamic sampling, _init_dataloader
    fetched = grpo.gen_batch_size
    if fetched is not None and (batch % fetched if grpo.group_filter is None else fetched > 1):
        why = (
            f"does not divide data.train_batch_size={batch}"
            if grpo.group_filter is None
            else "is 1 where groups are filtered"
        )
        yield f"data.gen_batch_size={fetched} {why}; leave it out"
    gpus, n = trainer.gpus, grpo.rollout.n
    # utils/config.py, validate_config; trainer/ppo/v1/trainer_base.py; workers/engine_workers.py,
    # train_mini_batch
    sizes = {"data.train_batch_size": batch, "actor_rollout_ref.actor.ppo_mini_batch_size": mini}
    yield from _share_problems(sizes, gpus, n)
    # workers/engine_workers.py, init_model: an assertion without a message.
    if grpo.update.dynamic != grpo.log_probs.dynamic:
        yield (
            f"actor_rollout_ref.actor.use_dynamic_bsz={grpo.update.dynamic} and "
            f"actor_rollout_ref.rollout.log_prob_use_dynamic_bsz={grpo.log_probs.dynamic} "
            "must be equal"
        )
    lengths = "data.max_prompt_length + data.max_response_length"
    longest = data.max_length + grpo.rollout.response_length
    sampled = [each for each in (grpo.log_probs, grpo.reference) if each is not None]
    passes = [
        (grpo.update, _share(mini * n, gpus)),
        *((each, _share(batch * n, gpus)) for each in sampled),
    ]
    yield from _pass_problems(passes, lengths, longest)
    yield from _context(grpo.rollout, data)
    # trainer/ppo/v1/trainer_base.py, fit: `save_freq > 0`
    if not isinstance(trainer.save_freq, int):
        yield f"trainer.save_freq={trainer.save_freq}: give a number of steps, or -1 for never"


def _context(rollout: RolloutSettings, data: DataSettings) -> Iterator[str]:
    """Yield why the rollout engine does not hold prompt and response, or its own sequences.

    workers/rollout/vllm_rollout/vllm_async_server.py, generate: cuts responses short without a
    word, or raises `leaves no room to generate`, upon which verl drops the group.
    """
    prompt, response, context = data.max_length, rollout.response_length, rollout.max_model_len
    if context is not None and prompt + response > context:
        yield (
            f"data.max_prompt_length={prompt} + data.max_response_length={response} exceeds "
            f"actor_rollout_ref.rollout.max_model_len={context}; raise it to {prompt + response}"
        )
    # vllm/config/scheduler.py, verify_max_model_len
    tokens, sequences = rollout.max_batched_tokens, rollout.max_sequences
    if tokens < sequences:
        yield (
            f"actor_rollout_ref.rollout.max_num_batched_tokens={tokens} is less than "
            f"actor_rollout_ref.rollout.max_num_seqs={sequences}, of which each adds a token to a "
            f"step of vLLM; raise it to {sequences} or more"
        )


def _share(sequences: int, gpus: int) -> int | None:
    """Return how many sequences a GPU gets; None if they do not share out."""
    return None if sequences % gpus else sequences // gpus


def _share_problems(sizes: Mapping[str, int], gpus: int, rollouts: int = 1) -> Iterator[str]:
    """Yield which batches do not share out over the GPUs."""
    uneven = [f"{key}={n}" for key, n in sizes.items() if n * rollouts % gpus]
    if uneven:
        times = f" x {rollouts} rollouts" if rollouts > 1 else ""
        do, multiple = ("does", "a multiple") if len(uneven) == 1 else ("do", "multiples")
        yield (
            f"{_listed(uneven, 'and')}{times} {do} not share out over {gpus} GPUs; give {multiple} "
            f"of {gpus // math.gcd(gpus, rollouts)}"
        )


def _pass_problems(
    passes: Sequence[tuple[MicroBatches, int | None]], longest_key: str, longest: int
) -> Iterator[str]:
    """Yield why the sequences of a GPU cannot be cut into micro-batches.

    Args:
        passes: Micro-batches, and the sequences that they cut; None where these do not share out.
        longest_key: The settings that say how long a sequence may be.
        longest: How long that is.
    """
    # utils/seqlen_balancing.py, rearrange_micro_batches: the longest sequence must fit.
    packed = [each for each, _ in passes if each.dynamic]
    short = [f"{e.tokens_key}={e.max_tokens}" for e in packed if e.max_tokens < longest]
    if short:
        are, them = ("is", "it") if len(short) == 1 else ("are", "them")
        yield (
            f"{_listed(short, 'and')} {are} less than {longest_key}={longest}; raise {them} to "
            f"{longest} or more"
        )
    # workers/engine/utils.py, prepare_micro_batches
    counted = [(each, share) for each, share in passes if not each.dynamic and share is not None]
    if absent := [each.size_key for each, _ in counted if each.size is None]:
        are = "is" if len(absent) == 1 else "are"
        yield f"{_listed(absent, 'and')} {are} not given, and batches are not packed by tokens"
    uneven: dict[int, list[str]] = {}
    for each, share in counted:
        if each.size is not None and share % each.size:
            uneven.setdefault(share, []).append(f"{each.size_key}={each.size}")
    for share, sizes in uneven.items():
        yield (
            f"the {share} sequences of a GPU do not share out over {_listed(sizes, 'and')}; "
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
    steps = n_rows // batch * trainer.epochs
    if trainer.steps is not None and 0 < steps < trainer.steps:
        yield (
            f"trainer.total_training_steps={trainer.steps} is never reached: {n_rows:,} rows are "
            f"{steps} steps in trainer.total_epochs={trainer.epochs}; raise the epochs"
        )
