"""How rows, batches, tokens and GPUs must fit, which verl finds out only when it computes.

Each rule names the place in verl 0.9.1 that asserts it, pads, or ends without a word. All of those
come after ray, the model and the rollout engine are up: minutes at best, hours of a queue at worst.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

Config = Mapping[str, Any]


def total_steps(config: Config, n_train: int) -> int:
    """Returns how many steps a run of SFT or GRPO takes, from its beginning."""
    trainer = config["trainer"]
    wanted = trainer["total_training_steps"]
    if wanted is not None:
        return int(wanted)
    return _steps(trainer, n_train, config["data"]["train_batch_size"])


def sft_batches(config: Config, n_train: int, n_valid: int) -> Iterator[str]:
    """Yields what does not fit in a run of SFT, with the remedy.

    Args:
        config: The resolved configuration of verl's SFT trainer.
        n_train: Rows to train on.
        n_valid: Rows to validate on.
    """
    data, trainer = config["data"], config["trainer"]
    gpus = _n_gpus(trainer)
    batch = data["train_batch_size"]
    # trainer/sft_trainer.py, _build_dataloader: `train_batch_size // dp_size`, rest forgotten.
    share = yield from _share("data.train_batch_size", batch, gpus)
    if share and not data["use_dynamic_bsz"]:
        # workers/engine/utils.py, prepare_micro_batches
        yield from _micro(share, "data.micro_batch_size_per_gpu", data["micro_batch_size_per_gpu"])
    if data["use_dynamic_bsz"]:
        yield from _packed("data.max_token_len_per_gpu", data["max_token_len_per_gpu"],
                           "data.max_length", data["max_length"])  # fmt: skip
    yield from _enough("data.train_files", n_train, batch)
    # The same samplers drop what is no whole batch: no row is left, and val/loss is nan.
    yield from _enough("data.val_files", n_valid, batch)
    yield from _reached(trainer, n_train, batch)
    for key in ("save_freq", "test_freq"):
        # trainer/sft_trainer.py, fit: `global_step % self.save_freq`
        if trainer[key] == 0:
            yield f"trainer.{key}=0 divides by zero in verl; give -1 for never"


def grpo_batches(config: Config, n_train: int) -> Iterator[str]:
    """Yields what does not fit in a run of GRPO, with the remedy.

    Args:
        config: The resolved configuration of verl's PPO trainer.
        n_train: Rows to train on.
    """
    data, trainer = config["data"], config["trainer"]
    model = config["actor_rollout_ref"]
    gpus = _n_gpus(trainer)
    batch, rollouts = data["train_batch_size"], model["rollout"]["n"]
    mini = model["actor"]["ppo_mini_batch_size"]
    # trainer/ppo/v1/trainer_base.py, _get_required_batch_multiple: fills up with text-only rows,
    # which then fail in models/transformers/qwen2_vl.py as a micro-batch without an image.
    if batch % mini:
        yield (
            f"data.train_batch_size={batch} is no multiple of "
            f"actor_rollout_ref.actor.ppo_mini_batch_size={mini}: verl would fill the batch up "
            "with empty rows; give a divisor"
        )
    # utils/config.py, validate_config; trainer/ppo/v1/trainer_base.py
    sampled = yield from _share("data.train_batch_size", batch, gpus, rollouts)
    # workers/engine_workers.py, train_mini_batch
    updated = yield from _share("actor_rollout_ref.actor.ppo_mini_batch_size", mini, gpus, rollouts)
    yield from _micro_batches(config, sampled, updated)
    yield from _engines(model["rollout"], trainer)
    yield from _context(model["rollout"], data)
    yield from _enough("data.train_files", n_train, batch)
    yield from _reached(trainer, n_train, batch)
    # trainer/ppo/v1/trainer_base.py, fit: the last step too is saved only if this is above 0.
    if trainer["save_freq"] <= 0:
        yield "trainer.save_freq is not above 0: nothing would be saved; give a number of steps"


def smallest_micro_batch(config: Config) -> int:
    """Return how few sequences a micro-batch of SFT or GRPO may hold; 1 where tokens decide."""
    if "actor_rollout_ref" not in config:
        data = config["data"]
        return 1 if data["use_dynamic_bsz"] else data["micro_batch_size_per_gpu"] or 1
    model = config["actor_rollout_ref"]
    if model["actor"]["use_dynamic_bsz"] or model["rollout"]["log_prob_use_dynamic_bsz"]:
        return 1
    return min(
        model["actor"]["ppo_micro_batch_size_per_gpu"] or 1,
        model["rollout"]["log_prob_micro_batch_size_per_gpu"] or 1,
    )


def _micro_batches(config: Config, sampled: int | None, updated: int | None) -> Iterator[str]:
    data, model = config["data"], config["actor_rollout_ref"]
    actor, rollout = model["actor"], model["rollout"]
    packs = actor["use_dynamic_bsz"]
    # workers/engine_workers.py, init_model: an assertion without a word.
    if packs != rollout["log_prob_use_dynamic_bsz"]:
        yield (
            f"actor_rollout_ref.actor.use_dynamic_bsz={packs} and "
            f"actor_rollout_ref.rollout.log_prob_use_dynamic_bsz="
            f"{rollout['log_prob_use_dynamic_bsz']} must be equal"
        )
    passes = [
        (packs, "actor.ppo_micro_batch_size_per_gpu", "actor.ppo_max_token_len_per_gpu", updated),
        (packs, *_log_prob("rollout"), sampled),
    ]
    if actor["use_kl_loss"] or config["algorithm"]["use_kl_in_reward"]:
        passes.append((model["ref"]["log_prob_use_dynamic_bsz"], *_log_prob("ref"), sampled))
    lengths = "data.max_prompt_length + data.max_response_length"
    longest = data["max_prompt_length"] + data["max_response_length"]
    for dynamic, size, tokens, share in passes:
        if dynamic:
            yield from _packed(f"actor_rollout_ref.{tokens}", _at(model, tokens), lengths, longest)
        elif share:
            # workers/engine/utils.py, prepare_micro_batches
            yield from _micro(share, f"actor_rollout_ref.{size}", _at(model, size))


def _log_prob(part: str) -> tuple[str, str]:
    return f"{part}.log_prob_micro_batch_size_per_gpu", f"{part}.log_prob_max_token_len_per_gpu"


def _at(config: Config, path: str) -> Any:
    part, key = path.split(".")
    return config[part][key]


def _engines(rollout: Config, trainer: Config) -> Iterator[str]:
    """A rollout engine takes whole GPUs, and whole nodes if it takes more than one.

    workers/engine_workers.py, init_model; workers/rollout/replica.py, RolloutReplica.
    """
    gpus, per_node = _n_gpus(trainer), trainer["n_gpus_per_node"]
    engine = rollout["tensor_model_parallel_size"] * rollout["data_parallel_size"]
    name = "actor_rollout_ref.rollout.tensor_model_parallel_size"
    if gpus % engine:
        yield f"{gpus} GPUs do not share out over rollout engines of {engine}; lower {name}"
    elif max(engine, per_node) % min(engine, per_node):
        yield (
            f"rollout engines of {engine} GPUs would lie across the nodes' {per_node} GPUs; "
            f"give {name} that divides {per_node}"
        )


def _context(rollout: Config, data: Config) -> Iterator[str]:
    """The rollout engine's context holds prompt and response.

    workers/rollout/vllm_rollout/vllm_async_server.py, generate: cuts responses short without a
    word, or raises `leaves no room to generate`, upon which verl drops the group.
    """
    prompt, response = data["max_prompt_length"], data["max_response_length"]
    context = rollout["max_model_len"]
    if context is not None and prompt + response > context:
        yield (
            f"data.max_prompt_length={prompt} + data.max_response_length={response} exceeds "
            f"actor_rollout_ref.rollout.max_model_len={context}; raise it to {prompt + response}"
        )


def _share(key: str, n: int, gpus: int, rollouts: int = 1) -> Generator[str, None, int | None]:
    """Returns how many sequences a GPU gets; None, and a reason, if they do not share out."""
    if n * rollouts % gpus:
        times = f" x {rollouts} rollouts" if rollouts > 1 else ""
        yield f"{key}={n}{times} does not share out over {gpus} GPUs; give a multiple of {gpus}"
        return None
    return n * rollouts // gpus


def _micro(share: int, key: str, size: int | None) -> Iterator[str]:
    if size is None:
        yield f"{key} is not given, and batches are not packed by tokens"
    elif share % size:
        yield (
            f"the {share} sequences of a GPU do not share out over {key}={size}; "
            f"give a divisor of {share}"
        )


def _packed(key: str, tokens: int, longest_key: str, longest: int) -> Iterator[str]:
    """utils/seqlen_balancing.py, rearrange_micro_batches: the longest sequence must fit."""
    if tokens < longest:
        yield f"{key}={tokens} is less than {longest_key}={longest}; raise it to {longest} or more"


def _enough(key: str, n_rows: int, batch: int) -> Iterator[str]:
    """Both trainers leave out what fills no batch, and divide by the batches of an epoch."""
    if n_rows < batch:
        yield (
            f"{key} holds {n_rows:,} rows, less than one batch of {batch}; "
            f"lower data.train_batch_size to {n_rows} or fewer"
        )


def _reached(trainer: Config, n_rows: int, batch: int) -> Iterator[str]:
    """Both trainers save and validate at the last step, which must come within the epochs."""
    wanted, steps = trainer["total_training_steps"], _steps(trainer, n_rows, batch)
    if wanted is not None and 0 < steps < wanted:
        yield (
            f"trainer.total_training_steps={wanted} is never reached: {n_rows:,} rows are {steps} "
            f"steps in trainer.total_epochs={trainer['total_epochs']}; raise the epochs"
        )


def _steps(trainer: Config, n_rows: int, batch: int) -> int:
    return int(n_rows // batch * trainer["total_epochs"])


def _n_gpus(trainer: Config) -> int:
    return int(trainer["n_gpus_per_node"] * trainer["nnodes"])
