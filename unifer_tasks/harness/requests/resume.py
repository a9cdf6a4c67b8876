"""Answers that survive a kill; they replace lmms-eval's response cache.

lmms-eval hands the requests of a run to a cache if `--use_cache` names one. Its own keeps failed
answers as if they were answers, knows no image content (a rebuilt benchmark gets the answers to
the old faces) and stores nothing before the last question is answered. This one has the same
three methods and differs in that: an answer is found by a digest of all that decides it, failures
are asked again, and what a kill can lose is about a minute's work.

What decides an answer: the back end and its arguments, less those of pace and credentials; the
server that the environment names; the local files behind the arguments (`model_files`); task,
question number, text and pixels; how the replies begin where an earlier run decides that; the
decoding; and which of several repeats it is. So a sampled answer is kept too: a run that resumes
still has one sample a question, and `--repeats` has as many as were asked for. Versions of software
do not count: after an upgrade a run keeps its answers, and a new folder asks anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from unifer_tasks.harness.requests.answer_log import AnswerLog, LoggedAnswer
from unifer_tasks.harness.requests.asking import APIS
from unifer_tasks.harness.requests.asking import ask as ask_model
from unifer_tasks.harness.requests.model_files import digest_files
from unifer_tasks.harness.requests.progress import Progress, write_progress
from unifer_tasks.harness.requests.replies import redact_answer
from unifer_tasks.protocol.answers.outcomes import request_failed
from unifer_tasks.redaction.secrets import redact_settings

if TYPE_CHECKING:
    from lmms_eval.api.instance import GenerationResult, Instance
    from lmms_eval.api.model import lmms

_CALL_SECONDS = (30.0, 120.0)
"""A call of the model that takes less is followed by a larger one, one that takes more by a
smaller one: large calls keep a back end busy, small ones lose little in a kill."""

# How many questions a model takes at once goes by these names in lmms-eval's back ends.
_BATCH_ATTRIBUTES = ("batch_size_per_gpu", "num_concurrent", "num_cpus")

# Arguments that change how fast or how patiently a model is asked, by whom and where it keeps its
# own files, and not what it answers; of an earlier run counts what the replies begin with.
_NOT_DECISIVE = frozenset(
    {
        "adaptive_concurrency",
        "api_key",
        "batch_size",
        "cache_dir",
        "data_parallel_size",
        "download_dir",
        "gpu_memory_utilization",
        "hf_token",
        "max_num_seqs",
        "max_retries",
        "num_concurrent",
        "num_cpus",
        "prefix_aware_queue",
        "rationales",
        "retry_backoff_s",
        "timeout",
        "token",
        "work_dir",
    }
)


class ResumedAnswers:
    """A replacement for lmms-eval's `ResponseCache`."""

    def __init__(
        self,
        cache_root: str,
        *,
        model: str = "",
        model_args: str = "",
        task_dict: dict[str, Any] | None = None,
        world_size: int = 1,
        global_rank: int = 0,
    ) -> None:
        """Open the log of a run; lmms-eval calls this once the tasks are built.

        Args:
            cache_root: The folder in which answers and progress are kept.
            model: The model id of lmms-eval.
            model_args: The model's arguments.
            task_dict: Not needed.
            world_size: The number of processes.
            global_rank: This process's number.
        """
        self._folder = Path(cache_root)
        self._asks_an_api = model in APIS
        self._decisive = _decisive(model, model_args)
        self._rank = global_rank
        self._world_size = world_size
        self._log = AnswerLog(self._folder, global_rank)

    def execute(self, lm: lmms, reqtype: str, requests: Sequence[Instance]) -> list[Any]:
        """Return the answers, in the order of the requests; ask the model what is not known."""
        if reqtype != "generate_until":
            return list(getattr(lm, reqtype)(list(requests)))
        answers: list[Any] = [None] * len(requests)
        progress = Progress(total=len(requests))
        # Processes that share a model must call it equally often.
        calls = _CallSize(lm) if self._world_size == 1 else None
        missing: dict[int, str] = {}

        def ask() -> None:
            nonlocal progress
            self._write_progress(progress)
            start = time.monotonic()
            questions = [requests[number] for number in missing]
            outputs = ask_model(lm, lm.generate_until, questions, asks_an_api=self._asks_an_api)
            if calls:
                calls.took(time.monotonic() - start, len(missing))
            for (number, key), output in zip(missing.items(), outputs, strict=True):
                answer = _answer(key, requests[number], output)
                answers[number] = _result(answer)
                if request_failed(answer.text):
                    progress = progress.with_failure()
                else:
                    self._log.append(answer)
                    progress = progress.with_answer(answer)
            missing.clear()

        pool = ThreadPoolExecutor()
        try:
            # Now, since some back ends write into their requests.
            decodings = [_decoding(request) for request in requests]
            # Decoding the images takes a while; it continues while the model answers.
            keys = pool.map(partial(_key, self._decisive, lm), requests, decodings)
            repeats: Counter[str] = Counter()
            for number, shared in enumerate(keys):
                key = f"{shared}-{repeats[shared]}" if repeats[shared] else shared
                repeats[shared] += 1
                if known := self._log.get(key):
                    answers[number] = _result(known)
                    progress = progress.with_answer(known, reused=True)
                else:
                    missing[number] = key
                if calls and len(missing) >= calls.size:
                    ask()
            if missing:
                ask()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        self._write_progress(progress)
        return answers

    def finalize(self, *, success: bool, dist_backend: str, accelerator: Any) -> None:
        """Close the log; lmms-eval calls this after the run, whether it succeeded or not."""
        self._log.close()

    def _write_progress(self, progress: Progress) -> None:
        if self._rank == 0:
            write_progress(self._folder, progress)


