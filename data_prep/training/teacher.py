"""Ask a teacher MLLM behind an OpenAI-compatible endpoint many questions concurrently."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.support.errors import PreparationError
from data_prep.support.images import UNDECODABLE, as_png
from data_prep.training.answer_log import AnswerLog, LoggedAnswer
from data_prep.training.rationales import Mode
from unifer_tasks.harness.requests.replies import Ending, Reply, ReplyError, is_refusal, parse_reply
from unifer_tasks.protocol.answers.tags import has_valid_format
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG, question
from unifer_tasks.redaction.secrets import redact_values
from unifer_tasks.support.extras import TEACHER

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MAX_FAILURES_IN_A_ROW = 20
"""After this many consecutive questions without an answer, the run ends."""

_THINK, _THINK_CLOSED = f"<{THINK_TAG}>", f"</{THINK_TAG}>"
_ANSWER, _ANSWER_CLOSED = f"<{ANSWER_TAG}>", f"</{ANSWER_TAG}>"
_REPLACEMENTS: Mapping[str, str | None] = {
    "max_tokens": "max_completion_tokens",
    "temperature": None,
}
"""Parameters that some models reject -> what they accept instead, if anything."""
_UNSUPPORTED = re.compile(
    r"unsupported|not support|not (?:permitted|allowed|available)|deprecated|unrecogni[sz]ed|"
    r"unknown|unexpected|extra|invalid (?:parameter|argument)|must be 1\b|instead|"
    r"only\b.{0,40}\b(?:allowed|supported|default)",
    re.IGNORECASE,
)

_HINT = (
    " Several people who know this image agree on {label}. Reason from what can be seen: name the "
    "parts of the face, what they do and what that expresses, and arrive at {label} by yourself. "
    "Write as somebody who was told nothing in advance."
)


@dataclass(frozen=True, slots=True)
class Teacher:
    """The model to ask, and how to ask it.

    Attributes:
        model: Its name at the endpoint.
        base_url: The endpoint; None for OpenAI's own.
        api_key: The key; any text for a server that needs none.
        mode: What the model is shown.
        max_tokens: Maximum tokens of an answer.
        temperature: The sampling temperature.
        timeout_s: Seconds that a request may take.
        max_tries: Requests for one question before it is left to the next run.
        backoff_s: Seconds before the second try, doubled for each further one.
    """

    model: str
    base_url: str | None
    api_key: str
    mode: Mode
    max_tokens: int
    temperature: float
    timeout_s: float
    max_tries: int
    backoff_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast and how far to ask.

    Attributes:
        concurrency: Concurrent requests.
        per_minute: Requests per minute; None for no limit.
        budget: Cost from which no further question is asked, in the currency of the prices. Up to
            `concurrency` pending answers still arrive.
        price_in: Cost of a million request tokens.
        price_out: Cost of a million answer tokens.
    """

    concurrency: int
    per_minute: float | None
    budget: float | None
    price_in: float
    price_out: float

    def cost(self, log: AnswerLog) -> float:
        """Return the cost of the replies so far."""
        return (log.tokens_in * self.price_in + log.tokens_out * self.price_out) / 1e6

    def is_spent(self, log: AnswerLog) -> bool:
        """Return whether the budget allows no further request."""
        return self.budget is not None and self.cost(log) >= self.budget


@dataclass(frozen=True, slots=True)
class Request:
    """One question.

    Attributes:
        dataset: The dataset's key.
        id: The sample's id.
        label: The annotators' label.
        file: The image's path.
        part: The part of the rows that shows it, `train` or `valid`.
    """

    dataset: str
    id: str
    label: str
    file: str
    part: str

    @property
    def key(self) -> tuple[str, str]:
        """The key of its answer."""
        return self.dataset, self.id


@dataclass(slots=True)
class Tally:
    """The outcome of the questions of one run.

    Attributes:
        answered: Questions that were answered or refused, which are not asked again.
        failed: Question -> its last error, for questions left to the next run.
        out_of_budget: Whether the budget ended the run.
        changes: How requests differ from the settings, since the model rejects some of them.
    """

    answered: int = 0
    failed: dict[tuple[str, str], str] = field(default_factory=dict)
    out_of_budget: bool = False
    changes: list[str] = field(default_factory=list)


Report = Callable[[Tally, AnswerLog], None]
"""Shows the progress after each question that was answered or given up."""


