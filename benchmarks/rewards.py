"""Time each preset and the paper's two regex rewards, and the import.

The peer restates the two functions that the paper sums (zfkarl/UniFER, `grpo.py`) with their own
patterns. They check the answer and the format; every preset also reads the answer as the benchmark
does, and `grounded` reads the rationale. Readings of sentences are cached: the first line is the
case of sentences that all occurred before, the second that of new ones; rollouts are in between.

Run alone: `python -m benchmarks.rewards`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from benchmarks.timing import seconds
from unifer_rewards.fer import compute_score
from unifer_rewards.presets import PRESETS
from unifer_tasks.protocol.prompts import response
from unifer_tasks.rationale.sentences import read_cached

_DATASET, _LABEL = "rafdb", "happiness"
_TOKENS_A_WORD = 1.35
_SENTENCES = (
    "The eyebrows are relaxed and show no sign of furrowing or tension.",
    "The eyes are slightly narrowed, with crow's feet at their outer corners.",
    "The cheeks are visibly raised, which pushes up the lower eyelids.",
    "The corners of the mouth are pulled upward on both sides and the teeth are visible.",
    "There is no wrinkling of the nose, tightening of the lips, or lowering of the brows.",
    "The light comes from the left and the person looks straight into the camera.",
    "Fine wrinkles appear below the lower eyelids, which makes the smile look sincere.",
    "The jaw is slightly dropped, but the mouth is not wide open.",
    "The forehead is smooth, so surprise or fear would be hard to argue for.",
    "Although the chin is a little raised, the lower lip stays relaxed.",
    "If this were anger, the brows would be lowered and drawn together.",
    "Both lip corners rise evenly; they show no trace of contempt.",
    "The head is tilted towards a friend outside the picture.",
    "I also notice that the upper lip is stretched over the teeth.",
)
_SEAM = "</think><answer>"


def main() -> None:
    """Print a line for each kind of response, and one for the import."""
    print("microseconds of CPU a response, and how many times those of the paper's two functions")
    _line("200 tokens", _of_length(200), 500)
    _line("200 tokens, all new", _of_length(200), 100, before_each=read_cached.cache_clear)
    _line("1,000 tokens", _of_length(1000), 200)
    for kilobytes in (10, 100):
        _line(f"open answers, {kilobytes} kB", "<answer>" * (125 * kilobytes), 1)
        seams = _SEAM * (1000 * kilobytes // len(_SEAM))
        _line(f"seams, {kilobytes} kB", f"<think>{seams}", 1)
    print(f"import unifer_rewards.fer: {1000 * _import_seconds():.0f} ms in a fresh interpreter")


def _line(
    title: str, text: str, copies: int, before_each: Callable[[], None] = lambda: None
) -> None:
    texts = [text] * copies
    # The patterns take seconds for one hostile response, so it is timed once.
    repeats = 5 if copies > 1 else 1
    peer = _cpu_seconds(lambda: [_paper(text, _LABEL) for text in texts], repeats=repeats)
    line = f"{title:<22} paper {1e6 * peer / copies:>13,.1f}"
    for preset in PRESETS:
        ours = _preset_seconds(preset, texts, before_each)
        line += f"   {preset} {1e6 * ours / copies:>9,.1f} ({ours / peer:.2g}x)"
    print(line, flush=True)


def _preset_seconds(preset: str, texts: list[str], before_each: Callable[[], None]) -> float:
    def score_all() -> None:
        for text in texts:
            before_each()
            compute_score(_DATASET, text, _LABEL, preset=preset)

    return _cpu_seconds(score_all)


_cpu_seconds = partial(seconds, clock=time.process_time)


def _paper(text: str, solution: str) -> float:
    found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
    answer = found.group(1).strip() if found else text.strip()
    form = re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", text, re.DOTALL)
    return float(answer == solution) + float(form is not None)


def _of_length(tokens: int) -> str:
    """Return a right response in format, of about `tokens` tokens."""
    sentences: list[str] = []
    while len(" ".join(sentences).split()) * _TOKENS_A_WORD < tokens:
        sentences.append(_SENTENCES[len(sentences) % len(_SENTENCES)])
    return response(f"{' '.join(sentences)} This is happiness.", _LABEL)


def _import_seconds() -> float:
    code = "import time; t = time.perf_counter(); import unifer_rewards.fer; " + (
        "print(time.perf_counter() - t)"
    )
    command = [sys.executable, "-c", code]
    return min(
        float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(5)
    )


if __name__ == "__main__":
    main()
