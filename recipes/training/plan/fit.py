"""Whether a plan fits a machine, and which overrides would make it fit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from recipes.training.checks.batches import batch_problems, parallel_problems
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.parse import parse_settings
from recipes.training.configuration.registry import is_recipe_file
from recipes.training.configuration.settings import ConfigurationError, GrpoSettings, Settings
from recipes.training.plan.available import GIB
from recipes.training.plan.disk import keep_key
from recipes.training.plan.layout import WORKERS, Layout
from recipes.training.plan.lengths import Assumed
from recipes.training.plan.memory import Moment
from recipes.training.plan.plan import Plan, make_plan

_MOST_GPUS, _GPUS_OF_A_NODE = 64, 8


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run may take, in bytes.

    Attributes:
        gpu: Memory of a GPU.
        host: Memory of a node; None if it is not to be compared.
        disk: Space for the run's folder; None likewise.
    """

    gpu: int
    host: int | None = None
    disk: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Settings that may make a run fit.

    Attributes:
        sets: Setting -> value.
        name: The choice of the recipe that sets them, and what goes with them; None if none does.
    """

    sets: Mapping[str, Any]
    name: str | None = None

    def given(self, has_choices: bool) -> str:
        """Return it as overrides, by name where the configuration has the recipe's choices."""
        if self.name is not None and has_choices:
            return self.name
        return " ".join(f"{key}={_shown(value)}" for key, value in self.sets.items())


Way = Sequence[Change]
"""Changes of the same settings, each further than the one before."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """One of the things that may be too small.

    Attributes:
        of: What a plan takes of it.
        bound: What there is.
        shortage: The sentence's beginning, where a plan takes more.
        ways: Overrides that may help, what costs least first.
        otherwise: What helps where they do not.
    """

    of: Callable[[Plan], int]
    bound: int
    shortage: str
    ways: Callable[[Settings, Layout], Iterator[Way]]
    otherwise: str

    def holds(self, plan: Plan) -> bool:
        return self.of(plan) <= self.bound


def fit_problems(
    plan: Plan, settings: Settings, assumed: Assumed, machine: Machine
) -> Iterator[str]:
    """Yield what does not fit, each with a remedy that was calculated.

    Args:
        plan: Of the run.
        settings: That it was made from.
        assumed: Likewise.
        machine: What there is.
    """
    limits = [*_limits(plan, machine)]
    held = [limit for limit in limits if limit.holds(plan)]
    anyway = _refused(settings, plan)

    def planned(changes: Iterable[Change]) -> Plan | None:
        """Return the plan of the run with some changes; None where something else would break."""
        try:
            changed = changed_settings(settings, changes)
            if _refused(changed, plan) - anyway:
                return None
            found = make_plan(changed, assumed, machine.gpu)
        except ConfigurationError:
            return None
        kept = all(limit.holds(found) for limit in held)
        return found if kept and not any(_cache_problems(found)) else None

    for limit in limits:
        if limit not in held:
            yield f"{limit.shortage}; {_remedy(limit, plan, settings, planned)}"
    yield from _cache_problems(plan)


def _refused(settings: Settings, plan: Plan) -> set[str]:
    """Return why verl would refuse settings, with the rows and the model of a plan."""
    by_batches = batch_problems(settings, plan.workload.rows)
    return {*by_batches, *parallel_problems(settings, plan.layout.shape)}


def _limits(plan: Plan, machine: Machine) -> Iterator[_Limit]:
    if plan.gpu:
        yield _Limit(
            of=lambda plan: fullest(plan.gpu).size,
            bound=machine.gpu,
            shortage=_short("a GPU", fullest(plan.gpu), machine.gpu, plan.stage),
            ways=_gpu_ways,
            otherwise="give more GPUs or larger ones",
        )
    if machine.host is not None:
        yield _Limit(
            of=lambda plan: fullest(plan.host).size,
            bound=machine.host,
            shortage=_short("a node", fullest(plan.host), machine.host, plan.stage),
            ways=_host_ways,
            otherwise="give a node more memory",
        )
    if machine.disk is not None:
        yield _Limit(
            of=lambda plan: plan.disk.size,
            bound=machine.disk,
            shortage=(
                f"the run's folder takes {plan.disk.size / GIB:,.1f} GiB of disk, and there are "
                f"{machine.disk / GIB:,.1f}"
            ),
            ways=_disk_ways,
            otherwise="give trainer.default_local_dir on a larger disk",
        )


def fullest(moments: Sequence[Moment]) -> Moment:
    """Return the moment that takes most."""
    return max(moments, key=lambda moment: moment.size)


def _short(what: str, moment: Moment, bound: int, stage: str) -> str:
    largest = max(moment.uses, key=lambda use: use.size)
    return (
        f"{stage.upper()} takes {moment.size / GIB:,.1f} GiB of {what}'s memory at its fullest "
        f"({moment.name}: {largest.size / GIB:,.1f} of {largest.part}), and there are "
        f"{bound / GIB:,.1f}"
    )


def _cache_problems(plan: Plan) -> Iterator[str]:
    """Yield why vLLM would end with `No available memory for the cache blocks.` or the like."""
    rollout = plan.layout.rollout
    if rollout is None or plan.kv_tokens is None or plan.kv_tokens >= rollout.context:
        return
    yield (
        f"vLLM's cache has room for {plan.kv_tokens:,} tokens, and a sequence may have "
        f"{rollout.context:,}: raise actor_rollout_ref.rollout.gpu_memory_utilization="
        f"{rollout.share:g} or tensor_model_parallel_size={rollout.tensor_parallel}"
    )


def _remedy(
    limit: _Limit,
    plan: Plan,
    settings: Settings,
    planned: Callable[[Iterable[Change]], Plan | None],
) -> str:
    """Return what would help: two ways at most, else the fewest together, and more GPUs."""
    has_choices = is_recipe_file(settings.file)

    def first(candidates: Iterable[Sequence[Change]]) -> Iterator[str]:
        """Yield the first candidate that makes the run fit, as overrides, or nothing."""
        for changes in candidates:
            if (found := planned(changes)) is not None and limit.holds(found):
                given = " ".join(change.given(has_choices) for change in changes)
                yield f"{given} ({limit.of(found) / GIB:,.1f} GiB)"
                return

    ways = [way for way in limit.ways(settings, plan.layout) if way]
    alone = chain.from_iterable(first([change] for change in way) for way in ways)
    enough = [*islice(alone, 2)] or first(_together(ways))
    remedies = [*enough, *first(_more_gpus(settings))]
    return f"give {', or '.join(remedies)}" if remedies else limit.otherwise


def _together(ways: Iterable[Way]) -> Iterator[Sequence[Change]]:
    """Yield the changes of the first way, then its last one with those of the second, and so on."""
    furthest: list[Change] = []
    for way in ways:
        yield from ([*furthest, change] for change in way)
        furthest.append(way[-1])


def _more_gpus(settings: Settings) -> Iterator[Sequence[Change]]:
    gpus = settings.trainer.gpus
    while (gpus := 2 * gpus) <= _MOST_GPUS:
        nodes = max(settings.trainer.nodes, gpus // _GPUS_OF_A_NODE)
        sets = {"trainer.n_gpus_per_node": gpus // nodes, "trainer.nnodes": nodes}
        yield [Change({k: n for k, n in sets.items() if n != value_at(settings.verl, k)})]


def changed_settings(settings: Settings, changes: Iterable[Change]) -> Settings:
    """Return settings with some values changed, without composing them again."""
    verl: dict[str, Any] = copy.deepcopy(dict(settings.verl))
    for change in changes:
        for key, value in change.sets.items():
            group, _, name = key.rpartition(".")
            value_at(verl, group)[name] = value
    return parse_settings(verl, settings.file, settings.overrides)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _gpu_ways(settings: Settings, layout: Layout) -> Iterator[Way]:
    """Yield what lowers a GPU's memory."""
    method, engine, model = settings.method, settings.engine_key, settings.model.key
    if isinstance(method, GrpoSettings):
        share = "actor_rollout_ref.rollout.gpu_memory_utilization"
        given = value_at(settings.verl, share)
        yield [Change({share: lower}) for lower in (0.5, 0.4, 0.3) if lower < given]
    yield [*_smaller_passes(settings, layout)]
    if isinstance(method, GrpoSettings):
        both = {f"{engine}.optimizer_offload": True, f"{engine}.param_offload": True}
        yield [Change(both, "offload=params")]
        parallel = "actor_rollout_ref.rollout.tensor_model_parallel_size"
        most, least = layout.gpus_per_node, method.rollout.tensor_parallel
        yield [Change({parallel: gpus}) for gpus in (2, 4, 8) if least < gpus <= most]
    yield [Change({f"{engine}.offload_policy": True}, "offload=host")]
    if settings.model.adapter is None:
        adapter: dict[str, Any] = {f"{model}.lora_rank": 32, f"{model}.lora_alpha": 32}
        if settings.stage == "grpo":
            adapter["actor_rollout_ref.rollout.load_format"] = "safetensors"
        yield [Change(adapter, "method=lora")]
    yield _smaller_numbers(settings, layout)


