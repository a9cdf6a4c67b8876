"""Plans against what others published, and what verl wrote and took here."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

pytest.importorskip("verl")

from recipes.training.configuration.settings import Stage
from recipes.training.plan.available import GIB
from recipes.training.plan.disk import checkpoint_size
from recipes.training.plan.fit import Machine, fit_problems, fullest
from recipes.training.plan.layout import layout_of
from recipes.training.plan.lengths import Assumed
from recipes.training.plan.memory import CONTEXT
from recipes.training.plan.table import plan_table
from tests.conftest import REPOSITORY
from tests.recipes.training.plan.layouts import ROWS, plan, settings

_GROUP = "actor_rollout_ref"
_TEXTS = Assumed(rows=ROWS, text=225, response=500)


def easy_r1(update: int, log_probs: int, parallel: int = 2, kind: str = "fp32") -> list[str]:
    """EasyR1's settings, as overrides; its baselines offload, and their peaks do as if not."""
    sizes = {"actor.ppo": update, "ref.log_prob": log_probs, "rollout.log_prob": log_probs}
    return [
        "data.train_batch_size=512", "data.max_prompt_length=2048", "data.max_response_length=2048",
        f"{_GROUP}.rollout.n=5", f"{_GROUP}.actor.ppo_mini_batch_size=128",
        f"{_GROUP}.rollout.max_model_len=4096", f"{_GROUP}.actor.fsdp_config.model_dtype={kind}",
        f"{_GROUP}.rollout.tensor_model_parallel_size={parallel}",
        f"{_GROUP}.actor.use_dynamic_bsz=false", f"{_GROUP}.rollout.log_prob_use_dynamic_bsz=false",
        f"{_GROUP}.ref.log_prob_use_dynamic_bsz=false",
        f"{_GROUP}.actor.fsdp_config.param_offload=false",
        f"{_GROUP}.actor.fsdp_config.optimizer_offload=false",
        *(f"{_GROUP}.{key}_micro_batch_size_per_gpu={n}" for key, n in sizes.items()),
    ]  # fmt: skip


# hiyouga/EasyR1 v0.3.2, assets/baselines.md, "Peak VRAM" on 8 GPUs. An L20 of 48 GB has 45 GiB.
@pytest.mark.parametrize(
    ("size", "gpu", "overrides", "published"),
    [
        ("3b", 80, easy_r1(1, 2), 54),
        ("7b", 80, easy_r1(1, 2), 68),
        ("7b", 80, easy_r1(4, 8), 72),
        ("7b", 45, easy_r1(1, 2), 42),
        ("7b", 80, easy_r1(1, 2, kind="bf16"), 58),
        ("32b", 80, easy_r1(1, 2, 8, kind="bf16"), 72),
    ],
)
def test_peaks_are_near_the_published(
    size: str, gpu: float, overrides: list[str], published: float
) -> None:
    found = plan("grpo", size, *overrides, gpu=gpu, assumed=_TEXTS)
    assert fullest(found.gpu).size / GIB == pytest.approx(published, rel=0.15)


_NO_FLASH = (f"{_GROUP}.model.use_remove_padding=false",)
_SHORT = (*_NO_FLASH, "data.max_prompt_length=256", "data.max_response_length=256")


# On one H100 of 80 GB, random weights of the 3B shape, without flash-attn: of SFT torch's peak of
# what it allocated; of GRPO what nvidia-smi had more than before, when the optimizer stepped.
@pytest.mark.parametrize(
    ("stage", "overrides", "measured"),
    [
        ("sft", ("model.use_remove_padding=false", "data.max_length=512"), 70.04 + CONTEXT / GIB),
        ("grpo", _SHORT, 72.3),
    ],
)
def test_peaks_are_near_the_measured(
    stage: Stage, overrides: tuple[str, ...], measured: float
) -> None:
    response = 256 if stage == "grpo" else None
    found = plan(stage, "3b_1x80gb", *overrides, assumed=Assumed(rows=ROWS, response=response))
    assert fullest(found.gpu).size / GIB == pytest.approx(measured, rel=0.03)


