"""Count the tokens of a prompt."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from data_prep.support.errors import PreparationError
from unifer_tasks.protocol.images import IMAGE_SIZE, MAX_PIXELS, MIN_PIXELS
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.protocol.prompts import question
from unifer_tasks.support.extras import MODEL


def prompt_token_counter(model: str) -> Callable[[str], int]:
    """Return a function that counts the tokens of a dataset's question with its image.

    Raises:
        PreparationError: transformers is not installed, or the model (a checkpoint folder or a hub
            name) has no processor for images and text.
    """
    try:
        from transformers import AutoProcessor
    except ImportError:
        raise PreparationError(f"--processor needs transformers: {MODEL.install}") from None
    try:
        processor = AutoProcessor.from_pretrained(
            model, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS
        )
    except (OSError, ValueError) as error:
        raise PreparationError(f"{model} has no processor: {error}") from None
    face = Image.new("RGB", IMAGE_SIZE)

    def count(dataset: str) -> int:
        content = [
            {"type": "image"},
            {"type": "text", "text": question(label_space(dataset).labels)},
        ]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return len(processor(text=[text], images=[face])["input_ids"][0])

    return count
