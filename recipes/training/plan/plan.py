"""A run's plan: all that can be calculated of it, and whether it fits a machine."""

from __future__ import annotations

from dataclasses import dataclass

from recipes.training.checks.rows import RowsError, count_rows
from recipes.training.checks.shapes import find_shape
from recipes.training.configuration.settings import ConfigurationError, Settings
from recipes.training.plan.disk import Disk, disk_of
from recipes.training.plan.layout import Layout, layout_of
from recipes.training.plan.lengths import Assumed, Lengths, lengths_of
from recipes.training.plan.memory import Moment, gpu_moments, host_moments, kv_tokens
from recipes.training.plan.workload import Rate, Workload, rate_of, workload_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take.

    Attributes:
        stage: "sft" or "grpo".
        layout: How its model is laid out.
        lengths: Of its sequences.
        workload: Steps, sequences and tokens.
        rate: How fast a GPU goes.
        gpu: What a GPU holds, by moment; empty for a run without GPUs.
        host: What a node's memory holds, by moment.
        kv_tokens: Tokens that vLLM's cache of an engine holds; None in SFT and without GPUs.
        disk: What it writes.
    """

    stage: str
    layout: Layout
    lengths: Lengths
    workload: Workload
    rate: Rate
    gpu: tuple[Moment, ...]
    host: tuple[Moment, ...]
    kv_tokens: int | None
    disk: Disk

    @property
    def hours(self) -> float | None:
        """Hours of its steps; None if the rate is unknown."""
        return self.workload.hours(self.rate, self.layout.gpus)


def make_plan(settings: Settings, assumed: Assumed, gpu: int) -> Plan:
    """Return the plan of a run.

    Args:
        settings: Of the run.
        assumed: Lengths given instead of rows, and the rate.
        gpu: Bytes of a GPU, of which vLLM takes its share.

    Raises:
        ConfigurationError: The model is unknown, or the rows cannot be counted.
    """
    shape = find_shape(settings.model.path)
    rows = count(settings) if assumed.rows is None else assumed.rows
    lengths = lengths_of(settings, shape.vision, assumed)
    layout = layout_of(settings, shape, lengths)
    workload = workload_of(settings, rows, lengths, assumed.sampled)
    return Plan(
        stage=settings.stage,
        layout=layout,
        lengths=lengths,
        workload=workload,
        rate=rate_of(settings, shape, assumed.rate),
        gpu=gpu_moments(layout, gpu) if layout.on_gpu else (),
        host=host_moments(layout),
        kv_tokens=kv_tokens(layout, gpu) if layout.on_gpu else None,
        disk=disk_of(settings, layout, workload, lengths),
    )


def count(settings: Settings) -> int:
    """Return how many rows a run trains on.

    Raises:
        ConfigurationError: No file is given, or one cannot be read.
    """
    files = settings.data.train_files
    if not files:
        raise ConfigurationError(
            "data.train_files is not given: give it, or --rows N for the rows that there will be"
        )
    try:
        rows = {file: count_rows(file) for file in files}
    except RowsError as error:
        raise ConfigurationError(
            f"{error} (data.train_files); --rows N plans without the file"
        ) from None
    return settings.data.rows_read("train", rows)