def test_a_nodes_memory_is_near_the_measured() -> None:
    """The same run of GRPO, before it first moved the optimizer's state to the host."""
    workers = (f"{_GROUP}.rollout.agent.num_workers=2", "reward.num_workers=1")
    (training,) = (m for m in plan("grpo", "3b_1x80gb", *_SHORT, *workers).host
                   if m.name == "training")  # fmt: skip
    early = sum(use.size for use in training.uses if use.part != "optimizer")
    assert early / GIB == pytest.approx(61.7, rel=0.1)


# EasyR1's README, "Hardware Requirements" (its estimates), and verl's docs/perf/device_tuning.rst.
@pytest.mark.parametrize(
    ("size", "gpus", "gpu", "overrides"),
    [
        ("7b", 8, 40, easy_r1(1, 2)),
        ("7b", 4, 40, easy_r1(1, 2, kind="bf16")),
        ("32b", 8, 80, easy_r1(1, 2, 8, kind="bf16")),
        ("7b", 2, 32, [*easy_r1(1, 2, kind="bf16"), "method=lora"]),
        ("3b", 1, 24, [*easy_r1(1, 2, 1, kind="bf16"), "method=lora"]),
        ("7b", 1, 80, ["method=lora", f"{_GROUP}.actor.fsdp_config.model_dtype=bf16"]),
    ],
)
def test_what_is_said_to_suffice_fits(
    size: str, gpus: int, gpu: float, overrides: list[str]
) -> None:
    given = (*overrides, f"trainer.n_gpus_per_node={gpus}")
    found = plan("grpo", size, *given, gpu=gpu, assumed=_TEXTS)
    machine = Machine(int(gpu * GIB))
    assert [*fit_problems(found, settings("grpo", size, *given), _TEXTS, machine)] == []


@pytest.mark.parametrize(
    ("size", "seconds", "rate"), [("7b", 145, 1600), ("7b", 120, 2000), ("3b", 120, 1800)]
)
def test_a_published_rate_gives_the_published_seconds(
    size: str, seconds: float, rate: float
) -> None:
    """725 tokens a sequence, which follow from EasyR1's own figures of 7B."""
    found = plan("grpo", size, *easy_r1(1, 2), assumed=replace(_TEXTS, text=161, rate=rate))
    assert found.lengths.mean == 725
    step = found.workload.step_seconds(found.rate, found.layout.gpus)
    assert step == pytest.approx(seconds, rel=0.1)


# Bytes that verl 0.9.1 wrote for the tiny model on a CPU: weights, optimizer, huggingface/.
@pytest.mark.parametrize(
    ("stage", "given", "written"),
    [
        ("sft", [], 6_661_070 + 13_322_363 + 6_624_640),
        ("grpo", [], 6_661_070 + 13_322_363 + 6_624_640),
        ("grpo", [f"{_GROUP}.model.lora_rank=8"], 6_823_611 + 295_242 + 6_762_216),
        ("grpo", ["method=frozen_vision"], 6_661_070 + 2_940_720 + 6_624_640),
        ("sft", ["method=frozen_vision"], 2 * (3_352_718 + 1_486_192) + 6_624_640),
    ],
)  # fmt: skip
def test_a_checkpoint_is_as_large_as_verl_writes_it(
    stage: str, given: list[str], written: int
) -> None:
    model = REPOSITORY / "recipes" / "tiny_cpu" / "checkpoint"
    key = "model.path" if stage == "sft" else f"{_GROUP}.model.path"
    found = settings(stage, "tiny", f"{key}={model}", *given)  # type: ignore[arg-type]
    tiny = plan(stage, "tiny", f"{key}={model}", *given)  # type: ignore[arg-type]
    assert tiny.layout == layout_of(found, tiny.layout.shape, tiny.lengths)
    # Each tensor has a header.
    assert checkpoint_size(found, tiny.layout) == pytest.approx(written, rel=0.02)
    assert checkpoint_size(found, tiny.layout) < written


