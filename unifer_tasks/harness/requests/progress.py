"""The progress of a run: a small file that its process writes and `ferbench run` shows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from unifer_tasks.harness.requests.answer_log import LoggedAnswer
from unifer_tasks.support.files import atomic_write
from unifer_tasks.support.records import FileError, RecordError, read_json, record

_NAME = "progress.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a model's questions.

    Attributes:
        total: Questions of the run.
        answered: Of these, answered, now or in an earlier run.
        reused: Of the answered, those of an earlier run.
        failed: Asked now without an answer; the next run asks them again.
        tokens_in: Tokens of the requests behind all answers, 0 where the back end does not say.
        tokens_out: Tokens of these answers.
    """

    total: int
    answered: int = 0
    reused: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def with_answer(self, answer: LoggedAnswer, *, reused: bool = False) -> Progress:
        """Return the progress after one more answer."""
        return replace(
            self,
            answered=self.answered + 1,
            reused=self.reused + reused,
            tokens_in=self.tokens_in + answer.tokens_in,
            tokens_out=self.tokens_out + answer.tokens_out,
        )

    def with_failure(self) -> Progress:
        """Return the progress after one more failure."""
        return replace(self, failed=self.failed + 1)


def write_progress(folder: Path, progress: Progress) -> None:
    """Write the folder's progress file."""
    with atomic_write(folder / _NAME) as partial:
        partial.write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")


def read_progress(folder: Path) -> Progress | None:
    """Return the progress that is in a folder; None before the first question.

    Raises:
        FileError: The file is damaged.
    """
    path = folder / _NAME
    try:
        return record(Progress, read_json(path))
    except FileNotFoundError:
        return None
    except RecordError as error:
        raise FileError(f"{path} {error}; remove it, and run again to continue") from None


def forget_progress(folder: Path) -> None:
    """Remove the progress of an earlier run."""
    (folder / _NAME).unlink(missing_ok=True)
