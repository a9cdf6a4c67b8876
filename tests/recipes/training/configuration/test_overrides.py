"""What is given on the command line reaches verl as it was meant, or is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from recipes.training.configuration.compose import compose, read_settings, search_path
from recipes.training.configuration.overrides import (
    check_overrides,
    quote,
    quoted,
    superseded,
)
from recipes.training.configuration.parse import parse_settings
from recipes.training.configuration.registry import find_configuration
from recipes.training.configuration.settings import ConfigurationError
from recipes.training.launch.trainer import command

RECIPES = REPOSITORY / "recipes" / "qwen2_5_vl"
CONFIG = {"sft": RECIPES / "sft_7b.yaml", "grpo": RECIPES / "grpo_7b.yaml"}
Bases = dict[str, dict[str, Any]]

ODD = [
    "/runs/lr=1e-6",
    "/runs/a b",
    "/runs/it's",
    '/runs/"quoted"',
    "/runs/(1)",
    "/runs/[x",
    "[x]",
    "/runs/{x}",
    "/runs/a,b",
    "/runs/#7",
    "/runs/Gefühl-表情",
    "/runs/a;b&c|d",
    "/runs/$HOME",
    "/runs/${x",
    "/runs/a\\b\\",
    "/runs/a:b",
    "/runs/%d~!",
    "relative-run",
    "42",
    "1e5",
    "true",
    "-x",
]


READ = [
    ("grpo", "+actor_rollout_ref.model.override_config.attn_implementation=sdpa"),
    ("grpo", "+reward.custom_reward_function.reward_kwargs.vote_credit=0.5"),
    ("grpo", "+reward.custom_reward_function.reward_kwargs.weights.accuracy=1"),
    ("grpo", "~reward.custom_reward_function.reward_kwargs.preset"),
    ("grpo", "+actor_rollout_ref.rollout.enable_sleep_mode=false"),
    (
        "grpo",
        "+actor_rollout_ref.rollout.engine_kwargs.vllm.disable_mm_preprocessor_cache=true",
    ),
    ("grpo", "+actor_rollout_ref.actor.fsdp_config.mixed_precision.param_dtype=bf16"),
    ("grpo", "+actor_rollout_ref.actor.checkpoint.save_lora_only=true"),
    ("grpo", "+ray_kwargs.ray_init.runtime_env.env_vars.A=b"),
    ("grpo", "++ray_kwargs.ray_init.num_gpus=null"),
    ("grpo", "+data.need_tools_kwargs=false"),
    ("grpo", "+trainer.remove_previous_ckpt_in_save=true"),
    ("grpo", "trainer.max_actor_ckpt_to_keep=null"),
    ("grpo", "actor_rollout_ref.rollout.max_model_len=null"),
    ("grpo", "actor_rollout_ref.actor.kl_loss_coef=0"),
    ("grpo", "trainer.logger=console"),
    ("grpo", "trainer.logger=[console,wandb]"),
    ("grpo", "trainer.experiment_name=été"),
    ("grpo", "trainer.rollout_data_dir=null"),
    ("grpo", "hydra.verbose=true"),
    ("sft", "+data.image_key=pictures"),
    ("sft", "+optim.override_optimizer_config.fused=true"),
    ("sft", "+engine.mixed_precision={param_dtype: bf16}"),
    ("sft", "trainer.save_freq=100"),
    ("sft", "optim.lr=1"),
    ("sft", "optim.betas=[0.9,0.95]"),
]


@pytest.fixture(scope="module")
def bases() -> Bases:
    """Return the configurations without overrides; composing takes seconds."""
    return {stage: compose(config, []) for stage, config in CONFIG.items()}


def test_paths_arrive_as_they_were_given() -> None:
    free = "ray_kwargs.ray_init.runtime_env.env_vars"
    listed = ",".join(quote(path) for path in ODD)
    given = [
        f"trainer.default_local_dir={ODD[0]}",
        f"data.train_files=[{listed}]",
        *(f"+{free}.n{n}_path={path}" for n, path in enumerate(ODD)),
    ]
    read = compose(CONFIG["grpo"], given)
    with initialize_config_dir(str(RECIPES), version_base=None):
        composed = hydra_compose("grpo_7b", overrides=[search_path(CONFIG["grpo"]), *quoted(given)])
    assert read == OmegaConf.to_container(composed, resolve=True)
    assert quoted(quoted(given)) == quoted(given)
    assert list(read["ray_kwargs"]["ray_init"]["runtime_env"]["env_vars"].values()) == ODD
    assert read["data"]["train_files"] == ODD
    # hydra's own notes go to the run's folder too.
    started = command(parse_settings(read, CONFIG["grpo"], quoted(given)), {})
    assert f"hydra.run.dir={quote(ODD[0] + '/hydra')}" in started


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12))
def test_any_text_can_be_quoted(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    read = OverridesParser.create().parse_override(f"a.path={quote(text)}").value()
    assert OmegaConf.create({"a": read}).a == text


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("data.train_files=[/a=b.parquet, /c d.parquet]", ["/a=b.parquet", "/c d.parquet"]),
        ("data.train_files=['/a,b.parquet',/c.parquet]", ["/a,b.parquet", "/c.parquet"]),
        ("data.train_files='/a=b.parquet'", "/a=b.parquet"),
        ("data.train_files=null", None),
        ("data.train_files=${trainer.project_name}/a.parquet", "unifer/a.parquet"),
        ("data.train_files=~/a.parquet", str(Path.home() / "a.parquet")),
    ],
)
def test_data_files(override: str, value: object) -> None:
    assert compose(CONFIG["sft"], [override])["data"]["train_files"] == value


@pytest.mark.parametrize(
    ("stage", "override", "message"),
    [
        # A misspelt key has a neighbour.
        ("grpo", "data.trian_batch_size=4", "did you mean data.train_batch_size?"),
        ("grpo", "train_batch_size=4", "did you mean data.train_batch_size?"),
        ("grpo", "trainer.n_gpu_per_node=4", "did you mean trainer.n_gpus_per_node?"),
        ("grpo", "actor_rollout_ref.lora_rank=8", "actor_rollout_ref.model.lora_rank?"),
        ("sft", "model.pth=/m", "did you mean model.path?"),
        ("sft", "data.val_file=/m", "did you mean data.val_files?"),
        # With a + it would be a silent no-op.
        ("grpo", "+data.trian_batch_size=4", "+data.trian_batch_size: verl 0.9.1 reads no setting"),
        ("grpo", "++data.trian_batch_size=4", "did you mean data.train_batch_size?"),
        ("grpo", "+actor_rollout_ref.actor.lr=1", "did you mean actor_rollout_ref.actor.optim.lr?"),
        ("grpo", "+trainer.train_batch_size=4", "did you mean data.train_batch_size?"),
        ("grpo", "+lr=1", "reads no setting lr"),
        ("sft", "+optim.learning_rate=1", "reads no setting optim.learning_rate"),
        ("sft", "+data.max_prompt_length=5", "reads no setting data.max_prompt_length"),
        ("sft", "+data.engine_kwargs.a=5", "reads no setting data.engine_kwargs.a"),
        ("grpo", "+data.train_batch_size=4", "data.train_batch_size is there already: leave the +"),
        ("grpo", "+data.train_batch_size.x=4", "is one value (32) and holds no settings"),
        (
            "grpo",
            "reward.custom_reward_function.reward_kwargs.prest=grounded",
            "+reward.custom_reward_function.reward_kwargs.prest=VALUE adds it; did you mean",
        ),
        # Deletions.
        ("grpo", "~data.train_files", "~data.train_files: verl fails without it"),
        ("grpo", "~data.train_file", "did you mean data.train_files?"),
        # A value of another kind.
        ("grpo", "data.train_batch_size=four", "data.train_batch_size=four: give a whole number"),
        ("grpo", "data.train_batch_size=1e3", "give a whole number, such as the recipe's 32"),
        ("grpo", "data.train_batch_size=null", "data.train_batch_size=null: give a number"),
        ("grpo", "data.train_batch_size=[4]", "data.train_batch_size=[4]: give a whole number"),
        ("grpo", "data.train_batch_size=4,8", "gives several values"),
        # What is written with quotes is text, and is shown with them.
        ("grpo", "data.train_batch_size='16'", "data.train_batch_size='16': give a whole number"),
        ("grpo", "data.shuffle='false'", "data.shuffle='false': give true or false"),
        # A decimal comma.
        (
            "grpo",
            "actor_rollout_ref.rollout.top_p=0,9",
            "write actor_rollout_ref.rollout.top_p=0.9",
        ),
        ("sft", "optim.lr=1,5e-6", "write optim.lr=1.5e-6"),
        ("grpo", "trainer.experiment_name=a,b", "a comma needs quotes"),
        ("grpo", "data.shuffle=no", "data.shuffle=no: give true or false"),
        ("grpo", "actor_rollout_ref.actor.optim.lr=fast", "optim.lr=fast: give a number"),
        ("grpo", "trainer.test_freq=after_each_epoch", "give a whole number"),
        ("grpo", "trainer=mine", "trainer=mine is not a setting but a group of them"),
        # What is no override at all.
        ("grpo", "data.train_batch_size", "data.train_batch_size cannot be read: give KEY=VALUE"),
        ("grpo", "train.parquet", "train.parquet cannot be read: give KEY=VALUE"),
        ("grpo", "=4", "=4 cannot be read"),
        ("grpo", "trainer.logger=[console", "cannot be read"),
        ("grpo", "model_engine=megatron", "the recipes are for its FSDP engine"),
        ("grpo", "model@critic.model=hf_model", "the recipes are for its FSDP engine"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    bases: Bases, stage: str, override: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_overrides(bases[stage], quoted([override]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(caught.value.problems) == 1


def test_every_override_that_cannot_be_meant_is_named(bases: Bases) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_overrides(bases["sft"], ["data.a=1", "data.train_batch_size=x", "trainer.nnodes=1"])
    assert str(caught.value).count("\n- ") == 1


@pytest.mark.parametrize(("stage", "override"), READ)
def test_what_verl_reads_is_taken(bases: Bases, stage: str, override: str) -> None:
    check_overrides(bases[stage], quoted([override]))


def test_all_that_verl_reads_composes() -> None:
    for stage, config in CONFIG.items():
        assert compose(config, [override for of, override in READ if of == stage])


def test_an_interpolation_of_nothing_is_one_sentence() -> None:
    with pytest.raises(
        ConfigurationError, match=r"'nothing' not found; \$\{\.\.\.\} names another"
    ):
        compose(CONFIG["sft"], ["trainer.default_local_dir=/runs/${nothing}"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("data: {train_batch_size: 4}", None),
        ("actor_rollout_ref: {rollout: {enable_sleep_mode: false}}", None),
        ("reward: {custom_reward_function: {reward_kwargs: {vote_credit: 0.5}}}", None),
        ("hydra: {searchpath: ['pkg://verl.trainer.config']}", None),
        ("data: {trian_batch_size: 4}", "reads no setting data.trian_batch_size; did you mean"),
        ("trainer: {epochs: 4}", "reads no setting trainer.epochs"),
        ("lora: {rank: 4, alpha: 8}", "reads no setting lora"),
        ("data: {train_batch_size: four}", "data.train_batch_size=four: give a whole number"),
        ("data: {train_batch_size: '16'}", "data.train_batch_size='16': give a whole number"),
        ("optim: {lr: '1e-6'}", "reads no setting optim"),
        ("data: {shuffle: 'no'}", "data.shuffle=no: give true or false"),
        ("trainer: 5", "trainer=5 is not a setting but a group of them"),
        ("trainer: {default_local_dir: null}", "trainer.default_local_dir is not given"),
        ("hydra: {searchpath: 5}", "hydra.searchpath=5: give a list"),
        ("data: [", "mine.yaml, line 3, column 1: expected the node content"),
    ],
)
def test_a_file_of_a_users_is_checked_like_overrides(
    lines: str, message: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"defaults: [grpo_7b, _self_]\n{lines}\n")
    if message is None:
        assert read_settings("grpo", str(file), []).stage == "grpo"
        return
    with pytest.raises(ConfigurationError) as caught:
        read_settings("grpo", str(file), [])
    (problem,) = caught.value.problems
    assert message in problem
    assert "\n" not in problem


@pytest.mark.parametrize("base", ["grpo_7b", "grpo_tiny"])
def test_a_file_of_a_users_builds_on_any_configuration(base: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"defaults: [{base}, _self_]\n")
    assert read_settings("grpo", str(file), []).verl == compose(
        find_configuration("grpo", base), []
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        # A shell cuts at spaces.
        (["data.train_batch_size", "=", "16"], "data.train_batch_size = 16 cannot be read: give"),
        (["data.train_batch_size = 16"], "data.train_batch_size = 16 cannot be read: give KEY=VAL"),
        (
            ["data.train_files=my", "data.parquet"],
            "data.parquet cannot be read: give KEY=VALUE wit",
        ),
        (["'data.train_batch_size=16'"], "'data.train_batch_size=16' cannot be read: give KEY=VAL"),
        (["data.train_batch_size:16"], "data.train_batch_size:16 cannot be read"),
        (["--data.seed", "3"], "--data.seed is not an option of this command, nor an override"),
        (["+data.cache_dir=a", "+data.cache_dir=b"], "+data.cache_dir is given 2 times, and is"),
    ],
)
def test_words_of_one_fault_are_one_sentence(bases: Bases, words: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_overrides(bases["grpo"], quoted(words))
    (problem,) = caught.value.problems
    assert message in problem


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        (["data.seed=1", "data.seed=1"], []),
        (["data.seed=1", "trainer.nnodes=2"], []),
        (
            ["data.seed=1", "++data.seed=2"],
            ["data.seed=1 gives way to data.seed=2, which comes later"],
        ),
    ],
)
def test_the_last_value_counts_and_is_told(
    bases: Bases, words: list[str], notes: list[str]
) -> None:
    check_overrides(bases["grpo"], words)
    assert [*superseded(words)] == notes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "does not build on a configuration of verl: begin it with `defaults: [grpo, _self_]`",
        ),
        (b"data: {train_batch_size: 4}", "does not build on a configuration of verl"),
        (b"just text", "does not build on a configuration of verl"),
        (b"- a", "mine.yaml holds a list, not settings: begin it with `defaults: ["),
        (b"a: \xff", "mine.yaml is not UTF-8 (invalid start byte): save it as such"),
        (
            b"defaults: [grpo_8b, _self_]",
            "mine.yaml builds on grpo_8b, which is neither beside it nor a configuration of the "
            "recipes: sft, sft_32b, ",
        ),
        (b"defaults: [mine, _self_]", "mine.yaml includes itself by its `defaults`"),
        (b"defaults: [sft_7b, _self_]", "configures SFT: run unifer-train sft"),
    ],
)
def test_a_file_that_configures_no_stage_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_settings("grpo", str(file), [])
    (problem,) = caught.value.problems
    assert message in problem
