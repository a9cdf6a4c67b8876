"""`algorithm=NAME` and its like choose a file of settings; what else is given overrides it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.training.configuration.compose import compose, read_settings
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.settings import ConfigurationError, GrpoSettings, Settings

RUN = "trainer.default_local_dir=/run"
ACTOR = "actor_rollout_ref.actor"
LOSS = f"{ACTOR}.policy_loss.loss_mode"
KL = f"{ACTOR}.use_kl_loss"
TOKENS = f"{ACTOR}.ppo_max_token_len_per_gpu"
LOCAL = "defaults: [grpo, override algorithm: gspo, _self_]\n"


def chosen(settings: Settings) -> str | None:
    assert isinstance(settings.method, GrpoSettings)
    return settings.method.algorithm


@pytest.mark.parametrize(
    ("config", "overrides", "algorithm", "values"),
    [
        ("7b", [], "grpo", {LOSS: "vanilla", KL: True}),
        ("7b", ["algorithm=gspo"], "gspo", {LOSS: "gspo", KL: False}),
        ("tiny", ["algorithm=sapo"], "sapo", {LOSS: "sapo", "trainer.device": "cpu"}),
        # What else is given wins, wherever it stands.
        ("7b", [f"{KL}=true", "algorithm=gspo"], "gspo", {LOSS: "gspo", KL: True}),
        ("7b", ["algorithm='gspo'", f"{KL}=true"], "gspo", {KL: True}),
        # What only the algorithm's file has is there to be changed.
        (
            "7b",
            ["algorithm=dapo", "reward.reward_kwargs.overlong_buffer_cfg.len=99"],
            "dapo",
            {"reward.reward_kwargs.overlong_buffer_cfg": {
                "enable": True, "len": 99, "penalty_factor": 1.0, "log": False,
            }},
        ),
        # One update a batch, whatever the batch.
        ("7b", ["data.train_batch_size=512"], "grpo", {f"{ACTOR}.ppo_mini_batch_size": 512}),
        # The size's own settings win over the algorithm's.
        ("3b_lora_1x24gb", ["algorithm=dapo"], "dapo", {TOKENS: 4096}),
        ("LOCAL", [], "gspo", {LOSS: "gspo"}),
        ("LOCAL", ["algorithm=cispo"], "cispo", {LOSS: "cispo"}),
    ],
)  # fmt: skip
def test_an_algorithm_is_chosen(
    config: str,
    overrides: list[str],
    algorithm: str,
    values: dict[str, object],
    tmp_path: Path,
) -> None:
    if config == "LOCAL":
        file = tmp_path / "mine.yaml"
        file.write_text(LOCAL)
        config = str(file)
    settings = read_settings("grpo", config, [RUN, *overrides])
    assert chosen(settings) == algorithm
    assert {key: value_at(settings.verl, key) for key in values} == values


@pytest.mark.parametrize(
    ("stage", "overrides", "message"),
    [
        ("grpo", ["algorithm=dap"], "algorithm=dap: did you mean dapo of cispo, dapo, dr_grpo"),
        ("grpo", ["algorithm=DAPO"], "algorithm=DAPO: did you mean dapo of"),
        ("grpo", ["algorithm=Dr.GRPO"], "algorithm=Dr.GRPO: did you mean dr_grpo of"),
        ("grpo", ["algorithm=reinforce"], "algorithm=reinforce: give one of cispo, dapo, dr_grpo"),
        ("grpo", ["algorithm="], "algorithm=: give one of"),
        ("grpo", ["algorithm=null"], "algorithm=null: give one of"),
        ("grpo", ["algorithm={a: 1}"], "algorithm={a: 1}: give one of"),
        ("grpo", ["algorithm=dapo,gspo"], "algorithm=dapo,gspo: did you mean"),
        # verl's own group of that name holds another thing.
        ("grpo", ["algorithm=rollout_correction"], "algorithm=rollout_correction: give one of"),
        ("grpo", ["algorithm=dapo", "algorithm=gspo"], "give one algorithm"),
        ("grpo", ["+algorithm=dapo"], "+algorithm=dapo: give algorithm=dapo"),
        ("grpo", ["algorithm@critic=dapo"], "algorithm@critic=dapo: give algorithm=dapo"),
        ("grpo", ["~algorithm"], "~algorithm: verl fails without it"),
        (
            "grpo",
            ["algoritm=dapo"],
            "reads no setting algoritm; did you mean algorithm?",
        ),
        ("sft", ["algorithm=dapo"], "algorithm=dapo: sft_7b.yaml has no algorithm to choose"),
        ("grpo", ["method=Lora"], "method=Lora: did you mean lora of frozen_vision, full, lora"),
        ("grpo", ["method/sft=lora"], "method/sft=lora: give method=lora"),
        ("sft", ["method=lora", "method=full"], "method=lora method=full: give one method"),
        ("sft", ["offload=params"], "offload=params: give one of activations, host, none"),
        ("grpo", ["+offload=host"], "+offload=host: give offload=host"),
        ("sft", ["format=direct"], "format=direct: sft_7b.yaml has no format to choose"),
        ("grpo", ["format=answer-first"], "did you mean answer_first of answer_first, direct"),
        # A setting of another algorithm's file is none of this one's.
        (
            "grpo",
            ["reward.reward_kwargs.overlong_buffer_cfg.len=99"],
            "reads no setting reward.reward_kwargs.overlong_buffer_cfg.len",
        ),
    ],
)
def test_what_is_no_algorithm_is_one_sentence(
    stage: str, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings("grpo" if stage == "grpo" else "sft", "7b", [RUN, *overrides])
    (problem,) = caught.value.problems
    assert message in problem


def test_what_is_chosen_is_chosen_again_from_a_runs_own_overrides() -> None:
    """A method is another file in each stage, which hydra knows by another name."""
    given = ["method=lora", "offload=host", "format=direct", "algorithm=dapo"]
    settings = read_settings("grpo", "7b", [RUN, *given])
    assert settings.overrides[1:] == (
        "method/grpo=lora", "offload/grpo=host", "format=direct", "algorithm=dapo",
    )  # fmt: skip
    assert compose(settings.file, settings.overrides) == settings.verl
