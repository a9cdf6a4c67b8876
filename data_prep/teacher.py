"""Asking a teacher MLLM behind an OpenAI-compatible endpoint, many questions at a time."""

from __future__ import annotations

import asyncio
import base64
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from data_prep.answer_log import AnswerLog, LoggedAnswer
from data_prep.errors import PreparationError
from data_prep.rationales import Mode
from unifer_tasks.extras import TEACHER
from unifer_tasks.images import protocol_image
from unifer_tasks.labels import label_space
from unifer_tasks.prompts import question
from unifer_tasks.secrets import redact_values

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MAX_FAILURES_IN_A_ROW = 20
"""After so many questions without an answer, one after the other, the run ends."""

_HINT = (
    " Several people who know this image agree on {label}. Reason from what can be seen: name the "
    "parts of the face, what they do and what that expresses, and arrive at {label} by yourself. "
    "Write as somebody who was told nothing in advance."
)


@dataclass(frozen=True, slots=True)
class Teacher:
    """Which model is asked, and how.

    Attributes:
        model: Its name at the endpoint.
        base_url: The endpoint; None for OpenAI's own.
        api_key: The key; any text for a server that asks for none.
        mode: What it is told.
        max_tokens: Most tokens of an answer.
        temperature: Of sampling.
        timeout_s: Seconds that a request may take.
        max_tries: Requests for one question before it is left for the next run.
        backoff_s: Seconds before the second try; doubled for each further one.
    """

    model: str
    base_url: str | None
    api_key: str
    mode: Mode
    max_tokens: int = 1024
    temperature: float = 1.0
    timeout_s: float = 120.0
    max_tries: int = 6
    backoff_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast and how far to ask.

    Attributes:
        concurrency: Requests at a time.
        per_minute: Requests a minute; None for no limit.
        budget: Cost at which no further question is asked, in the currency of the prices. Answers
            under way still arrive: at most `concurrency` of them.
        price_in: Cost of a million tokens of requests.
        price_out: Cost of a million tokens of answers.
    """

    concurrency: int = 8
    per_minute: float | None = None
    budget: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    def cost(self, log: AnswerLog) -> float:
        """What the answers so far cost."""
        return (log.tokens_in * self.price_in + log.tokens_out * self.price_out) / 1e6


@dataclass(frozen=True, slots=True)
class Asked:
    """One question.

    Attributes:
        dataset: The dataset's key.
        id: The sample's id.
        label: The annotators' label.
        file: The image's path.
    """

    dataset: str
    id: str
    label: str
    file: str

    @property
    def key(self) -> tuple[str, str]:
        """What an answer is found by."""
        return self.dataset, self.id


@dataclass(slots=True)
class Tally:
    """What became of the questions of one run.

    Attributes:
        answered: Questions that were answered.
        failed: Question -> its last error, for those left for the next run.
        out_of_budget: True if the budget ended the run.
    """

    answered: int = 0
    failed: dict[tuple[str, str], str] = field(default_factory=dict)
    out_of_budget: bool = False


class Reporter:
    """What sees the run's progress; this one shows nothing."""

    def update(self, tally: Tally, log: AnswerLog) -> None:
        """Is called once a question was answered or given up."""


def ask_all(
    questions: Iterator[Asked], teacher: Teacher, pace: Pace, log: AnswerLog, reporter: Reporter
) -> Tally:
    """Asks every question that the log does not answer yet.

    Args:
        questions: Taken a few at a time.
        teacher: Whom to ask.
        pace: How fast and how far.
        log: Gets every answer as it arrives.
        reporter: Sees the progress.

    Raises:
        PreparationError: The openai client is not installed, the endpoint refuses the key or the
            model, or it answers nothing.
    """
    return asyncio.run(_Run(questions, teacher, pace, log, reporter).run())


