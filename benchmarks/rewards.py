"""Each preset beside the paper's two regex rewards, and the time of import.

The peer re-states the two functions that the paper sums (zfkarl/UniFER, `grpo.py`) with their
own patterns. They look at an answer and a form; every preset also reads the answer as the
benchmark does and logs six more terms, the action units of the rationale among them.

Run alone: `python -m benchmarks.rewards`.
"""

from __future__ import annotations

import re
import subprocess
import sys

from benchmarks.timing import seconds
from unifer_rewards.fer import compute_score
from unifer_rewards.presets import PRESETS
from unifer_tasks.protocol.prompts import response

_DATASET, _LABEL = "rafdb", "happiness"
_TOKENS_A_WORD = 1.35
_SENTENCES = (
    "The eyebrows are relaxed and show no sign of furrowing or tension.",
    "The eyes are slightly narrowed, with crow's feet at their outer corners.",
    "The cheeks are visibly raised, which pushes up the lower eyelids.",
    "The corners of the mouth are pulled upward on both sides and the teeth are visible.",
    "There is no wrinkling of the nose, tightening of the lips, or lowering of the brows.",
    "The light comes from the left and the person looks straight into the camera.",
)
_SEAM = "</think><answer>"


def main() -> None:
    """Prints a line for each kind of response, and one for the import."""
    print("responses a second, and how many times as many as the paper's two functions score")
    _line("200 tokens", _of_length(200), 500)
    _line("1,000 tokens", _of_length(1000), 200)
    for kilobytes in (10, 100):
        _line(f"open answers, {kilobytes} kB", "<answer>" * (125 * kilobytes), 1)
        seams = _SEAM * (1000 * kilobytes // len(_SEAM))
        _line(f"seams, {kilobytes} kB", f"<think>{seams}", 1)
    print(f"import unifer_rewards.fer: {1000 * _import_seconds():.0f} ms in a fresh interpreter")


def _line(title: str, text: str, copies: int) -> None:
    texts = [text] * copies
    # One hostile response takes the patterns seconds, and no second look tells more.
    repeats = 5 if copies > 1 else 1
    peer = seconds(lambda: [_paper(text, _LABEL) for text in texts], repeats=repeats)
    line = f"{title:<22} paper {copies / peer:>11,.1f}"
    for preset in PRESETS:
        ours = _preset_seconds(preset, texts)
        line += f"   {preset} {copies / ours:>8,.1f} ({peer / ours:.2g}x)"
    print(line, flush=True)


def _preset_seconds(preset: str, texts: list[str]) -> float:
    return seconds(lambda: [compute_score(_DATASET, text, _LABEL, preset=preset) for text in texts])


def _paper(text: str, solution: str) -> float:
    found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
    answer = found.group(1).strip() if found else text.strip()
    form = re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", text, re.DOTALL)
    return float(answer == solution) + float(form is not None)


def _of_length(tokens: int) -> str:
    """A right response in form, of about so many tokens."""
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