@pytest.mark.parametrize(
    ("stage", "given", "steps", "kept", "saved"),
    [
        ("grpo", [], 625, 3, 4),
        ("grpo", ["trainer.max_actor_ckpt_to_keep=1"], 625, 2, 4),
        ("grpo", ["trainer.max_actor_ckpt_to_keep=null"], 625, 4, 4),
        ("grpo", ["trainer.total_training_steps=100"], 100, 1, 1),
        ("grpo", ["trainer.total_epochs=2", "data.train_batch_size=64"], 624, 3, 4),
        ("sft", [], 2500, 2, 2),
        ("sft", ["trainer.save_freq=-1"], 2500, 1, 1),
        ("grpo", ["trainer.save_freq=-1"], 625, 0, 0),
    ],
)
def test_steps_and_checkpoints(
    stage: str, given: list[str], steps: int, kept: int, saved: int
) -> None:
    found = plan(stage, "7b", *given)  # type: ignore[arg-type]
    assert (found.workload.steps, found.disk.kept, found.disk.saved) == (steps, kept, saved)


def test_a_workload_by_hand() -> None:
    found = plan("grpo", "7b")
    assert found.lengths.mean == 71 + 64 + 200
    assert found.workload.sequences == 32 * 8
    assert found.workload.all_tokens == 625 * 256 * 335
    assert found.hours == pytest.approx(625 * 256 * 335 / (1600 * 8) / 3600)
    # A line of text and 150 bytes beside it for each of the rollouts.
    assert found.disk.rollouts == 625 * 256 * (150 + 5 * (71 + 200))


@pytest.mark.parametrize(
    ("algorithm", "given", "sampled", "longer"),
    [
        ("grpo", None, None, 1.0),
        ("dapo", None, 3.0, 1.88),
        ("cispo", 5.0, 5.0, 2.76),
        ("dapo", 1.0, 1.0, 1.0),
    ],
)
def test_what_dynamic_sampling_leaves_out_takes_time(
    algorithm: str, given: float | None, sampled: float | None, longer: float
) -> None:
    """Trained on are as many as without, and sampling is 44 % of a step."""
    base, found = (
        plan("grpo", "7b", f"algorithm={name}", assumed=Assumed(rows=ROWS, sampled=value))
        for name, value in (("grpo", None), (algorithm, given))
    )
    assert found.workload.sampled == sampled
    assert found.workload.all_tokens == base.workload.all_tokens
    assert found.hours == pytest.approx(longer * (base.hours or 0))


@pytest.mark.parametrize(
    ("stage", "size", "given", "machine", "message"),
    [
        ("sft", "7b", [], Machine(80 * GIB), r"SFT takes 155.* of a GPU.*\(update: .*optimizer\).*"
         r"and there are 80.0; give offload=host \([\d.]+ GiB\), or method=lora .*, or "
         r"trainer.n_gpus_per_node=2 "),
        ("grpo", "7b", [], Machine(30 * GIB), "weight sync: .*give offload=params .*GiB"),
        ("grpo", "7b", [], Machine(80 * GIB, host=90 * GIB), "a node's memory.*use_kl_loss=false"),
        ("grpo", "7b", [], Machine(80 * GIB, disk=300 * GIB), "of disk.*max_actor_ckpt_to_keep=1"),
        ("grpo", "7b", [], Machine(GIB), "give more GPUs or larger ones"),
    ],
)  # fmt: skip
def test_what_does_not_fit_has_a_remedy(
    stage: str, size: str, given: list[str], machine: Machine, message: str
) -> None:
    assumed = Assumed(rows=ROWS)
    found = plan(stage, size, *given, gpu=machine.gpu / GIB)  # type: ignore[arg-type]
    of = settings(stage, size, *given)  # type: ignore[arg-type]
    problems = [*fit_problems(found, of, assumed, machine)]
    assert re.search(message, "\n".join(problems))


def test_the_readme_shows_the_table_of_the_command() -> None:
    readme = (REPOSITORY / "recipes" / "README.md").read_text(encoding="utf-8")
    assert plan_table() in readme