class _CallSize:
    """The number of questions to hand a model in one call."""

    def __init__(self, lm: lmms) -> None:
        values = (getattr(lm, name, 0) or 0 for name in _BATCH_ATTRIBUTES)
        self._smallest = self.size = max(1, *map(int, values))

    def took(self, seconds: float, n_questions: int) -> None:
        """Adapt the size to how long a call took; one of fewer questions does not count."""
        short, long = _CALL_SECONDS
        if n_questions < self.size:
            return
        if seconds < short:
            self.size *= 2
        elif seconds > long:
            self.size = max(self._smallest, self.size // 2)


def _decisive(backend: str, model_args: str) -> str:
    """Return what distinguishes a model: back end, arguments and the files that they name."""
    from lmms_eval.utils import simple_parse_args_string

    given = simple_parse_args_string(model_args)
    kept = {name: value for name, value in given.items() if name not in _NOT_DECISIVE}
    if backend in APIS and (server := os.environ.get("OPENAI_API_BASE")):
        kept.setdefault("base_url", server)
    arguments = {name: str(value) for name, value in kept.items()}
    if files := digest_files(arguments.values(), arguments.get("revision")):
        kept["files"] = files
    # Another key to the same model gets the same answers.
    return f"{backend} {json.dumps(redact_settings(kept), sort_keys=True, default=str)}"


def _decoding(request: Instance) -> str:
    decoding = next((part for part in request.args if isinstance(part, dict)), {})
    return json.dumps(decoding, sort_keys=True, default=str)


def _key(model: str, lm: lmms, request: Instance, decoding: str) -> str:
    """Digest all that decides an answer, as the model will see it."""
    *_, doc_id, task, split = request.args
    doc = lm.task_dict[task][split][doc_id]
    shown = hashlib.sha256()
    for part in _shown(request, doc, simple=lm.is_simple):
        shown.update(len(part).to_bytes(8))
        shown.update(part)
    if begins_with := getattr(lm, "begins_with", None):
        for text in begins_with(request):
            shown.update(len(text.encode()).to_bytes(8))
            shown.update(text.encode())
    decides = [model, str(task), str(doc_id), decoding, shown.hexdigest()]
    return hashlib.sha256("\0".join(decides).encode()).hexdigest()


def _shown(request: Instance, doc: Any, *, simple: bool) -> Iterator[bytes]:
    """Yield the texts and pixels of a question."""
    if simple:
        context, _, doc_to_visual, *_ = request.args
        yield str(context).encode()
        yield from map(_bytes, doc_to_visual(doc))
        return
    _, doc_to_messages, *_ = request.args
    for message in doc_to_messages(doc):
        yield str(message["role"]).encode()
        for part in message["content"]:
            yield _bytes(part.get("url", part.get("text")) if isinstance(part, dict) else part)


def _bytes(shown: Any) -> bytes:
    if isinstance(shown, Image.Image):
        return f"{shown.mode} {shown.size}".encode() + shown.tobytes()
    return str(shown).encode()


def _answer(key: str, request: Instance, output: GenerationResult) -> LoggedAnswer:
    *_, doc_id, task, _ = request.args
    # A server may quote the key that it refuses, in an error or in what it sends as an answer.
    text = redact_answer(output.text)
    tokens = output.token_counts
    tokens_in, tokens_out = (
        (tokens.input_tokens or 0, tokens.output_tokens or 0) if tokens else (0, 0)
    )
    return LoggedAnswer(key, str(task), int(doc_id), text, tokens_in, tokens_out)


def _result(answer: LoggedAnswer) -> Any:
    from lmms_eval.api.instance import GenerationResult, TokenCounts

    return GenerationResult(answer.text, TokenCounts(answer.tokens_in, answer.tokens_out))
