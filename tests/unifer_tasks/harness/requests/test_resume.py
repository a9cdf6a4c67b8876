"""Which questions are asked again, with models that answer by rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from unifer_tasks.harness.requests import resume
from unifer_tasks.harness.requests.progress import Progress, read_progress
from unifer_tasks.protocol.answers.outcomes import REQUEST_FAILED_PREFIX, request_failed

instances = pytest.importorskip("lmms_eval.api.instance")

GREEDY = {"max_new_tokens": 16, "temperature": 0, "do_sample": False, "until": []}
N = 10


def faces(shade: int = 0) -> list[Image.Image]:
    return [Image.new("RGB", (4, 4), (number, shade, 0)) for number in range(N)]


class Model:
    """Answer each question with its number, or as `replies` says."""

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
    *,
    simple: bool = False,
    text: str = "Which?",
    decoding: dict[str, Any] = GREEDY,
    repeats: int = 1,
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
        row = instances.Instance("generate_until", (text, *shown, *where), 0, metadata)
        # lmms-eval repeats the object itself.
        rows += [row] * repeats
    return rows


Run = Callable[..., tuple[list[str], list[int]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a model as lmms-eval does; return its answers and the questions it was asked."""

    def run_once(
        model: Model,
        *,
        args: str = "pretrained=a",
        backend: str = "mine",
        world_size: int = 1,
        **options: Any,
    ) -> tuple[list[str], list[int]]:
        cache = resume.ResumedAnswers(
            str(tmp_path), model=backend, model_args=args, world_size=world_size
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


def test_a_killed_run_continues_where_it_was(run: Run) -> None:
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
    assert request_failed(answers[3])
    assert read_progress(tmp_path) == Progress(total=N, answered=N - 1, failed=1)
    assert run(Model(faces())) == (ANSWERS, [3])


@pytest.mark.parametrize(
    ("backend", "asked_again"), [("mine", []), ("claude", [3]), ("gemini", [3]), ("openai", [3])]
)
def test_an_empty_answer_is_an_answer_unless_an_api_gave_it(
    run: Run, backend: str, asked_again: list[int]
) -> None:
    answer = run(Model(faces(), {3: ""}), backend=backend)[0][3]
    assert request_failed(answer) == bool(asked_again)
    assert run(Model(faces()), backend=backend)[1] == asked_again


def test_too_many_answers_are_failures(run: Run, tmp_path: Path) -> None:
    class Doubling(Model):
        def generate_until(self, requests: Sequence[Any]) -> list[Any]:
            return [*super().generate_until(requests), "more"]

    answers, _ = run(Doubling(faces()))
    assert all(map(request_failed, answers))
    assert read_progress(tmp_path) == Progress(total=N, failed=N)
    assert run(Model(faces())) == (ANSWERS, ALL)


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


def test_pace_and_credentials_decide_nothing(run: Run) -> None:
    run(Model(faces()), args="pretrained=a,num_concurrent=8,timeout=10,api_key=b")
    assert run(Model(faces()), args="timeout=60,pretrained=a,work_dir=/tmp")[1] == []


def test_other_weights_at_the_same_path_are_asked_anew(run: Run, tmp_path: Path) -> None:
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"one")
    for text, asked in ((b"one", ALL), (b"one", []), (b"two", ALL), (b"one", [])):
        weights.write_bytes(text)
        assert run(Model(faces()), args=f"pretrained={weights.parent}")[1] == asked


@pytest.mark.parametrize(("backend", "asked"), [("openai", ALL), ("vllm", [])])
def test_the_server_of_the_environment_decides(
    run: Run, backend: str, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://one/v1")
    run(Model(faces()), backend=backend)
    monkeypatch.setenv("OPENAI_API_BASE", "http://two/v1")
    assert run(Model(faces()), backend=backend)[1] == asked


def test_a_sampled_run_has_one_sample_a_question(run: Run) -> None:
    sampled = {**GREEDY, "temperature": 1.0, "do_sample": True}
    killed = Model(faces(), dies_after=4)
    with pytest.raises(KeyboardInterrupt):
        run(killed, decoding=sampled)
    assert run(Model(faces()), decoding=sampled) == (ANSWERS, ALL[len(killed.asked) :])
    assert run(Model(faces()), decoding=sampled) == (ANSWERS, [])


@pytest.mark.parametrize("decoding", [GREEDY, {**GREEDY, "temperature": 1.0}])
def test_each_repeat_is_an_answer_of_its_own(run: Run, decoding: dict[str, Any]) -> None:
    class Counting(Model):
        def generate_until(self, requests: Sequence[Any]) -> list[Any]:
            super().generate_until(requests)
            n = len(self.asked) - len(requests)
            return [f"Answer {number}." for number in range(n, len(self.asked))]

    first, asked = run(Counting(faces()), decoding=decoding, repeats=3)
    assert first == [f"Answer {number}." for number in range(3 * N)]
    assert asked == [number for number in ALL for _ in range(3)]
    assert run(Counting(faces()), decoding=decoding, repeats=3) == (first, [])
    # The first of them is the answer of a run without repeats.
    assert run(Counting(faces()), decoding=decoding) == (first[::3], [])
    _, more = run(Counting(faces()), decoding=decoding, repeats=4)
    assert more == ALL


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
