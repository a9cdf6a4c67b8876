"""verl's configuration -> the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recipes.training.configuration.adapter import adapter_of
from recipes.training.configuration.keys import Config, value_at
from recipes.training.configuration.ranges import range_problems
from recipes.training.configuration.settings import (
    PARTS,
    ConfigurationError,
    DataSettings,
    GrpoSettings,
    LossSettings,
    MicroBatches,
    ModelSettings,
    Overlong,
    RewardSettings,
    RolloutSettings,
    Settings,
    SftSettings,
    Stage,
    TrainerSettings,
)

_FOLDERS = ("default_local_dir", "rollout_data_dir", "validation_data_dir")


def parse_settings(
    verl: Config, file: Path, overrides: Iterable[str] = (), algorithm: str | None = None
) -> Settings:
    """Return the settings of a run.

    Args:
        verl: The whole configuration of verl's trainer, resolved.
        file: The YAML file that it was composed from.
        overrides: What was given besides.
        algorithm: The name of the algorithm that was chosen.

    Raises:
        ConfigurationError: A count is not a positive whole number, from which all else is
            calculated, or the run has no folder.
    """
    stage = stage_of(verl)
    problems = [*range_problems(stage, verl)]
    if verl["trainer"]["default_local_dir"] is None:
        problems.insert(0, "trainer.default_local_dir is not given: give the folder of the run")
    if problems:
        raise ConfigurationError(*problems)
    return Settings(
        data=data_settings(stage, verl),
        model=model_settings(stage, verl),
        trainer=_trainer(stage, verl),
        method=(
            SftSettings(_micro_batches(verl, "data", "use_dynamic_bsz"))
            if stage == "sft"
            else _grpo(verl, algorithm)
        ),
        verl=verl,
        file=file,
        overrides=tuple(overrides),
    )


def stage_of(verl: Config) -> Stage:
    """Return which trainer of verl a configuration is for."""
    return "grpo" if "actor_rollout_ref" in verl else "sft"


def data_settings(stage: Stage, verl: Config) -> DataSettings:
    """Return what a configuration says of a run's rows."""
    data = verl["data"]
    messages, length = (
        (data.get("messages_key", "messages"), "max_length")
        if stage == "sft"
        else (data.get("prompt_key", "prompt"), "max_prompt_length")
    )
    return DataSettings(
        train_files=_paths(data["train_files"]),
        val_files=_paths(data["val_files"]),
        train_max_samples=data.get("train_max_samples", -1),
        val_max_samples=data.get("val_max_samples", -1),
        batch_size=data["train_batch_size"],
        messages_key=messages,
        images_key=data.get("image_key", "images"),
        max_length=data[length],
        length_key=f"data.{length}",
        overlong=_overlong(stage, data),
        has_own_dataset=(data.get("custom_cls") or {}).get("path") is not None,
        template_options=data.get("apply_chat_template_kwargs") or {},
    )


def _overlong(stage: Stage, data: Config) -> Overlong:
    # utils/dataset/multiturn_sft_dataset.py; "left" would cut the image off.
    if stage == "sft":
        return "cut" if data.get("truncation") == "right" else "refused"
    # utils/dataset/rl_dataset.py, which chooses the samples first and filters them then.
    most = max(data.get(f"{part}_max_samples", -1) for part in PARTS)
    return "dropped" if data.get("filter_overlong_prompts") and most <= 0 else "refused"


def model_settings(stage: Stage, verl: Config) -> ModelSettings:
    """Return what a configuration says of its model."""
    key = "model" if stage == "sft" else "actor_rollout_ref.model"
    model = value_at(verl, key)
    return ModelSettings(
        key=key,
        path=str(model["path"]),
        packs_sequences=bool(model.get("use_remove_padding")),
        # workers/config/model.py, HFModelConfig
        attention=str(
            (model.get("override_config") or {}).get("attn_implementation", "flash_attention_2")
        ),
        adapter=adapter_of(model),
        adapter_path=model.get("lora_adapter_path"),
        lora=model.get("lora") or {},
    )


def _paths(given: object) -> tuple[Path, ...]:
    """Return one path, several or none."""
    files = [given] if isinstance(given, str) else list(given) if isinstance(given, list) else []
    return tuple(Path(str(file)).expanduser() for file in files)


