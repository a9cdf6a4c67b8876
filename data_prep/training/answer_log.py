"""The answers of a teacher, one JSON line each, written as they arrive.

Replies without an answer are billed as well, so `empty.jsonl`, beside the answers, keeps them.
See `unifer_tasks.support.journal` for what a kill can lose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import xxhash

from data_prep.support.errors import PreparationError, brief
from unifer_tasks.harness.requests.replies import Ending
from unifer_tasks.support.journal import Journal
from unifer_tasks.support.records import parse_json, record


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One billed reply, or a refusal.

    Attributes:
        dataset: The dataset's key.
        id: The sample's id.
        mode: What the teacher was told.
        teacher: The model.
        response: Its complete answer, or why there is none.
        tokens_in: Tokens of the request, 0 if the server did not report them.
        tokens_out: Tokens of the answer.
        ending: How the reply ended; an empty one answers no question.
        max_tokens: The limit that cut the answer off; None if none did.
    """

    dataset: str
    id: str
    mode: str
    teacher: str
    response: str
    tokens_in: int
    tokens_out: int
    ending: Ending = Ending.ANSWERED
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if min(self.tokens_in, self.tokens_out, self.max_tokens or 0) < 0:
            raise ValueError("counts less than no tokens")

    @property
    def key(self) -> tuple[str, str]:
        """The key of the question."""
        return self.dataset, self.id


EMPTY_NAME = "empty.jsonl"


class AnswerLog:
    """The answers of one teacher in one mode. In memory it keeps file positions, not texts.

    Attributes:
        path: The file.
        tokens_in: Tokens of all billed requests, including those without an answer.
        tokens_out: Tokens of all replies.
    """

    def __init__(self, path: Path, mode: str, teacher: str) -> None:
        """Open or create the file.

        Raises:
            BusyError: Another run is writing it.
            PreparationError: It holds answers of another teacher or mode, or a broken line.
        """
        self.path = path
        self.tokens_in = self.tokens_out = 0
        self._place_of: dict[tuple[str, str], int] = {}
        self._cut_off_at: dict[tuple[str, str], int] = {}
        self._journal = Journal(path)
        self._empty: Journal | None = None
        try:
            for answer, place in self._read(self._journal, mode, teacher):
                self._add(answer, place)
            if (empty := path.with_name(EMPTY_NAME)).exists():
                self._empty = Journal(empty)
                for reply, _ in self._read(self._empty, mode, teacher):
                    self._bill(reply)
        except BaseException:
            self._close()
            raise

    def _read(
        self, journal: Journal, mode: str, teacher: str
    ) -> Iterator[tuple[LoggedAnswer, int]]:
        place = 0
        for number, line in enumerate(journal.lines(), start=1):
            answer = _parse(line, f"{journal.path}, line {number}")
            if (answer.mode, answer.teacher) != (mode, teacher):
                raise PreparationError(
                    f"{journal.path} holds answers of {answer.teacher} ({answer.mode}), not of "
                    f"{teacher} ({mode}); choose another folder"
                )
            yield answer, place
            place += len(line)

    def __enter__(self) -> AnswerLog:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def _close(self) -> None:
        self._journal.close()
        if self._empty is not None:
            self._empty.close()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._place_of

    def __len__(self) -> int:
        return len(self._place_of)

    def needs_asking(self, key: tuple[str, str], max_tokens: int) -> bool:
        """Return whether a question has no answer, or one that was cut off at a lower limit."""
        return key not in self or self._cut_off_at.get(key, max_tokens) < max_tokens

    @property
    def digest(self) -> str:
        """A digest of the answers, independent of their order."""
        whole = 0
        for line in self._journal.lines():
            whole ^= xxhash.xxh3_128_intdigest(line)
        return f"{whole:032x}"

    def get(self, key: tuple[str, str]) -> LoggedAnswer | None:
        """Return the answer to a question; None if there is none yet.

        Raises:
            PreparationError: The file was changed meanwhile, so another answer is at that position.
        """
        place = self._place_of.get(key)
        if place is None:
            return None
        answer = _parse(self._journal.line_at(place), f"{self.path}, byte {place}")
        if answer.key != key:
            raise PreparationError(
                f"{self.path} was changed during this run: the answer to {key[1]} is not where it "
                "was written; run the same command again, without another run beside it"
            )
        return answer

    def append(self, answer: LoggedAnswer) -> None:
        """Write a reply; it replaces only an answer that was cut off."""
        if answer.ending is Ending.EMPTY:
            if self._empty is None:
                self._empty = Journal(self.path.with_name(EMPTY_NAME))
            self._empty.append(asdict(answer))
            self._bill(answer)
            return
        if answer.key in self and answer.key not in self._cut_off_at:
            return
        self._add(answer, self._journal.append(asdict(answer)))

    def _add(self, answer: LoggedAnswer, place: int) -> None:
        key = answer.key
        if key in self and key not in self._cut_off_at:
            return
        self._bill(answer)
        self._place_of[key] = place
        self._cut_off_at.pop(key, None)
        if answer.max_tokens is not None:
            self._cut_off_at[key] = answer.max_tokens

    def _bill(self, reply: LoggedAnswer) -> None:
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out


def _parse(line: bytes, where: str) -> LoggedAnswer:
    try:
        content = parse_json(line)
        if isinstance(content, dict):
            content["ending"] = Ending(content.get("ending", Ending.ANSWERED))
        return record(LoggedAnswer, content, closed=True)
    except ValueError as error:
        raise PreparationError(
            f"{where} is not a logged answer ({brief(error)}); remove the line to ask again"
        ) from None
