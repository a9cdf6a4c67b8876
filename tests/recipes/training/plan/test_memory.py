"""Memory against hand-computed rows, torch's own account of it, and what must hold of any run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("verl")

import torch

from recipes.training.checks.shapes import KNOWN, ModelShape
from recipes.training.plan.available import GIB
from recipes.training.plan.layout import Layout, Pass
from recipes.training.plan.memory import (
    Moment,
    block_activations,
    gpu_moments,
    host_moments,
    kv_bytes,
    layer_activations,
)
from recipes.training.plan.plan import Plan
from tests.recipes.training.plan.layouts import plan

P7, P3, VISION7 = 8_292_166_656, 3_754_622_976, 676_550_144
ADAPTER7 = 32 * 28 * (2 * (3584 + 3584) + 2 * (3584 + 512) + 3 * (3584 + 18944))
OFFLOAD = tuple(
    f"actor_rollout_ref.actor.fsdp_config.{part}_offload=true" for part in ("param", "optimizer")
)
LORA = ("method=lora",)
HOST = ("actor_rollout_ref.actor.fsdp_config.offload_policy=true",)


def size(moments: Sequence[Moment], name: str, part: str) -> int:
    """Return what a part takes at a moment; 0 where it is not there."""
    moment = next(moment for moment in moments if moment.name == name)
    return sum(use.size for use in moment.uses if use.part == part)


@pytest.mark.parametrize(
    ("overrides", "moment", "part", "expected"),
    [
        # fp32, a fully sharded eighth.
        ((), "update", "weights", 4 * P7 // 8),
        ((), "update", "gradients", 4 * P7 // 8),
        ((), "update", "optimizer", 8 * P7 // 8),
        ((), "rollout", "gradients", 0),
        ((), "rollout", "vLLM weights", 2 * P7),
        (("trainer.n_gpus_per_node=1",), "update", "optimizer", 8 * P7),
        (("trainer.nnodes=2",), "update", "weights", 4 * P7 // 16),
        (("actor_rollout_ref.actor.fsdp_config.fsdp_size=4",), "update", "weights", 4 * P7 // 4),
        (("actor_rollout_ref.actor.fsdp_config.model_dtype=bf16",), "update", "weights", P7 // 4),
        (OFFLOAD, "rollout", "weights", 0),
        (OFFLOAD, "rollout", "optimizer", 0),
        (OFFLOAD, "update", "optimizer", 8 * P7 // 8),
        (("actor_rollout_ref.actor.fsdp_config.offload_policy=true",), "update", "optimizer", 0),
        (LORA, "update", "weights", 4 * (P7 + ADAPTER7) // 8),
        (LORA, "update", "gradients", 4 * ADAPTER7 // 8),
        (LORA, "update", "vision tower", 0),
        (
            ("actor_rollout_ref.rollout.tensor_model_parallel_size=4",),
            "rollout",
            "vLLM weights",
            2 * P7 // 4,
        ),
        (
            ("method=frozen_vision",),
            "update",
            "optimizer",
            8 * (P7 - VISION7) // 8,
        ),
        # 16,384 tokens: an input of 3,584 for each of 28 layers, in bf16.
        ((), "update", "activations", 16384 * 28 * 3584 * 2),
        ((), "update", "logits", 16384 * 152064 * 2),
        # Without flash-attn: bf16, log_softmax in float32, and a row of the longest at work.
        (
            ("actor_rollout_ref.model.use_remove_padding=false", "data.train_batch_size=1024",
             "actor_rollout_ref.actor.ppo_mini_batch_size=1024"),
            "update",
            "logits",
            # 16,384 tokens are 48 sequences of 335, each padded to 2,048.
            48 * 2048 * 152064 * 6 + 8 * 2048 * 152064,
        ),
        (("actor_rollout_ref.model.use_fused_kernels=true",), "log-probabilities", "logits",
         512 * 152064 * 10),
    ],
)  # fmt: skip
def test_a_gpu_by_hand(overrides: tuple[str, ...], moment: str, part: str, expected: int) -> None:
    assert size(plan("grpo", "7b", *overrides).gpu, moment, part) == expected


def test_vllm_takes_its_share() -> None:
    moments = plan("grpo", "7b").gpu
    parts = ("vLLM weights", "vLLM working memory", "vLLM KV cache")
    assert sum(size(moments, "rollout", part) for part in parts) == int(0.6 * 80 * GIB)


def test_keys_and_values_by_hand() -> None:
    layout = plan("grpo", "7b").layout
    assert layout.rollout is not None
    # Keys and values, 28 layers, 4 heads of 128, bf16.
    assert kv_bytes(layout, layout.rollout) == 2 * 28 * 4 * 128 * 2


@pytest.mark.parametrize(
    ("overrides", "moment", "part", "expected"),
    [
        ((), "loading", "whole models", 4 * P7),
        (LORA, "training", "reference", 0),
        (HOST, "training", "optimizer", 8 * P7),
        ((), "saving", "whole models", 6 * P7),
        # Eight each of three kinds, five of their own, and four of each of eight GPUs.
        ((), "training", "processes", 61 * 3 * GIB // 4),
        (
            ("reward.num_workers=1", "trainer.n_gpus_per_node=1"),
            "training",
            "processes",
            26 * 3 * GIB // 4,
        ),
    ],
)
def test_a_node_by_hand(overrides: tuple[str, ...], moment: str, part: str, expected: int) -> None:
    assert size(plan("grpo", "7b", *overrides).host, moment, part) == expected


@pytest.fixture(scope="module")
def numbers7() -> list[int]:
    """Return how many numbers each parameter of transformers' model of 7B has."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
        },
        vision_config={"depth": 32, "hidden_size": 1280, "intermediate_size": 3420,
                       "num_heads": 16, "out_hidden_size": 3584},
    )  # fmt: skip
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config)
    found = [parameter.numel() for parameter in model.parameters()]
    assert sum(found) == P7
    return found