class _Run:
    def __init__(
        self,
        questions: Iterator[Asked],
        teacher: Teacher,
        pace: Pace,
        log: AnswerLog,
        reporter: Reporter,
    ) -> None:
        self._questions = questions
        self._teacher = teacher
        self._pace = pace
        self._log = log
        self._reporter = reporter
        self._tally = Tally()
        self._failures_in_a_row = 0
        self._next_start = 0.0

    async def run(self) -> Tally:
        try:
            from openai import AsyncOpenAI
        except ImportError:
            raise PreparationError(
                f"asking a teacher needs the openai client: {TEACHER.install}"
            ) from None
        async with AsyncOpenAI(
            api_key=self._teacher.api_key,
            base_url=self._teacher.base_url,
            timeout=self._teacher.timeout_s,
            # Tries are counted here, where broken answers are tried again as well.
            max_retries=0,
        ) as client:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._pace.concurrency):
                        group.create_task(self._work(client))
            except* PreparationError as errors:
                raise errors.exceptions[0] from None
        return self._tally

    async def _work(self, client: AsyncOpenAI) -> None:
        for asked in self._questions:
            if asked.key in self._log:
                continue
            if self._pace.budget is not None and self._pace.cost(self._log) >= self._pace.budget:
                self._tally.out_of_budget = True
                return
            try:
                self._log.append(await self._ask(client, asked))
            except _GivenUpError as error:
                self._tally.failed[asked.key] = str(error)
                self._failures_in_a_row += 1
                if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
                    raise PreparationError(
                        f"{self._failures_in_a_row} questions in a row got no answer, the last one "
                        f"because: {error}; what was answered is kept, the same command goes on"
                    ) from None
            else:
                self._tally.answered += 1
                self._failures_in_a_row = 0
            self._reporter.update(self._tally, self._log)

    async def _ask(self, client: AsyncOpenAI, asked: Asked) -> LoggedAnswer:
        """Asks until there is an answer.

        Raises:
            _GivenUpError: There is none after all tries, or a try that cannot be mended.
            PreparationError: No question can be answered.
        """
        import openai

        messages = _messages(asked, self._teacher.mode)
        for tries in range(1, self._teacher.max_tries + 1):
            await self._wait_for_a_turn()
            try:
                completion = await client.chat.completions.create(
                    model=self._teacher.model,
                    messages=messages,
                    max_tokens=self._teacher.max_tokens,
                    temperature=self._teacher.temperature,
                )
                return self._answer(asked, completion)
            except (
                openai.AuthenticationError,
                openai.PermissionDeniedError,
                openai.NotFoundError,
            ) as error:
                raise PreparationError(f"the teacher cannot be asked: {error}") from None
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                raise _GivenUpError(str(error)) from None
            # A server that breaks off sends JSON that cannot be read, which the client passes on.
            except (openai.APIError, ValueError) as error:
                if tries == self._teacher.max_tries:
                    raise _GivenUpError(f"{type(error).__name__}: {error}") from None
                await asyncio.sleep(_delay(error, tries, self._teacher.backoff_s))
        raise AssertionError("every try returns or raises")

    def _answer(self, asked: Asked, completion: Any) -> LoggedAnswer:
        """Takes the text out of a completion.

        Raises:
            ValueError: There is none.
        """
        try:
            content = completion.choices[0].message.content
        except (AttributeError, IndexError, TypeError):
            content = None
        if not isinstance(content, str) or not content.strip():
            raise ValueError("the answer is empty")
        usage = getattr(completion, "usage", None)
        return LoggedAnswer(
            asked.dataset,
            asked.id,
            self._teacher.mode,
            self._teacher.model,
            # A proxy may answer with an error that quotes the key.
            redact_values(content),
            getattr(usage, "prompt_tokens", 0) or 0,
            getattr(usage, "completion_tokens", 0) or 0,
        )

    async def _wait_for_a_turn(self) -> None:
        if self._pace.per_minute is not None:
            now = asyncio.get_running_loop().time()
            start = max(now, self._next_start)
            self._next_start = start + 60 / self._pace.per_minute
            await asyncio.sleep(start - now)


class _GivenUpError(Exception):
    """A question gets no answer in this run."""


def _delay(error: Exception, tries: int, backoff_s: float) -> float:
    """Seconds to wait: what the server asks for, else doubled with each try, never in step."""
    from openai import APIStatusError

    headers = error.response.headers if isinstance(error, APIStatusError) else {}
    try:
        return min(float(headers["retry-after"]), 60.0)
    except (KeyError, ValueError):
        return backoff_s * float(2 ** (tries - 1)) * random.uniform(0.5, 1.0)


def _messages(asked: Asked, mode: Mode) -> Any:
    text = question(label_space(asked.dataset).labels)
    if mode is Mode.HINTED:
        text += _HINT.format(label=asked.label)
    content = [
        {"type": "image_url", "image_url": {"url": _data_url(Path(asked.file))}},
        {"type": "text", "text": text},
    ]
    return [{"role": "user", "content": content}]


def _data_url(path: Path) -> str:
    """The pixels that the student will see."""
    try:
        with Image.open(path) as image:
            pixels = protocol_image(image)
    except OSError as error:
        raise PreparationError(
            f"{path} cannot be read ({error}); if the images have moved: unifer-data rebase"
        ) from None
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
