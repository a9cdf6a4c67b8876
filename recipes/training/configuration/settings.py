"""What the checks and the launcher need of verl's configuration: `parse` reads it, once.

Names are the field's; each attribute's docstring gives verl's key where it is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from recipes.training.configuration.adapter import Adapter
from recipes.training.configuration.keys import Config

Stage = Literal["sft", "grpo"]
Part = Literal["train", "val"]
Overlong = Literal["refused", "dropped", "cut"]
"""What becomes of rows that are longer than `DataSettings.max_length`."""
STAGES: tuple[Stage, ...] = get_args(Stage)
PARTS: tuple[Part, ...] = get_args(Part)


class ConfigurationError(Exception):
    """A run that cannot succeed as it is configured; nothing was started.

    Attributes:
        problems: A sentence each, with its remedy.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(f"- {problem}" for problem in problems))


@dataclass(frozen=True, slots=True)
class DataSettings:
    """The rows of a run.

    Attributes:
        train_files: Parquet files to train on.
        val_files: Parquet files to validate on.
        train_max_samples: How many rows to train on at most; all if not positive.
        val_max_samples: Likewise, to validate on.
        batch_size: Rows (SFT) or prompts (GRPO) of a step.
        messages_key: Column of the messages (SFT) or the prompt (GRPO).
        images_key: Column of the images.
        max_length: Tokens of a row (SFT) or a prompt (GRPO) at most.
        length_key: The setting that says so.
        overlong: What becomes of longer ones.
        has_own_dataset: Whether another class than verl's reads the files.
        template_options: `data.apply_chat_template_kwargs`.
    """

    train_files: tuple[Path, ...]
    val_files: tuple[Path, ...]
    train_max_samples: int
    val_max_samples: int
    batch_size: int
    messages_key: str
    images_key: str
    max_length: int
    length_key: str
    overlong: Overlong
    has_own_dataset: bool
    template_options: Mapping[str, Any]

    def files(self, part: Part) -> tuple[Path, ...]:
        """Return the files to train or to validate on."""
        return self.train_files if part == "train" else self.val_files

    def rows_read(self, part: Part, rows: Mapping[Path, int]) -> int:
        """Return how many rows verl reads; 0 where a file is missing.

        Args:
            part: "train" or "val".
            rows: Data file -> rows.
        """
        files = self.files(part)
        if not all(file in rows for file in files):
            return 0
        total = sum(rows[file] for file in files)
        most = self.train_max_samples if part == "train" else self.val_max_samples
        return min(total, most) if most > 0 else total


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The model that is trained.

    Attributes:
        key: The group of its settings.
        path: A Hugging Face folder or a hub id.
        packs_sequences: `use_remove_padding`, which needs flash-attn.
        attention: `override_config.attn_implementation`.
        adapter: The LoRA adapter that is trained; None if the model's own weights are.
        adapter_path: `lora_adapter_path`, an adapter to start from.
        lora: The group `lora`, of which the FSDP engine reads `merge` alone.
    """

    key: str
    path: str
    packs_sequences: bool
    attention: str
    adapter: Adapter | None
    adapter_path: str | None
    lora: Mapping[str, Any]

    @property
    def rollout_gets_merged_weights(self) -> bool:
        """Whether vLLM is given whole weights instead of an adapter."""
        return bool(self.lora.get("merge"))


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """How long and where a run trains.

    Attributes:
        folder: `default_local_dir`, the run's folder, as an absolute path.
        folders: Setting -> folder that verl writes to.
        gpus_per_node: `n_gpus_per_node`.
        nodes: `nnodes`.
        sequence_parallel: `ulysses_sequence_parallel_size`, GPUs that share a sequence.
        sequence_parallel_key: The setting that says so.
        epochs: `total_epochs`.
        steps: `total_training_steps`; None for as many as the epochs take.
        save_freq: In steps, or `after_each_epoch` (SFT); what is not positive stands for never.
        test_freq: Likewise.
        resume_mode: "auto", "disable" or "resume_path".
        resume_from: The checkpoint of `resume_path`.
        device: "cuda", or "cpu" by the plug-in of `recipes.tiny_cpu`.
        loggers: verl's tracking backends.
        only_validates: `val_only`, which ends the run after its first validation.
    """

    folder: Path
    folders: Mapping[str, Path]
    gpus_per_node: int
    nodes: int
    sequence_parallel: int
    sequence_parallel_key: str
    epochs: int
    steps: int | None
    save_freq: int | str
    test_freq: int | str
    resume_mode: str
    resume_from: Path | None
    device: str
    loggers: tuple[str, ...]
    only_validates: bool

    @property
    def gpus(self) -> int:
        """How many GPUs train."""
        return self.gpus_per_node * self.nodes


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """How a GPU's share of a batch is cut for one pass through the model.

    Attributes:
        dynamic: Whether sequences are packed by tokens and not counted.
        size: Sequences of a micro-batch where they are counted.
        size_key: The setting that says so.
        max_tokens: Tokens of a micro-batch where they are packed.
        tokens_key: The setting that says so.
    """

    dynamic: bool
    size: int | None
    size_key: str
    max_tokens: int
    tokens_key: str

    @property
    def smallest(self) -> int:
        """How few sequences a micro-batch may hold; 1 where tokens decide."""
        return 1 if self.dynamic else self.size or 1


@dataclass(frozen=True, slots=True)
class SftSettings:
    """What SFT alone has.

    Attributes:
        update: Micro-batches of a step.
    """

    update: MicroBatches


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """The reward function of GRPO: `reward.custom_reward_function`.

    Attributes:
        path: A file, or `pkg://MODULE`.
        name: The function.
        options: `reward_kwargs`.
        manager: `reward.reward_manager.name`, what calls it.
        penalised_length: Last tokens of a response that cost a reward; None if none do.
        max_length: `reward_kwargs.max_resp_len`, the length that these tokens end at.
    """

    path: str
    name: str
    options: Mapping[str, Any]
    manager: str
    penalised_length: int | None
    max_length: int | None

    @property
    def is_ours(self) -> bool:
        """Whether it is `unifer_rewards.fer`."""
        return self.path == "pkg://unifer_rewards.fer"


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How GRPO samples responses.

    Attributes:
        n: Responses to a prompt.
        temperature: Of the sampling; 0 is greedy.
        response_length: Tokens of a response at most.
        tensor_parallel: GPUs that share the layers of an engine.
        data_parallel: Copies of the model in an engine.
        max_model_len: Tokens of the engine's context; None for the model's own.
        max_sequences: `max_num_seqs`, sequences of an engine's step.
        max_batched_tokens: `max_num_batched_tokens`, tokens of an engine's step.
        load_format: What weights the engine starts with.
        layered_summon: Whether an adapter is gathered layer by layer.
    """

    n: int
    temperature: float
    response_length: int
    tensor_parallel: int
    data_parallel: int
    max_model_len: int | None
    max_sequences: int
    max_batched_tokens: int
    load_format: str
    layered_summon: bool