def ask_all(
    questions: Iterator[Request], teacher: Teacher, pace: Pace, log: AnswerLog, report: Report
) -> Tally:
    """Ask every question that has no answer in the log, which receives each as it arrives.

    Questions are consumed a few at a time.

    Raises:
        PreparationError: The openai client is not installed, the endpoint rejects the key or the
            model, or it does not answer.
    """
    return asyncio.run(_Run(questions, teacher, pace, log, report).run())


@dataclass
class _Run:
    _questions: Iterator[Request]
    _teacher: Teacher
    _pace: Pace
    _log: AnswerLog
    _report: Report
    _tally: Tally = field(default_factory=Tally)
    _failures_in_a_row: int = 0
    _next_start: float = 0.0

    def __post_init__(self) -> None:
        self._parameters: dict[str, Any] = {
            "max_tokens": self._teacher.max_tokens,
            "temperature": self._teacher.temperature,
        }

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
            # Retries happen in `_ask`, which also retries broken answers.
            max_retries=0,
        ) as client:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._pace.concurrency):
                        group.create_task(self._work(client))
            except* (PreparationError, OSError) as errors:
                raise errors.exceptions[0] from None
        return self._tally

    async def _work(self, client: AsyncOpenAI) -> None:
        for asked in self._questions:
            if not self._log.needs_asking(asked.key, self._teacher.max_tokens):
                continue
            try:
                answer = await self._ask(client, asked)
                if answer is None:
                    self._tally.out_of_budget = True
                    return
                self._log.append(answer)
                self._check_usage(answer)
            except _GivenUpError as error:
                self._tally.failed[asked.key] = str(error)
                self._failures_in_a_row += 1
                if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
                    raise PreparationError(
                        f"{self._failures_in_a_row} questions in a row got no answer, the last one "
                        f"because: {error}; what was answered is kept, the same command continues"
                    ) from None
            else:
                self._tally.answered += 1
                self._failures_in_a_row = 0
            self._report(self._tally, self._log)

    async def _ask(self, client: AsyncOpenAI, asked: Request) -> LoggedAnswer | None:
        """Ask until there is an answer; None if the budget is spent before.

        Raises:
            _GivenUpError: There is none after all tries, or the error is final.
            PreparationError: No question can be answered.
        """
        import openai

        messages = _messages(asked, self._teacher.mode)
        tries = 0
        while True:
            await self._wait_for_a_turn()
            if self._pace.is_spent(self._log):
                return None
            sent = dict(self._parameters)
            try:
                completion = await client.chat.completions.create(
                    model=self._teacher.model, messages=messages, **sent
                )
                answer = self._answer(asked, completion)
                if answer.ending is not Ending.EMPTY:
                    return answer
                self._log.append(answer)
                raise ReplyError(answer.response)
            except (openai.AuthenticationError, openai.NotFoundError) as error:
                raise PreparationError(f"the teacher cannot be asked: {error}") from None
            # A server that breaks off sends broken JSON, whose error the client passes on.
            except (openai.APIError, ReplyError, ValueError) as error:
                if is_refusal(error):
                    return self._logged(asked, str(error), Ending.REFUSED)
                status = getattr(error, "status_code", None)
                # Either may name a parameter that the model rejects.
                if status in (400, 422) and self._adapt(sent, error):
                    continue
                tries += 1
                # The same request would fail again.
                if tries == self._teacher.max_tries or status in (400, 403, 413, 422):
                    raise _GivenUpError(f"{type(error).__name__}: {error}") from None
                await asyncio.sleep(_delay(error, tries, self._teacher.backoff_s))

    def _adapt(self, sent: Mapping[str, Any], error: Exception) -> bool:
        """Drop or rename the parameter that the model rejects, for all further requests.

        Returns:
            Whether the next request differs from the rejected one.
        """
        for name, replacement in _REPLACEMENTS.items():
            if name in self._parameters and _refuses(error, name):
                value = self._parameters.pop(name)
                if replacement is not None:
                    self._parameters[replacement] = value
                self._tally.changes.append(
                    f"{self._teacher.model} takes no {name}; "
                    + (f"{replacement} is sent" if replacement else "its own default holds")
                )
        return self._parameters != sent

    def _answer(self, asked: Request, completion: Any) -> LoggedAnswer:
        """Read a completion.

        Raises:
            ReplyError: It is an error, or cannot be read and was not billed.
        """
        usage = getattr(completion, "usage", None)
        tokens_in = getattr(usage, "prompt_tokens", 0) or 0
        tokens_out = getattr(usage, "completion_tokens", 0) or 0
        try:
            reply = parse_reply(completion)
        except ReplyError as error:
            if is_refusal(error):
                return self._logged(asked, str(error), Ending.REFUSED, tokens_in, tokens_out)
            if not tokens_in + tokens_out:
                raise
            return self._logged(asked, str(error), Ending.EMPTY, tokens_in, tokens_out)
        text = _complete_text(reply)
        if has_valid_format(text):
            ending = Ending.ANSWERED
        elif reply.ending is Ending.ANSWERED and tokens_out >= self._teacher.max_tokens:
            ending = Ending.CUT_OFF
        else:
            ending = reply.ending
        return self._logged(asked, text, ending, tokens_in, tokens_out)

    def _logged(
        self, asked: Request, text: str, ending: Ending, tokens_in: int = 0, tokens_out: int = 0
    ) -> LoggedAnswer:
        return LoggedAnswer(
            asked.dataset,
            asked.id,
            self._teacher.mode,
            self._teacher.model,
            # A proxy may answer with an error that quotes the key.
            redact_values(text),
            tokens_in,
            tokens_out,
            ending,
            self._teacher.max_tokens if ending is Ending.CUT_OFF else None,
        )

    def _check_usage(self, answer: LoggedAnswer) -> None:
        billed = answer.tokens_in + answer.tokens_out
        if self._pace.budget is not None and answer.ending is Ending.ANSWERED and not billed:
            raise PreparationError(
                "the endpoint does not report the tokens of its answers, so --budget cannot be "
                "kept; without --budget the same command continues from the answers so far"
            )

    async def _wait_for_a_turn(self) -> None:
        if self._pace.per_minute is not None:
            now = asyncio.get_running_loop().time()
            start = max(now, self._next_start)
            self._next_start = start + 60 / self._pace.per_minute
            await asyncio.sleep(start - now)


