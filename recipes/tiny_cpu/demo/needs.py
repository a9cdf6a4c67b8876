"""What a run of the demo takes, said before it starts."""

from __future__ import annotations

from recipes.training.plan.available import GIB, Memory

# Measured on two quiet cores, installed and with bytecode; minutes of all stages.
_WITH_SFT = 25
_FROM_A_CHECKPOINT = 10
# By how much a run of GRPO lowers the available memory, at its peak: some twenty processes, each of
# which imports verl.
GRPO_MEMORY = 10 * GIB


class NeedsError(Exception):
    """The machine lacks what the demo needs; the message says what, and what to do."""


def minutes(*, with_sft: bool) -> str:
    """Return a sentence that says how long a run takes.

    Args:
        with_sft: Whether the first SFT is run, or a trained checkpoint given.
    """
    took = _WITH_SFT if with_sft else _FROM_A_CHECKPOINT
    return (
        f"From the first stage to the last this takes about {took} minutes on two quiet cores; "
        "stages that are finished are not run again."
    )


def check_memory(memory: Memory | None, *, ignored: bool = False) -> str:
    """Return a sentence that says how much memory a run takes and how much there is.

    Args:
        memory: What there is; None if that is not known.
        ignored: Whether to start without it all the same.

    Raises:
        NeedsError: There is less than GRPO needs, and that is not ignored.
    """
    need = f"GRPO takes {_gib(GRPO_MEMORY)} of memory"
    if memory is None:
        return f"{need}; how much there is, this system does not say."
    if memory.usable >= GRPO_MEMORY or ignored:
        return f"{need}, and {_gib(memory.usable)} are available."
    raise NeedsError(
        f"{need}, and {_gib(memory.usable)} are available ({_gib(memory.available)} of "
        f"{_gib(memory.total)} are free in {memory.limited_by}, less what ray keeps free): ray "
        "would kill its workers. End other programs or give more memory; --ignore-memory (make: "
        "DEMO_OPTIONS=--ignore-memory) starts all the same"
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
