"""A trainer's process: what it prints is shown, kept and watched, and it ends when it must."""

from __future__ import annotations

import math
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recipes.training.launch.errors import RunError
from recipes.training.launch.fatal import Failure, find_failure, more_telling
from unifer_tasks.redaction.secrets import redact

GRACE = 10.0
"""Seconds that a trainer is given to end by itself after a line that nothing can follow."""

_MOMENT = 1.0

_READ = re.compile(r"train dataset size: (\d+), val dataset size: (\d+)")
_DROPPED = re.compile(r"Error in _run_prompt|Error in compute_score|reward.*Traceback", re.I)


def run(
    arguments: Sequence[str],
    log: Path,
    stall_minutes: float,
    environment: Mapping[str, str] | None = None,
    rows: tuple[int, int] | None = None,
    may_leave_out: bool = False,
) -> Printed:
    """Run a command, show and keep what it prints.

    Args:
        arguments: The command.
        log: Appended to.
        stall_minutes: How long it may print nothing.
        environment: Its environment; this process's by default.
        rows: Rows to train and to validate on, if it says how many it read.
        may_leave_out: Whether fewer are a note.

    Raises:
        RunError: It failed, stalled, lost a worker, or read fewer rows than there are.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    printed = Printed(rows, may_leave_out)
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    )
    try:
        with log.open("a", encoding="utf-8") as file:
            for line in map(redact, _lines(process, stall_minutes * 60)):
                print(line, end="", flush=True)
                file.write(line)
                printed.read(line)
                if time.monotonic() > printed.ends:
                    raise RunError(
                        f"the run cannot continue and was ended: {printed.failure} (see {log})"
                    )
        status = process.wait()
    except BaseException:
        _kill_group(process.pid)
        process.wait()
        raise
    if status:
        _kill_group(process.pid)
        why = f": {printed.failure}" if printed.failure else _killed(status)
        raise RunError(f"the trainer exited {status}{why}; see {log}")
    return printed


@dataclass(slots=True)
class Printed:
    """What a trainer's lines have said so far.

    Attributes:
        rows: Rows to train and to validate on: those that there are, then those that verl reads.
        may_leave_out: Whether these may be fewer.
        dropped: How many times a prompt's rollout or reward failed.
        failure: What it cannot recover from.
        ends: When it is ended for that (`time.monotonic`).
    """

    rows: tuple[int, int] | None = None
    may_leave_out: bool = False
    dropped: int = 0
    failure: Failure | None = None
    ends: float = math.inf

    def read(self, line: str) -> None:
        """Read another line.

        Raises:
            RunError: verl read fewer rows than there are.
        """
        self.dropped += bool(_DROPPED.search(line))
        if self.rows is not None and (read := _READ.search(line)):
            self.rows = self._compared(self.rows, (int(read[1]), int(read[2])))
        if found := find_failure(line):
            # A trainer that can end by itself is given the time to; what comes meanwhile may be
            # nearer to the cause.
            self.ends = min(self.ends, time.monotonic() + GRACE)
            self.failure = more_telling(self.failure, found)

    def _compared(self, there: tuple[int, int], read: tuple[int, int]) -> tuple[int, int]:
        """Return the rows that verl reads: it leaves out those that are long, or raise."""
        for part, had, got in zip(("train", "validate"), there, read, strict=True):
            if got != had:
                left_out = (
                    f"verl reads {got:,} of {had:,} rows to {part} on; the others are too long or "
                    "damaged: see `unifer-data verify`, and data.filter_overlong_prompts"
                )
                if not self.may_leave_out:
                    raise RunError(left_out)
                print(f"note: {left_out}", file=sys.stderr)
        return read


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _killed(status: int) -> str:
    """Say what a negative exit status means."""
    if status == -signal.SIGKILL:
        return " (SIGKILL): the kernel does that where memory runs out (see `dmesg`), or a user"
    return f" ({signal.Signals(-status).name})" if status < 0 else ""


def _lines(process: subprocess.Popen[str], seconds: float) -> Iterator[str]:
    """Yield what a process prints until it ends; nothing at all where it is silent for a moment.

    The process's end counts, not that of its output, which workers that outlive it keep open.

    Raises:
        RunError: It was silent for too long.
    """
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    printed = time.monotonic()
    while True:
        try:
            line = lines.get(timeout=min(seconds, _MOMENT))
        except queue.Empty:
            if process.poll() is not None:
                return
            if time.monotonic() - printed >= seconds:
                raise RunError(
                    f"the trainer printed nothing for {seconds / 60:g} minutes and was ended; "
                    "a weight sync that failed hangs like this (see --stall-minutes)"
                ) from None
            yield ""
            continue
        if line is None:
            return
        printed = time.monotonic()
        yield line
