"""A trained tiny checkpoint at half its size, to be kept in a repository.

    python -m recipes.tiny_cpu.demo.keep CHECKPOINT OUT

Weights become bfloat16; on a CPU `unifer`, verl and vLLM load them as float32 again.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from recipes.training.runs.record import RECORD_NAME
from unifer_tasks.redaction.markdown import CARD_NAME

WEIGHTS = "model.safetensors"

_NOTE = """
## How this copy was made

`make demo-train`, whose first SFT starts from `ferbench tiny-model`, and then
`python -m recipes.tiny_cpu.demo.keep`, which rounds the weights to bfloat16. Synthetic faces
are all that it has seen. Its licence is Apache-2.0, as the code's.
"""


def keep(checkpoint: Path, out: Path) -> int:
    """Write a copy of a Hugging Face folder with bfloat16 weights.

    Args:
        checkpoint: A folder with `model.safetensors`, the model card and the processor's files.
        out: The folder to write; it must not exist.

    Returns:
        The size of the weights in bytes.
    """
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.bfloat16)
    out.mkdir(parents=True)
    for path in filter(Path.is_file, checkpoint.iterdir()):
        # The record names folders of the machine; what matters of it is in the card.
        if path.name != RECORD_NAME:
            shutil.copyfile(path, out / path.name)
    model.save_pretrained(out)
    with (out / CARD_NAME).open("a", encoding="utf-8") as card:
        card.write(_NOTE)
    return (out / WEIGHTS).stat().st_size


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    checkpoint, out = map(Path, argv)
    print(f"{out}: {keep(checkpoint, out):,} bytes of weights")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
