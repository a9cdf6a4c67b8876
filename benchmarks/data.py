"""GRPO rows from an archive, beside a plain Pillow loop over the same files.

The loop opens and decodes; `unifer-data rlvr` also hashes the pixels twice, compares every image
with the benchmark's and with one another and writes the rows, whose size it shows. Each runs in one
process, whose CPU time counts: other work on the machine disturbs it less. Peak memory is that of
the process: it must not grow with the number of images.

Run alone: `python -m benchmarks.data`, or with numbers of images: `... 10000 50000`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.sources.rafdb import LABELS
from data_prep.synthetic.faces import draw

_SIZES = (1_000, 4_000)
_N_TEST = 490
_N_DRAWN = 98
_SIDE = 100

_LOOP = """
import sys
from pathlib import Path
from PIL import Image
for path in Path(sys.argv[1]).glob("train_*"):
    with Image.open(path) as image:
        image.convert("RGB").load()
"""


def main(*sizes: int) -> None:
    """Print a line for each number of images."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes or _SIZES:
            _measure(Path(folder) / str(size), size)


def _measure(root: Path, size: int) -> None:
    archive = root / "rafdb"
    _write_archive(archive, size)
    unifer_data = [sys.executable, "-c", "import sys, data_prep.cli.main as c; sys.exit(c.main())"]
    # The few test faces are no whole benchmark, which it says at length.
    bench = [*unifer_data, "ferbench", "--rafdb", archive, "--out", root / "bench", "--partial"]
    _run([*bench, "--jobs", "1"], quiet=True)
    rows = [*unifer_data, "rlvr", "--rafdb", archive, "--ferbench", root / "bench"]
    rows += ["--out", root / "rows", "--jobs", "1", "--partial"]
    loop_s, _ = _run([sys.executable, "-c", _LOOP, archive / "Image/aligned"])
    first_s, peak = _run(rows)
    second_s, _ = _run(rows)
    print(
        f"{size:>7,} images   {size / first_s:>7,.0f} images/s a core   "
        f"Pillow alone {size / loop_s:>7,.0f}   ratio {loop_s / first_s:.2f}   "
        f"peak {peak:>5,.0f} MiB   again {second_s:.1f} s   "
        f"{_bytes(root / 'rows') / size:,.0f} bytes an image",
        flush=True,
    )


def _run(command: Sequence[object], *, quiet: bool = False) -> tuple[float, float]:
    """Return the seconds of CPU that a command takes and the peak memory of its process in MiB."""
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_archive(root: Path, size: int) -> None:
    faces = root / "Image/aligned"
    faces.mkdir(parents=True)
    rng = np.random.default_rng(0)
    drawn = [np.asarray(draw(LABELS[n % 7], [n], _SIDE)[0]) for n in range(_N_DRAWN)]
    lines = []
    for number in range(size + _N_TEST):
        stem = f"test_{number:04d}" if number < _N_TEST else f"train_{number:05d}"
        lines.append(f"{stem}.jpg {number % 7 + 1}")
        # Few drawings and much noise: faces of their own, at a fraction of the time.
        noise = np.kron(rng.integers(-60, 60, (10, 10, 1)), np.ones((10, 10, 1), dtype=int))
        pixels = np.clip(drawn[number % _N_DRAWN] + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(faces / f"{stem}_aligned.jpg", quality=90)
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
