"""The command line of the benchmarks that take another model than the tiny one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def run_alone(main: Callable[..., None], **counts: int) -> None:
    """Call a benchmark with what its command line gives.

    Args:
        main: Takes the counts in turn, and a folder or hub id, None for a tiny model.
        counts: The name of each count, and its default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{Path(sys.argv[0]).stem}")
    for name, default in counts.items():
        parser.add_argument(name, type=int, nargs="?", default=default)
    parser.add_argument("--model", help="a folder or hub id of a Qwen2.5-VL (default: a tiny one)")
    args = parser.parse_args()
    main(*(getattr(args, name) for name in counts), args.model)
