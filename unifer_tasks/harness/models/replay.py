"""`lmms-eval --model replay`: score the responses of an earlier run again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from lmms_eval.api.instance import Instance
from loguru import logger

from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.data.sample_logs import Responses, read_responses
from unifer_tasks.harness.models.our_model import OurModel
from unifer_tasks.protocol.variants.listed import TASKS, Variant
from unifer_tasks.support.counted import counted


class Replay(OurModel):
    """A model that answers from a log.

    Asked several times (`--repeats`), it gives the first logged answer first, then the second.

    Args:
        samples: An lmms-eval output folder of one model, the results file of one run, one of
            its sample logs, or a prediction file (see `unifer_tasks.data.predictions`).
        batch_size: Ignored; lmms-eval passes it to every model.
        device: Ignored, likewise.

    Raises:
        PredictionError: The log cannot be read, is of several models, lacks a question that is
            asked, or has fewer answers to each than are asked for.
    """

    ranks_candidates = True  # Where the log has rankings.

    def __init__(self, samples: str, batch_size: int | str = 1, device: str | None = None) -> None:
        super().__init__()
        # No `cpu=True`: lmms-eval's command line has made one, on a GPU where there is one.
        self.accelerator = Accelerator()
        self._rank = self.accelerator.process_index
        self._world_size = self.accelerator.num_processes
        self.device = self.accelerator.device
        self._samples = Path(samples).expanduser()
        if not self._samples.exists():
            raise PredictionError(
                f"samples={samples} does not exist; name the --output_path of a run with "
                "--log_samples, one of its sample logs, or a prediction file"
            )
        self._responses: dict[Variant, Responses] = {}
        self._ids: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        self._asked = Counter[tuple[str, int]]()

    @property
    def rank(self) -> int:
        """This process's number."""
        return int(self._rank)

    @property
    def world_size(self) -> int:
        """The number of processes."""
        return int(self._world_size)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Return the logged response to each question."""
        return [self._response(request) for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refuse: a log holds responses, and the likelihood of no other text."""
        raise NotImplementedError(
            "replay has no likelihoods; run the task with --model unifer or unifer_vllm"
        )

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refuse: FERBench asks single questions."""
        raise NotImplementedError(
            "replay answers single questions; run a task of several rounds with its own model"
        )

    def _response(self, request: Instance) -> str:
        *_, doc_id, task, split = request.args
        key = self._keys(task, split)[doc_id]
        variant, _ = TASKS[task]
        if variant not in self._responses:
            self._responses[variant] = self._read(variant, int(request.repeats or 1))
        try:
            answers = self._responses[variant][key]
        except KeyError:
            raise PredictionError(
                f"{self._samples} has no response to {key[0]} {key[1]!r}: it is of other data or "
                "of fewer questions; set FERBENCH_DATA to the data of that run, and give its "
                "--tasks, --limit and --offset"
            ) from None
        # Processes are evened out by asking a question again; it starts over then.
        turn = self._asked[task, doc_id] % len(answers)
        self._asked[task, doc_id] += 1
        return answers[turn]

    def _read(self, variant: Variant, repeats: int) -> Responses:
        responses = read_responses(self._samples, variant, logger.warning)
        fewest = min(map(len, responses.values()))
        if repeats > fewest:
            raise PredictionError(
                f"{self._samples} has {counted(fewest, 'answer')} to a question and --repeats "
                f"{repeats} asks for more; pass --repeats {fewest}"
            )
        if repeats < fewest:
            logger.warning(
                f"{self._samples} has {fewest} answers to each question, of which the first "
                f"{repeats} count; --repeats {fewest} replays all"
            )
        return responses

    def _keys(self, task: str, split: str) -> list[tuple[str, str, int]]:
        """Return the key of every question, read without decoding an image."""
        if (task, split) not in self._ids:
            docs: Any = self.task_dict[task][split]
            orders = docs["permutation"] if "permutation" in docs.column_names else [0] * len(docs)
            keys = zip(docs["dataset"], docs["id"], orders, strict=True)
            self._ids[task, split] = list(keys)
        return self._ids[task, split]