def _trainer(stage: Stage, verl: Config) -> TrainerSettings:
    trainer = verl["trainer"]
    shared, shared_key = _sequence_parallel(stage, verl)
    resume_from = trainer.get("resume_from_path")
    loggers = trainer["logger"]
    return TrainerSettings(
        folder=Path(str(trainer["default_local_dir"])).resolve(),
        folders={name: Path(str(path)) for name in _FOLDERS if (path := trainer.get(name))},
        gpus_per_node=trainer["n_gpus_per_node"],
        nodes=trainer["nnodes"],
        sequence_parallel=shared,
        sequence_parallel_key=shared_key,
        epochs=trainer["total_epochs"],
        steps=trainer["total_training_steps"],
        save_freq=trainer["save_freq"],
        test_freq=trainer["test_freq"],
        resume_mode=trainer["resume_mode"],
        resume_from=None if resume_from is None else Path(str(resume_from)),
        device=trainer["device"],
        loggers=(loggers,) if isinstance(loggers, str) else tuple(loggers or ()),
        only_validates=bool(trainer.get("val_only") and trainer.get("val_before_train")),
    )


def _sequence_parallel(stage: Stage, verl: Config) -> tuple[int, str]:
    """Return how many GPUs share a sequence, and the setting that says so.

    workers/config/actor.py, FSDPActorConfig: the actor's own setting wins where it is above 1.
    """
    actor = "actor_rollout_ref.actor"
    groups = ["engine"] if stage == "sft" else [actor, f"{actor}.fsdp_config"]
    keys = [f"{group}.ulysses_sequence_parallel_size" for group in groups]
    key = next((key for key in keys if value_at(verl, key) > 1), keys[-1])
    return value_at(verl, key), key


def _grpo(verl: Config, algorithm: str | None) -> GrpoSettings:
    group = verl["actor_rollout_ref"]
    actor, rollout = group["actor"], group["rollout"]
    has_reference = actor["use_kl_loss"] or verl["algorithm"]["use_kl_in_reward"]
    filter_groups = verl["algorithm"]["filter_groups"]
    return GrpoSettings(
        algorithm=algorithm,
        estimator=verl["algorithm"]["adv_estimator"],
        loss=LossSettings(
            mode=str(actor["policy_loss"]["loss_mode"]),
            clip=(actor["clip_ratio_low"], actor["clip_ratio_high"]),
            updates=verl["data"]["train_batch_size"]
            // actor["ppo_mini_batch_size"]
            * actor["ppo_epochs"],
            starts_at_ratio_one=not verl["algorithm"]["rollout_correction"]["bypass_mode"],
        ),
        group_filter=str(filter_groups["metric"]) if filter_groups["enable"] else None,
        mini_batch_size=actor["ppo_mini_batch_size"],
        gen_batch_size=verl["data"]["gen_batch_size"],
        rollout=RolloutSettings(
            n=rollout["n"],
            temperature=rollout["temperature"],
            response_length=verl["data"]["max_response_length"],
            tensor_parallel=rollout["tensor_model_parallel_size"],
            data_parallel=rollout["data_parallel_size"],
            max_model_len=rollout["max_model_len"],
            max_sequences=rollout["max_num_seqs"],
            max_batched_tokens=rollout["max_num_batched_tokens"],
            load_format=str(rollout.get("load_format")),
            layered_summon=bool(rollout.get("layered_summon")),
        ),
        update=_micro_batches(verl, "actor_rollout_ref.actor", "use_dynamic_bsz", "ppo_"),
        log_probs=_log_probs(verl, "rollout"),
        reference=_log_probs(verl, "ref") if has_reference else None,
        reward=_reward(verl["reward"]),
    )


def _reward(group: Config) -> RewardSettings:
    function = group["custom_reward_function"]
    of_manager = group.get("reward_kwargs") or {}
    overlong = of_manager.get("overlong_buffer_cfg") or {}
    return RewardSettings(
        path=str(function["path"]),
        name=str(function["name"]),
        options=function.get("reward_kwargs") or {},
        manager=str(group["reward_manager"]["name"]),
        penalised_length=overlong.get("len", 0) if overlong.get("enable") else None,
        max_length=of_manager.get("max_resp_len"),
    )


def _log_probs(verl: Config, part: str) -> MicroBatches:
    group = f"actor_rollout_ref.{part}"
    return _micro_batches(verl, group, "log_prob_use_dynamic_bsz", "log_prob_")


def _micro_batches(verl: Config, group: str, dynamic: str, prefix: str = "") -> MicroBatches:
    size_key = f"{group}.{prefix}micro_batch_size_per_gpu"
    tokens_key = f"{group}.{prefix}max_token_len_per_gpu"
    return MicroBatches(
        dynamic=value_at(verl, f"{group}.{dynamic}"),
        size=value_at(verl, size_key),
        size_key=size_key,
        max_tokens=value_at(verl, tokens_key),
        tokens_key=tokens_key,
    )
