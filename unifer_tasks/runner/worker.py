"""One process of `ferbench run`: lmms-eval on one preset, for as long as its starter lives.

    python -m unifer_tasks.runner.worker LMMS_EVAL_OPTIONS

Standard input is a pipe that nobody writes to. It closes when the starter ends, for whatever
reason, and then this process ends too, with all that it started: an abandoned model would keep
holding a GPU and spending money.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from unifer_tasks.harness.host import run_lmms_eval
from unifer_tasks.harness.requests.shortfall import FAILED_REQUESTS_STATUS


def _end_with_the_starter() -> None:
    # Unbuffered: Python could not end while a thread holds the lock of a buffer.
    os.read(sys.stdin.fileno(), 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    status = run_lmms_eval(sys.argv[1:])
    # The starter counts failed requests from the reported progress.
    sys.exit(0 if status == FAILED_REQUESTS_STATUS else status)