@pytest.mark.parametrize(
    ("overrides", "part", "each"),
    [
        ((), "reference", 4),
        (OFFLOAD, "weights", 4),
        (OFFLOAD, "optimizer", 8),
        (HOST, "weights", 4),
        (HOST, "gradients", 4),
    ],
)
@pytest.mark.parametrize("gpus", [1, 4, 8])
def test_what_a_gpu_fetches_again_takes_powers_of_two(
    numbers7: list[int], overrides: tuple[str, ...], part: str, each: int, gpus: int
) -> None:
    """Each shard of a tensor is rounded up by itself."""
    whole = sum(gpus * 2 ** math.ceil(math.log2(-(-n // gpus))) for n in numbers7)
    found = plan("grpo", "7b", *overrides, f"trainer.n_gpus_per_node={gpus}")
    assert size(found.host, "training", part) == pytest.approx(each * whole, rel=1e-3)


def test_an_adapters_base_sleeps_once_for_each_engine(numbers7: list[int]) -> None:
    whole = sum(2 ** math.ceil(math.log2(n)) for n in numbers7)
    found = size(plan("grpo", "7b", *LORA).host, "training", "vLLM weights")
    assert found == pytest.approx(8 * 2 * whole * (1 + ADAPTER7 / P7), rel=1e-3)


def test_nodes_share_what_is_offloaded() -> None:
    one, two = (
        size(plan("grpo", "7b", *OFFLOAD, f"trainer.nnodes={n}").host, "training", "weights")
        for n in (1, 2)
    )
    assert two == pytest.approx(one / 2, rel=0.01)


def test_a_cpu_locks_no_pages() -> None:
    layout = replace(plan("grpo", "7b").layout, on_gpu=False)
    assert size(host_moments(layout), "training", "reference") == 4 * P7


@pytest.mark.parametrize("shape", KNOWN.values(), ids=lambda shape: shape.name.split("-")[2])
def test_tensors_are_all_parameters(shape: ModelShape) -> None:
    assert sum(rows * columns for rows, columns in shape.tensors()) == shape.parameters


def test_the_base_of_an_adapter_is_gathered_by_every_process_unless_vllm_reads_it() -> None:
    load = "actor_rollout_ref.rollout.load_format"
    gathers, reads = (
        plan("grpo", "7b", "method=lora", f"{load}={kind}").host
        for kind in ("dummy", "safetensors")
    )
    assert size(gathers, "first weight sync", "whole models") == 8 * 4 * (P7 + ADAPTER7)
    assert [moment.name for moment in reads] == ["loading", "training", "saving"]


def test_tied_models_are_loaded_by_every_process() -> None:
    assert size(plan("grpo", "3b").host, "loading", "whole models") == 8 * 4 * P3


@pytest.fixture(scope="module")
def small() -> Any:
    """Return a model of Qwen2.5-VL's kind that a CPU computes at once."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 3,
            "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 512,
            "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24],
                                "rope_theta": 1e6},
        },
        vision_config={"depth": 2, "hidden_size": 256, "intermediate_size": 640, "num_heads": 4,
                       "out_hidden_size": 256, "fullatt_block_indexes": [0, 1]},
    )  # fmt: skip
    model = Qwen2_5_VLForConditionalGeneration._from_config(
        config, attn_implementation="sdpa", dtype=torch.bfloat16
    )
    return model.train()


def layout_of_small(model: Any, layout: Layout) -> Layout:
    from recipes.training.checks.shapes import _shape

    return replace(layout, shape=_shape(model.config, "small"))


def saved(compute: Callable[[], Any], model: Any) -> int:
    """Return the bytes that autograd keeps for a backward pass, parameters left out."""
    storages = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found: dict[int, int] = {}
    kept = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in storages:
            found[storage.data_ptr()] = storage.nbytes()
        kept.append(tensor)  # So that no address is used twice.
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        compute()
    return sum(found.values())


TOKENS = 96


def test_a_decoder_layer_keeps_what_is_calculated(small: Any) -> None:
    text = small.model.language_model
    layer, layout = text.layers[0], layout_of_small(small, plan("grpo", "7b").layout)
    hidden = torch.randn(1, TOKENS, 256, dtype=torch.bfloat16, requires_grad=True)
    places = text.rotary_emb(hidden, torch.arange(TOKENS).expand(3, 1, -1))
    found = saved(lambda: layer(hidden, position_embeddings=places), small)
    assert found / TOKENS == pytest.approx(layer_activations(layout), rel=0.05)


def test_a_block_of_the_vision_tower_keeps_what_is_calculated(small: Any) -> None:
    tower, layout = small.model.visual, layout_of_small(small, plan("grpo", "7b").layout)
    hidden = torch.randn(TOKENS, 256, dtype=torch.bfloat16, requires_grad=True)
    angles = torch.zeros(TOKENS, 64)
    found = saved(
        lambda: tower.blocks[0](
            hidden,
            cu_seqlens=torch.tensor([0, TOKENS], dtype=torch.int32),
            position_embeddings=(angles.cos(), angles.sin()),
        ),
        small,
    )
    assert found / TOKENS == pytest.approx(block_activations(layout), rel=0.05)


def test_the_peak_of_a_backward_pass_is_torchs() -> None:
    """The real width of 3B, four layers, on tensors without content."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokens, layers = 4096, 4
    shape = plan("grpo", "3b").layout.shape
    text = shape.text
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": text.width, "intermediate_size": text.inner, "num_hidden_layers": layers,
            "num_attention_heads": text.heads, "num_key_value_heads": text.kv_heads,
            "vocab_size": 1024, "rope_parameters": {
                "rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
        },
        vision_config={"depth": 1, "hidden_size": 64, "intermediate_size": 64, "num_heads": 1,
                       "out_hidden_size": text.width},
        tie_word_embeddings=True,
    )  # fmt: skip
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = Qwen2_5_VLForConditionalGeneration._from_config(
            config, attn_implementation="sdpa", dtype=torch.bfloat16
        ).train()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        tracker = MemTracker()
        tracker.track_external(model)
        with tracker, torch.autocast("cpu", dtype=torch.bfloat16):
            ids = torch.randint(0, 100, (1, tokens))
            model.model(input_ids=ids, use_cache=False).last_hidden_state.sum().backward()
        peak = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]
    found = sum(n for kind, n in peak.items() if str(kind).endswith(("ACT", "TEMP")))
    layer = layer_activations(plan("grpo", "3b").layout) + 3 * 2 * text.inner
    # By the first layer, when most gradients are there, the other layers' inputs are gone.
    lowest, highest = tokens * layer, tokens * (layer + layers * text.width * 2)
    assert 0.9 * lowest < found < 1.05 * highest


BASES = {
    "full": plan("grpo", "7b").layout,
    "lora": plan("grpo", "7b", *LORA).layout,
    "sft": plan("sft", "3b").layout,
}
LAYOUTS = st.sampled_from(list(BASES.values()))


@given(LAYOUTS, st.integers(1, 63), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_more_gpus_never_take_more_of_each(layout: Layout, gpus: int, more: int) -> None:
    few, many = (
        replace(layout, gpus=n, sharding=replace(layout.sharding, shards=n))
        for n in (gpus, gpus + more)
    )
    for before, after in zip(gpu_moments(few, 80 * GIB), gpu_moments(many, 80 * GIB), strict=True):
        assert after.size <= before.size


@given(LAYOUTS, st.integers(1, 20_000), st.integers(1, 20_000), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_longer_passes_take_more(
    layout: Layout, tokens: int, more: int, packs: bool, checkpoints: bool
) -> None:
    layout = replace(layout, packs=packs, checkpoints=checkpoints)

    def moments(n: int) -> tuple[Moment, ...]:
        each = Pass(n, n // 4, min(n, 2048))
        passes = replace(layout, update=each, log_probs=layout.log_probs and each)
        return gpu_moments(passes, 80 * GIB)

    for before, after in zip(moments(tokens), moments(tokens + more), strict=True):
        assert before.size <= after.size


@given(LAYOUTS, st.integers(1, 10**9), st.integers(1, 10**9))
@settings(max_examples=40, deadline=None)
def test_more_trained_parameters_take_more(layout: Layout, trained: int, more: int) -> None:
    few, many = (replace(layout, trained=n) for n in (trained, trained + more))
    assert gpu_moments(few, 80 * GIB)[-1].size <= gpu_moments(many, 80 * GIB)[-1].size


@given(LAYOUTS, st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_leaves_the_gpu_is_in_the_host(
    layout: Layout, weights: bool, optimizer: bool, everything: bool
) -> None:
    sharding = replace(
        layout.sharding,
        weights_wait_in_host=weights and not everything,
        optimizer_waits_in_host=optimizer and not everything,
        all_stay_in_host=everything,
    )
    moved = replace(layout, sharding=sharding)
    here = {use.part for use in gpu_moments(moved, 80 * GIB)[0].uses}
    there = {use.part for use in host_moments(moved)[1].uses}
    for part in {"weights", "optimizer"} if layout.rollout else set():
        assert (part in here) != (part in there)


def test_every_size_is_counted_once() -> None:
    found: Plan = plan("grpo", "7b")
    for moment in (*found.gpu, *found.host):
        names = [use.part for use in moment.uses]
        assert len(names) == len(set(names))
        assert all(use.size > 0 for use in moment.uses)
