"""The table of `recipes/README.md`: what the recipes take on 1, 4 and 8 GPUs.

`python -m recipes.training.plan.table` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recipes.training.configuration.compose import read_settings
from recipes.training.configuration.settings import Stage
from recipes.training.plan.available import GIB
from recipes.training.plan.fit import Change, changed_settings, fullest
from recipes.training.plan.lengths import Assumed
from recipes.training.plan.plan import Plan, make_plan
from unifer_tasks.redaction.markdown import code, table

GPU, ROWS = 80, 20_000
GPUS = (1, 4, 8)
HEAD = ("stage", "model", "override", "1 GPU", "4 GPUs", "8 GPUs", "a node", "a checkpoint")


@dataclass(frozen=True, slots=True)
class _Row:
    """A recipe, and an override."""

    stage: Stage
    size: str
    override: str | None = None

    def plans(self) -> list[Plan]:
        settings = read_settings(self.stage, self.size, [self.override] if self.override else [])
        numbers = (Change({"trainer.n_gpus_per_node": gpus}) for gpus in GPUS)
        return [
            make_plan(changed_settings(settings, [number]), Assumed(rows=ROWS), GPU * GIB)
            for number in numbers
        ]


_ROWS = (
    _Row("sft", "3b"),
    _Row("sft", "7b"),
    _Row("sft", "7b", "method=lora"),
    _Row("sft", "7b", "offload=host"),
    _Row("sft", "32b"),
    _Row("grpo", "3b"),
    _Row("grpo", "3b", "method=lora"),
    _Row("grpo", "7b"),
    _Row("grpo", "7b", "method=lora"),
    _Row("grpo", "7b", "offload=host"),
    _Row("grpo", "32b", "method=lora"),
    _Row("grpo", "32b"),
)


def plan_table() -> str:
    """Return the table as Markdown: GiB of a GPU at its fullest, by number of GPUs."""
    return str(table(HEAD, map(_cells, _ROWS), numeric=range(3, len(HEAD))))


def _cells(row: _Row) -> tuple[str, ...]:
    plans = row.plans()
    whole = plans[-1]
    return (
        row.stage.upper(),
        row.size.upper(),
        code(row.override) if row.override else "",
        *_sizes(plans),
        f"{fullest(whole.host).size / GIB:,.0f}",
        f"{whole.disk.checkpoint / GIB:,.0f}",
    )


def _sizes(plans: list[Plan]) -> Iterator[str]:
    for plan in plans:
        parallel = plan.layout.rollout.tensor_parallel if plan.layout.rollout else 1
        size = fullest(plan.gpu).size / GIB
        if parallel > plan.layout.gpus:
            yield "-"  # An engine of vLLM spans more GPUs than there are.
        else:
            yield f"{size:,.0f}" if size <= GPU else f"({size:,.0f})"


if __name__ == "__main__":
    print(plan_table())
