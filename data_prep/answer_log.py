"""A teacher's answers, one JSON line each, written as they arrive.

See `unifer_tasks.journal` for what a kill can lose.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import xxhash

from data_prep.errors import PreparationError
from unifer_tasks.journal import Journal


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer.

    Attributes:
        dataset: The dataset's key.
        id: The sample's id.
        mode: What the teacher knew.
        teacher: The model.
        response: Its whole answer.
        tokens_in: Tokens of the request, 0 if the server did not say.
        tokens_out: Tokens of the answer.
    """

    dataset: str
    id: str
    mode: str
    teacher: str
    response: str
    tokens_in: int
    tokens_out: int


class AnswerLog:
    """The answers of one teacher in one mode. Holds a place in the file an answer, no text.

    Attributes:
        path: The file.
        tokens_in: Tokens of all requests answered.
        tokens_out: Tokens of all answers.
    """

    def __init__(self, path: Path, mode: str, teacher: str) -> None:
        """Opens the file, or starts it.

        Raises:
            BusyError: Another run is writing it.
            PreparationError: It holds answers of another teacher or mode, or a broken line.
        """
        self.path = path
        self.tokens_in = self.tokens_out = 0
        self._place_of: dict[tuple[str, str], int] = {}
        self._journal = Journal(path)
        try:
            self._read(mode, teacher)
        except BaseException:
            self._journal.close()
            raise

    def _read(self, mode: str, teacher: str) -> None:
        place = 0
        for number, line in enumerate(self._journal.lines(), start=1):
            answer = self._parse(line, f"line {number}")
            if (answer.mode, answer.teacher) != (mode, teacher):
                raise PreparationError(
                    f"{self.path} holds answers of {answer.teacher} ({answer.mode}), not of "
                    f"{teacher} ({mode}); choose another folder"
                )
            self._add(answer, place)
            place += len(line)

    def __enter__(self) -> AnswerLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._journal.close()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._place_of

    def __len__(self) -> int:
        return len(self._place_of)

    @property
    def digest(self) -> str:
        """Of the answers and nothing of the order in which they came."""
        whole = 0
        for line in self._journal.lines():
            whole ^= xxhash.xxh3_128_intdigest(line)
        return f"{whole:032x}"

    def get(self, key: tuple[str, str]) -> LoggedAnswer | None:
        """Return the answer to a question; None if there is none yet.

        Raises:
            PreparationError: The file was changed meanwhile, and holds another answer there.
        """
        place = self._place_of.get(key)
        if place is None:
            return None
        answer = self._parse(self._journal.line_at(place), f"byte {place}")
        if (answer.dataset, answer.id) != key:
            raise PreparationError(
                f"{self.path} was changed while this run was at work: the answer to {key[1]} is "
                "not where it was written; run the same command again, by itself"
            )
        return answer

    def append(self, answer: LoggedAnswer) -> None:
        """Writes an answer; a second one to the same question is dropped."""
        if (answer.dataset, answer.id) in self:
            return
        self._add(answer, self._journal.append(asdict(answer)))

    def _add(self, answer: LoggedAnswer, place: int) -> None:
        if (answer.dataset, answer.id) not in self._place_of:
            self._place_of[answer.dataset, answer.id] = place
            self.tokens_in += answer.tokens_in
            self.tokens_out += answer.tokens_out

    def _parse(self, line: bytes, where: str) -> LoggedAnswer:
        try:
            return LoggedAnswer(**json.loads(line))
        except (ValueError, TypeError):
            raise PreparationError(
                f"{self.path}, {where} is no answer; remove the line to ask again"
            ) from None