@dataclass(frozen=True, slots=True)
class LossSettings:
    """How a batch of rollouts moves the weights.

    Attributes:
        mode: `policy_loss.loss_mode`.
        clip: `clip_ratio_low` and `clip_ratio_high`.
        updates: Optimizer steps of a batch.
        starts_at_ratio_one: Whether the first of them has the weights that the ratio compares
            with.
    """

    mode: str
    clip: tuple[float, float]
    updates: int
    starts_at_ratio_one: bool


@dataclass(frozen=True, slots=True)
class GrpoSettings:
    """What GRPO alone has.

    Attributes:
        algorithm: The name of the file of settings that was chosen; None if none was.
        estimator: `algorithm.adv_estimator`.
        loss: How a batch of rollouts moves the weights.
        group_filter: `algorithm.filter_groups.metric`, of which a group must have several values
            to be kept; None if all are.
        mini_batch_size: Prompts of an update.
        gen_batch_size: Prompts that are fetched at once; None for those of a step.
        rollout: How responses are sampled.
        update: Micro-batches of an update.
        log_probs: Micro-batches of the log-probabilities of the rollout.
        reference: Those of the reference model; None if there is none.
        reward: The reward function.
    """

    algorithm: str | None
    estimator: str
    loss: LossSettings
    group_filter: str | None
    mini_batch_size: int
    gen_batch_size: int | None
    rollout: RolloutSettings
    update: MicroBatches
    log_probs: MicroBatches
    reference: MicroBatches | None
    reward: RewardSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """A run of one stage.

    Attributes:
        data: Its rows.
        model: The model to train.
        trainer: How long and where.
        method: What its stage alone has.
        verl: The whole configuration, as verl's trainer sees it.
        file: The YAML file that it was composed from.
        overrides: What was given besides, as hydra reads it.
    """

    data: DataSettings
    model: ModelSettings
    trainer: TrainerSettings
    method: SftSettings | GrpoSettings
    verl: Config
    file: Path
    overrides: tuple[str, ...]

    @property
    def stage(self) -> Stage:
        """Its stage."""
        return "sft" if isinstance(self.method, SftSettings) else "grpo"

    @property
    def engine_key(self) -> str:
        """Where verl's configuration has the engine of the model that is trained."""
        return "engine" if self.stage == "sft" else "actor_rollout_ref.actor.fsdp_config"

    @property
    def checkpoint_key(self) -> str:
        """The group that says what a checkpoint holds."""
        return "checkpoint" if self.stage == "sft" else "actor_rollout_ref.actor.checkpoint"

    @property
    def saves(self) -> bool:
        """Whether it leaves a checkpoint: SFT saves its last step whatever `save_freq` is."""
        often = self.trainer.save_freq
        return self.stage == "sft" or (
            not self.trainer.only_validates and not (isinstance(often, int) and often <= 0)
        )

    def total_steps(self, n_train: int) -> int:
        """Return how many steps it takes from its beginning, given the rows to train on."""
        if self.trainer.steps is not None:
            return self.trainer.steps
        return n_train // self.data.batch_size * self.trainer.epochs
