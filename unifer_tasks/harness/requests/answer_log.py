"""A model's answers, one JSON line each, written as they arrive.

Every process of a run writes a journal of its own (`unifer_tasks.support.journal`) and reads those
of all, so the number of processes may change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from unifer_tasks.support.journal import Journal
from unifer_tasks.support.locks import BusyError
from unifer_tasks.support.records import FileError, RecordError, parse_json, record, require_file


class AnswerLogError(FileError):
    """A log cannot be used; the message says which file, why, and what to do."""


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer.

    Attributes:
        key: Digest of all that decides the answer: question, pixels, decoding, model.
        task: The lmms-eval task.
        doc_id: The question's number in it.
        text: The model's whole output.
        tokens_in: Tokens of the request, 0 where the back end does not say.
        tokens_out: Tokens of the answer, hidden reasoning included.
    """

    key: str
    task: str
    doc_id: int
    text: str
    tokens_in: int = 0
    tokens_out: int = 0


class AnswerLog:
    """The answers in a folder, those of earlier runs included.

    Attributes:
        path: The file to which this process appends.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        """Read the folder's answers and open or start this process's file.

        Args:
            folder: Made if it is not there.
            rank: The process's number.

        Raises:
            AnswerLogError: Another run is writing, or a line is broken.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"answers-{rank}.jsonl"
        try:
            self._journal = Journal(self.path)
        except BusyError as error:
            raise AnswerLogError(str(error)) from None
        self._answers: dict[str, LoggedAnswer] = {}
        for path in sorted(folder.glob("answers-*.jsonl")):
            for answer in _read(path):
                self._answers.setdefault(answer.key, answer)

    def __enter__(self) -> AnswerLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let another run write."""
        self._journal.close()

    def get(self, key: str) -> LoggedAnswer | None:
        """Return the answer to a question; None if there is none yet."""
        return self._answers.get(key)

    def append(self, answer: LoggedAnswer) -> None:
        """Write an answer; a second one to the same question is dropped."""
        if answer.key not in self._answers:
            self._journal.append(asdict(answer))
            self._answers[answer.key] = answer


def _read(path: Path) -> Iterator[LoggedAnswer]:
    try:
        require_file(path)
    except RecordError as error:
        raise AnswerLogError(f"{path} {error}; move it away") from None
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                # Another process is writing it, or was killed while it did.
                return
            try:
                yield record(LoggedAnswer, parse_json(line))
            except RecordError as error:
                raise AnswerLogError(
                    f"{path}, line {number} is not a logged answer ({error}); remove the line "
                    "to ask again"
                ) from None
