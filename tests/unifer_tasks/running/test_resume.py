"""Which questions are asked again, with models that answer by rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from unifer_tasks.answers import REQUEST_FAILED_PREFIX
from unifer_tasks.running import resume
from unifer_tasks.running.progress import Progress, read_progress

instances = pytest.importorskip("lmms_eval.api.instance")

GREEDY = {"max_new_tokens": 16, "temperature": 0, "do_sample": False, "until": []}
N = 10


def faces(shade: int = 0) -> list[Image.Image]:
    return [Image.new("RGB", (4, 4), (number, shade, 0)) for number in range(N)]


class Model:
    """Answers each question with its number, or as `replies` says."""

    def __init__(
        self,
        images: list[Image.Image],
        replies: dict[int, Any] | None = None,
        *,
        simple: bool = False,
        dies_after: int | None = None,
    ) -> None:
        self.is_simple = simple
        self.task_dict = {"ferbench_sfew": {"test": images}}
        self.batch_size_per_gpu = 2
        self.replies = replies or {}
        self.asked: list[int] = []
        self.dies_after = dies_after

    def generate_until(self, requests: Sequence[Any]) -> list[Any]:
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise KeyboardInterrupt
        for request in requests:
            # As lmms-eval's back ends do.
            next(part for part in request.args if isinstance(part, dict))["top_p"] = None
        numbers = [request.args[-3] for request in requests]
        self.asked += numbers
        return [self.replies.get(n, instances.GenerationResult(f"It is {n}.")) for n in numbers]


def requests(
    *, simple: bool = False, text: str = "Which?", decoding: dict[str, Any] = GREEDY
) -> list[Any]:
    def messages(image: Image.Image) -> list[dict[str, Any]]:
        content = [{"type": "image", "url": image}, {"type": "text", "text": text}]
        return [{"role": "user", "content": content}]

    def visuals(image: Image.Image) -> list[Image.Image]:
        return [image]

    rows = []
    for number in range(N):
        where = (number, "ferbench_sfew", "test")
        shown = (dict(decoding), visuals) if simple else (messages, dict(decoding))
        metadata = {"task": "ferbench_sfew", "doc_id": number, "repeats": 1}
        rows.append(instances.Instance("generate_until", (text, *shown, *where), 0, metadata))
    return rows


Run = Callable[..., tuple[list[str], list[int]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a model as lmms-eval does; returns its answers and the questions it was asked."""

    def run_once(
        model: Model, *, args: str = "pretrained=a", world_size: int = 1, **options: Any
    ) -> tuple[list[str], list[int]]:
        cache = resume.ResumedAnswers.create(
            str(tmp_path), model="mine", model_args=args, world_size=world_size
        )
        try:
            answers = cache.execute(
                model, "generate_until", requests(simple=model.is_simple, **options)
            )
        finally:
            cache.finalize(success=True, dist_backend="accelerate", accelerator=None)
        return [instances.unwrap_generation_output(answer)[0] for answer in answers], model.asked

    return run_once


ALL = list(range(N))
ANSWERS = [f"It is {number}." for number in ALL]


@pytest.mark.parametrize("simple", [False, True])
def test_a_second_start_asks_nothing(run: Run, tmp_path: Path, simple: bool) -> None:
    assert run(Model(faces(), simple=simple)) == (ANSWERS, ALL)
    assert run(Model(faces(), simple=simple)) == (ANSWERS, [])
    assert read_progress(tmp_path) == Progress(total=N, answered=N, reused=N)


def test_a_killed_run_goes_on_where_it_was(run: Run) -> None:
    killed = Model(faces(), dies_after=4)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert 4 <= len(killed.asked) < N
    assert run(Model(faces())) == (ANSWERS, ALL[len(killed.asked) :])


FAILURES: list[Any] = [
    f"{REQUEST_FAILED_PREFIX} after 5 retries] overloaded",
    "[LMMS_EVAL_BUDGET_EXCEEDED]",
    # What a reply without content becomes in `openai` and in `async_openai`.
    instances.GenerationResult(None),
    instances.GenerationResult('Error: can only concatenate str (not "NoneType") to str'),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_shown_and_asked_again(run: Run, tmp_path: Path, failure: Any) -> None:
    answers, _ = run(Model(faces(), {3: failure}))
    assert answers[3].startswith((REQUEST_FAILED_PREFIX, "[LMMS_EVAL_BUDGET_EXCEEDED]"))
    assert read_progress(tmp_path) == Progress(total=N, answered=N - 1, failed=1)
    assert run(Model(faces())) == (ANSWERS, [3])


def test_an_empty_answer_is_an_answer(run: Run) -> None:
    assert run(Model(faces(), {3: ""}))[0][3] == ""
    assert run(Model(faces()))[1] == []


@pytest.mark.parametrize(
    ("images", "options"),
    [
        (faces(shade=1), {}),
        (faces(), {"text": "Which one?"}),
        (faces(), {"decoding": {**GREEDY, "max_new_tokens": 17}}),
        (faces(), {"args": "pretrained=b"}),
    ],
    ids=["pixels", "question", "decoding", "model"],
)
def test_what_decides_an_answer_is_asked_anew(
    run: Run, images: list[Image.Image], options: dict[str, Any]
) -> None:
    run(Model(faces()))
    assert run(Model(images), **options)[1] == ALL


def test_pace_decides_nothing(run: Run) -> None:
    run(Model(faces()), args="pretrained=a,num_concurrent=8,timeout=10")
    assert run(Model(faces()), args="timeout=60,pretrained=a")[1] == []


def test_samples_are_drawn_anew(run: Run, tmp_path: Path) -> None:
    sampled = {**GREEDY, "temperature": 1.0, "do_sample": True}
    for _ in range(2):
        assert run(Model(faces()), decoding=sampled)[1] == ALL


def test_tokens_are_kept_with_their_answers(run: Run, tmp_path: Path) -> None:
    counted = instances.GenerationResult("So.", instances.TokenCounts(300, 20, 5))
    run(Model(faces(), dict.fromkeys(range(5), counted)))
    run(Model(faces()))
    assert read_progress(tmp_path) == Progress(N, N, N, 0, tokens_in=1500, tokens_out=100)


def test_calls_grow_while_they_are_short(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Watched(Model):
        def generate_until(self, requests: Sequence[Any]) -> list[Any]:
            sizes.append(len(requests))
            return super().generate_until(requests)

    run(Watched(faces()))
    assert sizes == [2, 4, 4]
    sizes.clear()
    # Processes that share a model call it equally often.
    run(Watched(faces()), text="Again?", world_size=2)
    assert sizes == [10]
    sizes.clear()
    monkeypatch.setattr(resume, "_CALL_SECONDS", (0.0, 0.0))
    run(Watched(faces()), text="Slowly?")
    assert sizes == [2] * 5


def test_a_key_that_a_server_quotes_is_not_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    quoted = f"{REQUEST_FAILED_PREFIX} after 1 retries] bad key sk-0123456789"
    answers, _ = run(Model(faces(), dict.fromkeys(ALL, quoted)))
    assert "sk-0123456789" not in json.dumps(answers)
    assert "[OPENAI_API_KEY]" in answers[0]
