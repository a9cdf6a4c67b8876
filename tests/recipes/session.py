"""Two steps of each algorithm in one start of verl: ray, the model and vLLM come up once.

    python -m tests.recipes.session OUT OVERRIDE ...

Between two algorithms the parts of verl that read their settings are made anew, as its trainer and
its worker make them, from the configuration that the name composes: the data loader, the replay
buffer and the loss. The reward manager is DAPO's for all; without its settings it is verl's naive
one. Model and optimizer return to where they started: what random rewards have trained for ten
updates may answer all alike, and then the next algorithm has no gradient.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
from omegaconf import DictConfig, OmegaConf
from verl.trainer.main_ppo import run_ppo
from verl.trainer.ppo.utils import need_reference_policy
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.utils.losses import ppo_loss

from recipes.training.configuration.compose import compose
from recipes.training.configuration.registry import find_configuration, named_files
from recipes.training.runs.rollouts import FOLDER as ROLLOUTS

# The first has a reference model and a reward manager, which all others find there.
STARTED_WITH = ("algorithm=dapo", "actor_rollout_ref.actor.use_kl_loss=true")


def configurations(out: Path, overrides: Sequence[str]) -> dict[str, DictConfig]:
    """Return what each algorithm's name composes, with a place of its own for the rollouts."""
    file = find_configuration("grpo", "tiny")
    chosen = {}
    for algorithm in named_files("algorithm"):
        name = algorithm.name
        own = [f"algorithm={name}", f"trainer.rollout_data_dir={out / name / ROLLOUTS}"]
        chosen[name] = OmegaConf.create(compose(file, [*overrides, *own]))
    return chosen


@ray.remote
class Session:
    """verl's TaskRunnerV1, which trains by several configurations."""

    def __init__(self, out: Path, chosen: Mapping[str, DictConfig]) -> None:
        self.start = out / "start"
        self.out = out
        self.chosen = chosen

    def run(self, config: DictConfig) -> None:
        """Train."""
        import transfer_queue as tq
        from verl.trainer.ppo.v1 import AgentLoopManagerTQ, get_trainer_cls
        from verl.utils.logging_utils import configure_verl_logging

        configure_verl_logging()
        config.transfer_queue.enable = True
        OmegaConf.resolve(config)
        tq.init(config.transfer_queue)
        try:
            trainer = get_trainer_cls(config.trainer.v1.trainer_mode)(config=config)
            trainer.init()
            manager = AgentLoopManagerTQ.create(
                config=config,
                llm_client=trainer.get_llm_client(),
                teacher_client=trainer.get_teacher_client(),
                reward_loop_worker_handles=trainer.get_reward_handles(),
            )
            trainer.actor_rollout_wg.save_checkpoint(str(self.start))
            for name, chosen in self.chosen.items():
                os.environ["VERL_FILE_LOGGER_PATH"] = str(self.out / f"{name}.jsonl")
                self.choose(trainer, chosen)
                self.reset(trainer)
                trainer.fit(manager)
                trainer.logger.finish(exit_code=0)
        finally:
            tq.close()

    @staticmethod
    def choose(trainer: Any, config: DictConfig) -> None:
        """Give a trainer and its worker another configuration."""
        trainer.config = config
        trainer.global_steps = 0
        trainer.use_reference_policy = need_reference_policy(config)
        trainer._init_dataloader()
        trainer._init_dump_executor()
        trainer.replay_buffer = trainer._build_replay_buffer()
        # workers/engine_workers.py, init_model
        actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        trainer.actor_rollout_wg.set_loss_fn(partial(ppo_loss, config=actor))

    def reset(self, trainer: Any) -> None:
        """Load the checkpoint of the start, in the worker and in vLLM."""
        trainer.checkpoint_manager.sleep_replicas()
        trainer.actor_rollout_wg.load_checkpoint(str(self.start))
        trainer.checkpoint_manager.update_weights(0)


class _Runner:
    """What `run_ppo` makes an actor of."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def remote(self) -> Any:
        """Return the actor."""
        return Session.remote(*self.arguments)  # type: ignore[attr-defined]


def main(argv: Sequence[str]) -> None:
    """Run the session."""
    out, *overrides = argv
    started = compose(find_configuration("grpo", "tiny"), [*overrides, *STARTED_WITH])
    runner = _Runner(Path(out), configurations(Path(out), overrides))
    run_ppo(OmegaConf.create(started), task_runner_class=runner)


if __name__ == "__main__":
    main(sys.argv[1:])
