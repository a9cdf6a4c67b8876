"""A teacher's answers, one JSON line each, written as they arrive.

A line is written by one call, so a kill loses what was not answered and nothing else. What a crash
of the machine leaves of a last line is cut off when the file is opened again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import xxhash

from data_prep.errors import PreparationError


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
            PreparationError: It holds answers of another teacher or mode, or a broken line.
        """
        self.path = path
        self.tokens_in = self.tokens_out = 0
        self._place_of: dict[tuple[str, str], int] = {}
        self._file = path.open("a+b", buffering=0)
        self._cut_off_a_half_line()
        self._file.seek(0)
        place = 0
        # Another handle, since the one for appending is not buffered.
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                answer = self._parse(line, number)
                if (answer.mode, answer.teacher) != (mode, teacher):
                    raise PreparationError(
                        f"{path} holds answers of {answer.teacher} ({answer.mode}), not of "
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
        self._file.close()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._place_of

    def __len__(self) -> int:
        return len(self._place_of)

    @property
    def digest(self) -> str:
        """Of the answers and nothing of the order in which they came."""
        whole = 0
        with self.path.open("rb") as lines:
            for line in lines:
                whole ^= xxhash.xxh3_128_intdigest(line)
        return f"{whole:032x}"

    def get(self, key: tuple[str, str]) -> LoggedAnswer | None:
        """Reads the answer to a question; None if there is none yet."""
        place = self._place_of.get(key)
        if place is None:
            return None
        with self.path.open("rb") as file:
            file.seek(place)
            return self._parse(file.readline(), 0)

    def append(self, answer: LoggedAnswer) -> None:
        """Writes an answer; a second one to the same question is dropped."""
        if (answer.dataset, answer.id) in self:
            return
        place = os.fstat(self._file.fileno()).st_size
        self._file.write((json.dumps(asdict(answer)) + "\n").encode())
        self._add(answer, place)

    def _add(self, answer: LoggedAnswer, place: int) -> None:
        if (answer.dataset, answer.id) not in self._place_of:
            self._place_of[answer.dataset, answer.id] = place
            self.tokens_in += answer.tokens_in
            self.tokens_out += answer.tokens_out

    def _parse(self, line: bytes, number: int) -> LoggedAnswer:
        try:
            return LoggedAnswer(**json.loads(line))
        except (ValueError, TypeError):
            raise PreparationError(
                f"{self.path}, line {number} is no answer; remove the line to ask again"
            ) from None

    def _cut_off_a_half_line(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        end = size
        while end:
            start = max(0, end - 4096)
            self._file.seek(start)
            found = self._file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            self._file.truncate(end)
