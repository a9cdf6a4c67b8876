"""A plan as text, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from recipes.training.plan.available import GIB
from recipes.training.plan.fit import fullest
from recipes.training.plan.memory import Moment
from recipes.training.plan.plan import Plan

_BILLION = 1e9


def plan_text(plan: Plan) -> str:
    """Return a plan for people to read."""
    parts = [
        "\n".join(_columns(_facts(plan))),
        *(_memory("memory of a GPU, GiB", plan.gpu) if plan.gpu else ()),
        *_memory("memory of a node, GiB", plan.host),
        "\n".join(_columns(_notes(plan))),
    ]
    return "\n\n".join(parts)


def plan_json(plan: Plan, problems: Sequence[str]) -> str:
    """Return a plan for programs to read, sizes in bytes.

    Args:
        plan: Of a run.
        problems: What does not fit, and what would be refused.
    """
    layout, workload = plan.layout, plan.workload
    found = {
        "stage": plan.stage,
        "model": layout.shape.name,
        "parameters": layout.parameters,
        "trained_parameters": layout.trained,
        "vision_parameters": layout.shape.vision.parameters,
        "gpus": layout.gpus,
        "rows": workload.rows,
        "steps": workload.steps,
        "sequences_per_step": workload.sequences,
        "sampled_for_each": workload.sampled,
        "tokens_per_sequence": workload.tokens,
        "tokens_per_step": workload.step_tokens,
        "tokens": workload.all_tokens,
        "tokens_per_second_per_gpu": plan.rate.tokens,
        "seconds_per_step": workload.step_seconds(plan.rate, layout.gpus),
        "hours": plan.hours,
        "gpu": _moments(plan.gpu),
        "host": _moments(plan.host),
        "kv_cache_tokens": plan.kv_tokens,
        "disk": {
            "checkpoint": plan.disk.checkpoint,
            "kept": plan.disk.kept,
            "rollouts": plan.disk.rollouts,
            "total": plan.disk.size,
        },
        "assumptions": dict(_assumptions(plan)),
        "problems": list(problems),
    }
    return json.dumps(found, indent=2)


def _moments(moments: Sequence[Moment]) -> dict[str, Any]:
    return {
        moment.name: {**{use.part: use.size for use in moment.uses}, "total": moment.size}
        for moment in moments
    }


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    layout, workload, shape = plan.layout, plan.workload, plan.layout.shape
    sizes = f"{layout.parameters / _BILLION:.3g} B parameters"
    vision = f"{shape.vision.parameters / _BILLION:.2g} B of them the vision tower's"
    yield "model", f"{shape.name}: {sizes}, {vision}, {_trained(plan)}"
    machine = f"{layout.gpus:,} GPUs" if layout.on_gpu else "a CPU"
    yield "on", f"{machine}, the model sharded over {layout.sharding.shards:,}"
    yield "rows", f"{workload.rows:,}"
    yield "steps", f"{workload.steps:,} of {workload.sequences:,} sequences"
    yield (
        "tokens",
        f"{workload.step_tokens:,} a step, {workload.all_tokens:,} in all",
    )
    seconds = workload.step_seconds(plan.rate, layout.gpus)
    if seconds is not None and plan.hours is not None:
        yield "time", f"{seconds:,.1f} s a step, {plan.hours:,.1f} hours of steps"
    disk = plan.disk
    yield (
        "disk, GiB",
        f"{disk.size / GIB:,.1f}: {disk.kept} checkpoints of {disk.checkpoint / GIB:,.1f}, "
        f"rollouts {disk.rollouts / GIB:,.2f}",
    )


def _trained(plan: Plan) -> str:
    layout = plan.layout
    if layout.adapter:
        return f"a LoRA adapter of {layout.adapter / 1e6:,.0f} M trained"
    if layout.trained == layout.shape.parameters:
        return "all trained"
    return f"{layout.trained / _BILLION:.3g} B trained"


def _notes(plan: Plan) -> Iterator[tuple[str, str]]:
    yield from _assumptions(plan)
    rollout = plan.layout.rollout
    if rollout is not None and plan.kv_tokens is not None:
        at_once = min(rollout.sequences, plan.kv_tokens // rollout.context)
        yield (
            "KV cache",
            f"{plan.kv_tokens:,} tokens of an engine: {at_once:,} sequences of the longest at once",
        )


def _assumptions(plan: Plan) -> Iterator[tuple[str, str]]:
    lengths = plan.lengths
    response = f", {lengths.response:,} of a response" if lengths.response else ""
    yield (
        "tokens of a row",
        f"{lengths.text:,} of text, {lengths.images * lengths.image:,} of images ({lengths.source})"
        f"{response}; {lengths.longest:,} at most",
    )
    if plan.rate.tokens is None:
        yield "tokens a second", plan.rate.source
    else:
        yield "tokens a second", f"{plan.rate.tokens:,.0f} a GPU ({plan.rate.source})"
    if (sampled := plan.workload.sampled) is not None:
        yield (
            "dynamic sampling",
            f"{sampled:g} prompts sampled for one that is trained on (`--sampled`; verl's own DAPO "
            "run provides for 3): the more the surer the model is, without a limit",
        )


def _memory(title: str, moments: Sequence[Moment]) -> Iterator[str]:
    """Write a table: a line for each part, a column for each moment."""
    parts = dict.fromkeys(use.part for moment in moments for use in moment.uses)
    peak = fullest(moments)
    names = [f"{moment.name}{' *' if moment is peak else ''}" for moment in moments]
    lines = [[title, *names]]
    for part in parts:
        sizes = [sum(u.size for u in moment.uses if u.part == part) for moment in moments]
        lines.append([part, *(f"{size / GIB:,.1f}" if size else "" for size in sizes)])
    lines.append(["total (* the fullest)", *(f"{moment.size / GIB:,.1f}" for moment in moments)])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    yield "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _columns(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    listed = [*pairs]
    width = max(len(name) for name, _ in listed)
    return (f"{name:<{width}}  {text}" for name, text in listed)