class _GivenUpError(Exception):
    """A question gets no answer in this run."""


def _complete_text(reply: Reply) -> str:
    """Return an answer as the model wrote it, with the parts that the server took out.

    A template may open the think block before the answer begins, and a server that finds no end of
    the thinking treats everything as thinking.
    """
    text = reply.text
    if reply.ending is Ending.EMPTY and _ANSWER_CLOSED in reply.thinking:
        text = reply.thinking
        if _THINK_CLOSED not in text:
            thoughts, _, answer = text.rpartition(_ANSWER)
            text = f"{thoughts}{_THINK_CLOSED}\n{_ANSWER}{answer}"
    head, closed, _ = text.partition(_THINK_CLOSED)
    return f"{_THINK}{text}" if closed and _THINK not in head else text


def _refuses(error: Exception, parameter: str) -> bool:
    """Return whether a server's error says that the model rejects a parameter."""
    named = getattr(error, "param", None)
    names_it = named == parameter if named in _REPLACEMENTS else parameter in str(error)
    return names_it and _UNSUPPORTED.search(str(error)) is not None


def _delay(error: Exception, tries: int, backoff_s: float) -> float:
    """Return the seconds to wait: as the server asks, else exponential backoff with jitter."""
    from openai import APIStatusError

    headers = error.response.headers if isinstance(error, APIStatusError) else {}
    try:
        return min(float(headers["retry-after"]), 60.0)
    except (KeyError, ValueError):
        return backoff_s * float(2 ** (tries - 1)) * random.uniform(0.5, 1.0)


def _messages(asked: Request, mode: Mode) -> Any:
    text = question(label_space(asked.dataset).labels)
    if mode is Mode.HINTED:
        text += _HINT.format(label=asked.label)
    content = [
        {"type": "image_url", "image_url": {"url": _data_url(asked.file)}},
        {"type": "text", "text": text},
    ]
    return [{"role": "user", "content": content}]


def _data_url(path: str) -> str:
    """Return the image as the student will see it, as a data URL."""
    try:
        return f"data:image/png;base64,{as_png(Path(path))}"
    except UNDECODABLE as error:
        raise PreparationError(
            f"{path} cannot be read ({error}); if the images have moved: unifer-data rebase"
        ) from None