def _smaller_passes(settings: Settings, layout: Layout) -> Iterator[Change]:
    method = settings.method
    passes = [method.update]
    if isinstance(method, GrpoSettings):
        passes += filter(None, (method.log_probs, method.reference))
    if not method.update.dynamic:
        if any((each.size or 1) > 1 for each in passes):
            yield Change({each.size_key: 1 for each in passes})
        return
    tokens = method.update.max_tokens
    while (tokens := tokens // 2) >= layout.update.longest:
        yield Change({each.tokens_key: min(each.max_tokens, tokens) for each in passes})


def _smaller_numbers(settings: Settings, layout: Layout) -> Way:
    if layout.sharding.stored <= layout.sharding.computed:
        return []
    return [Change({f"{settings.engine_key}.model_dtype": "bf16"})]


def _host_ways(settings: Settings, layout: Layout) -> Iterator[Way]:
    """Yield what lowers a node's memory."""
    engine = settings.engine_key
    if layout.rollout is not None and (
        many := {key: 1 for key in WORKERS if value_at(settings.verl, key) > 1}
    ):
        yield [Change(many)]
    for name in ("optimizer_offload", "param_offload", "offload_policy"):
        if value_at(settings.verl, f"{engine}.{name}"):
            yield [Change({f"{engine}.{name}": False})]
    if layout.reference is not None:
        yield [Change({"actor_rollout_ref.actor.use_kl_loss": False})]
    yield _smaller_numbers(settings, layout)


def _disk_ways(settings: Settings, layout: Layout) -> Iterator[Way]:
    """Yield what lowers the disk's use, which no layout changes."""
    del layout
    yield [Change({keep_key(settings): 1})]
    if "rollout_data_dir" in settings.trainer.folders:
        yield [Change({"trainer.rollout_data_dir": None})]
    key = f"{settings.checkpoint_key}.save_contents"
    yield [Change({key: [name for name in value_at(settings.verl, key) if name != "hf_model"]})]
