"""The model card of a checkpoint, written from the record of the run that made it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipes.training.configuration.keys import value_at
from recipes.training.results.publication import is_public, shown
from recipes.training.runs.checkpoints import sharded
from recipes.training.runs.record import RECORD_NAME, DataFile, Record, find_record, lineage
from unifer_rewards.presets import make_reward
from unifer_tasks.harness.models.weights import MERGE
from unifer_tasks.redaction.local_paths import file_name, without_local_paths
from unifer_tasks.redaction.markdown import CARD_NAME, code, escape, front_matter, table
from unifer_tasks.redaction.secrets import map_texts
from unifer_tasks.support.files import atomic_write

_SETTINGS = {
    "sft": {
        "epochs": "trainer.total_epochs",
        "rows a batch": "data.train_batch_size",
        "learning rate": "optim.lr",
        "schedule": "optim.lr_scheduler_type",
        "warm-up, share of steps": "optim.lr_warmup_steps_ratio",
        "weight decay": "optim.weight_decay",
        "gradient clip": "optim.clip_grad",
        "most tokens a row": "data.max_length",
        "GPUs a node": "trainer.n_gpus_per_node",
        "nodes": "trainer.nnodes",
    },
    "grpo": {
        "epochs": "trainer.total_epochs",
        "prompts a batch": "data.train_batch_size",
        "rollouts a prompt": "actor_rollout_ref.rollout.n",
        "temperature": "actor_rollout_ref.rollout.temperature",
        "most new tokens": "data.max_response_length",
        "learning rate": "actor_rollout_ref.actor.optim.lr",
        "schedule": "actor_rollout_ref.actor.optim.lr_scheduler_type",
        "weight decay": "actor_rollout_ref.actor.optim.weight_decay",
        "prompts an update": "actor_rollout_ref.actor.ppo_mini_batch_size",
        "policy loss": "actor_rollout_ref.actor.policy_loss.loss_mode",
        "lower clip": "actor_rollout_ref.actor.clip_ratio_low",
        "upper clip": "actor_rollout_ref.actor.clip_ratio_high",
        "groups without variance left out": "algorithm.filter_groups.enable",
        "KL loss": "actor_rollout_ref.actor.use_kl_loss",
        "KL coefficient": "actor_rollout_ref.actor.kl_loss_coef",
        "KL estimator": "actor_rollout_ref.actor.kl_loss_type",
        "loss": "actor_rollout_ref.actor.loss_agg_mode",
        "advantage over the group's deviation": "algorithm.norm_adv_by_std_in_grpo",
        "gradient clip": "actor_rollout_ref.actor.optim.clip_grad",
        "GPUs a node": "trainer.n_gpus_per_node",
        "nodes": "trainer.nnodes",
    },
}

_METRICS = ("accuracy", "macro_f1", "uar", "unreadable")


class CardError(Exception):
    """A card that cannot be written."""


def card(record: Record, scores: Path | None = None) -> str:
    """Return the text of a model card, with the header that the Hugging Face hub reads.

    Args:
        record: Of the run, with the step of the checkpoint.
        scores: A results file of lmms-eval or of `ferbench score --json`.

    Raises:
        CardError: `scores` is neither.
    """
    stages = lineage(record)
    base = stages[-1].model
    methods = dict.fromkeys(_title(run) for run in reversed(stages))
    counted: set[str] = set()
    parts = [
        _header(stages, base),
        f"# {escape(file_name(base))}, trained by {' and '.join(methods)}",
        "Facial expression recognition as visual question answering. "
        f"Base model: {code(shown(base))}.",
        *_warning(stages),
        *(section for run in reversed(stages) for section in _stage(run, counted)),
        "## Scores",
        "\n".join(_scores(scores)) if scores else "Not measured.",
        "## Licence and use",
        "The licences of the base model and of the datasets apply; the datasets admit research "
        "only, and their images are not part of this model's files. An expression is evidence of "
        "an emotion, not proof; inferring emotions is restricted by law in places.",
    ]
    return "\n\n".join(parts) + "\n"


def check_scores(path: Path) -> None:
    """Check that a card can show the scores of a file.

    Raises:
        CardError: It cannot.
    """
    for _ in _scores(path):
        pass


def write_card(folder: Path, record: Record, scores: Path | None = None) -> Path:
    """Write the card into a Hugging Face folder; return its path."""
    text = card(record, scores)
    path = folder / CARD_NAME
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_checkpoint_card(checkpoint: Path, scores: Path | None = None) -> Path:
    """Write the card of a checkpoint into it; return its path.

    Args:
        checkpoint: A Hugging Face folder of a run.
        scores: See `card`.

    Raises:
        CardError: It is not one, or holds an adapter that was not merged; see also `card`.
        RecordError: See `record.find_record`.
    """
    if not (checkpoint / "config.json").is_file():
        whole = sharded(checkpoint) / "huggingface"
        remedy = f"give {whole}" if (whole / "config.json").is_file() else f"merge it: {MERGE}"
        raise CardError(
            f"{checkpoint} is not a Hugging Face checkpoint: it has no config.json; {remedy}"
        )
    record = find_record(checkpoint)
    if record is None:
        raise CardError(
            f"{checkpoint} comes from no run that unifer-train recorded: it needs the run's "
            f"{RECORD_NAME}"
        )
    if record.adapter and not (checkpoint / RECORD_NAME).is_file():
        raise CardError(
            f"{checkpoint} holds a LoRA adapter that was not merged; unifer-train merge merges it "
            "and writes the card"
        )
    return write_card(checkpoint, record, scores)


def _header(stages: Sequence[Record], base: str) -> str:
    methods = dict.fromkeys(run.stage for run in stages)
    tags = ["unifer", "facial-expression-recognition", "verl", *methods]
    tags += ["lora"] if any(run.adapter for run in stages) else []
    fields: dict[str, Any] = {
        "license": "other",
        "license_name": "base-model-and-datasets",
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "language": ["en"],
        "tags": [*tags, "stand-in-data"] if _stand_in(stages) else tags,
    }
    if is_public(base):
        fields["base_model"] = base
    return front_matter(fields)


def _warning(stages: Sequence[Record]) -> Iterator[str]:
    if _stand_in(stages):
        yield (
            "**Trained on synthetic faces.** It shows that the recipe runs, and says nothing "
            "about photographs."
        )


def _stand_in(stages: Iterable[Record]) -> bool:
    return any(file.stand_in for run in stages for files in run.data.values() for file in files)


def _title(run: Record) -> str:
    return (run.algorithm or run.stage).upper().replace("_", ".")


def _stage(run: Record, counted: set[str]) -> Iterator[str]:
    step = "" if run.step is None else f", {run.step:,} steps"
    yield f"## {_title(run)}{step}"
    settings = [(name, value_at(run.config, key)) for name, key in _SETTINGS[run.stage].items()]
    if run.adapter:
        for name, value in run.adapter.settings.items():
            settings.append((name, value if isinstance(value, int) else code(value)))
    settings.append(("rows read to train on", f"{run.rows_read('train'):,}"))
    yield table(("setting", "value"), settings)
    if run.stage == "grpo":
        yield from _reward(run)
    yield table(("data", "file", "rows", "SHA-256", "faces"), _files(run))
    rows = list(_counts(run, counted))
    if rows:
        yield table(("part", "dataset", "label", "rows"), rows)
    versions = ", ".join(f"{name} {found}" for name, found in run.versions.items())
    yield f"Versions: {escape(versions)}."


def _reward(run: Record) -> Iterator[str]:
    function = run.config["reward"]["custom_reward_function"]
    options = dict(function.get("reward_kwargs") or {})
    given = code(json.dumps(map_texts(options, without_local_paths), ensure_ascii=False))
    if function["path"] != "pkg://unifer_rewards.fer":
        yield f"Reward: {code(shown(function['path']))}, {code(function['name'])}, {given}."
        return
    reward = make_reward(**options)
    weights = ", ".join(f"{term} {weight:g}" for term, weight in reward.weights.items())
    gated = "gated on format" if reward.gated else "ungated"
    meant = f"{weights}, {gated}; at most {reward.maximum:g}"
    yield f"Reward: {given}, that is {meant}."


def _files(run: Record) -> Iterator[tuple[object, ...]]:
    for part, files in run.data.items():
        for file in files:
            yield part, code(file_name(file.path)), f"{file.rows:,}", file.sha256, _faces(file)


def _faces(file: DataFile) -> str:
    return {True: "synthetic", False: "photographs", None: "not recorded"}[file.stand_in]


def _counts(run: Record, counted: set[str]) -> Iterator[tuple[object, ...]]:
    """Yield counts of the labels, without manifests that were counted for an earlier stage."""
    manifests = {
        json.dumps(file.manifest, sort_keys=True): file.manifest
        for files in run.data.values()
        for file in files
        if file.manifest is not None
    }
    for key, manifest in manifests.items():
        if key in counted:
            continue
        counted.add(key)
        for part, datasets in manifest["counts_out"].items():
            for dataset, labels in datasets.items():
                for label, n in labels.items():
                    yield part, dataset, label, f"{n:,}"


def _scores(path: Path) -> Iterator[str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = list(_lmms_eval(found) if "results" in found else _ferbench(found))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CardError(
            f"{path} is not a results file of lmms-eval or `ferbench score --json`: {error!r}"
        ) from error
    if not rows:
        raise CardError(f"{path} holds no score of a ferbench task")
    yield table(("", *_METRICS), rows)


def _lmms_eval(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for task, row in found["results"].items():
        if task.startswith("ferbench") and "accuracy,none" in row:
            name = row.get("alias", task).strip(" -")
            yield name, *(_number(row[f"{metric},none"]) for metric in _METRICS)


def _ferbench(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    complete = "" if found["complete"] else " [not the whole benchmark]"
    sections = {**found["datasets"], "pooled": found["pooled"], "mean": found["mean"]}
    for name, row in sections.items():
        title = f"{name}, {found['reader']} reader{complete}"
        yield title, *(_number(row[metric]) for metric in _METRICS)


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "-"
