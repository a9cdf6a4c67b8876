"""The rationales of an earlier run, after which `ferbench_rationale` forces answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from unifer_tasks.data.headings import variant_of
from unifer_tasks.data.logs import Log, find_log, logs_of_one_run, task_of_log
from unifer_tasks.data.manifest import data_root, read_manifest
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.data.results_file import RESULTS
from unifer_tasks.data.sample_logs import Responses, read_responses
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.forced import Beginnings, Said, beginnings
from unifer_tasks.protocol.variants.listed import BASE, TASKS


def read_rationales(source: str) -> Mapping[tuple[str, str], Beginnings]:
    """Return how the forced replies to each question begin, by dataset and id.

    Args:
        source: What the model answered to `ferbench`: an lmms-eval output folder, the results
            file of one run, a sample log or a prediction file. Of a question that was asked
            several times the first answer counts.

    Raises:
        PredictionError: It cannot be read, is of several models, or holds no rationale.
    """
    from loguru import logger

    said: defaultdict[str, list[Said]] = defaultdict(list)
    for (dataset, id_, _), responses in _responses(_path(source)).items():
        label = BASE.read(responses[0], dataset).label
        said[dataset].append(Said(id_, responses[0], label))
    found = {
        (dataset, id_): own
        for dataset, part in said.items()
        for id_, own in beginnings(part).items()
    }
    if lacking := sum(len(own.texts) == 1 for own in found.values()):
        if lacking == len(found):
            raise PredictionError(
                f"rationales={source} holds no rationale: each of its {lacking:,} answers is a "
                "bare one or failed"
            )
        logger.warning(
            f"{lacking:,} of {len(found):,} answers in {source} have no rationale; their answers "
            "are forced without one and left out of the comparison"
        )
    return found


def forced_tasks(backend: str, tasks: Iterable[str]) -> list[str]:
    """Return the tasks that need the rationales of an earlier run.

    Args:
        backend: A model id; a log that is replayed holds the forced answers themselves.
        tasks: Names of tasks and groups.
    """
    return [name for name in tasks if backend != "replay" and variant_of(name).forces]


def check_rationales(source: str, pretrained: str, asked: Mapping[str, int]) -> None:
    """Check that an earlier run is one of the same model, on the same data, and long enough.

    Args:
        source: As for `read_rationales`.
        pretrained: The model that is to be asked.
        asked: Task -> how many of its questions are to be asked (`selection.question_counts`).

    Raises:
        PredictionError: It is not.
        DataError: The data is absent or damaged.
    """
    from loguru import logger

    path = _path(source)
    wanted = {TASKS[task][1]: n for task, n in asked.items()}
    logs = _logs(path)
    if not logs:
        logger.warning(f"rationales={source} does not say which model wrote them")
    for log in logs:
        if not _is_same(log.model, pretrained):
            raise PredictionError(
                f"rationales={source} is a run of {log.model}, and pretrained={pretrained}: "
                "name a run of the same model"
            )
    files = read_manifest(data_root()).datasets
    for log in logs:
        recorded, file = log.sha256.get(log.dataset), files.get(log.dataset)
        if log.dataset in wanted and recorded and file and recorded != file.sha256:
            raise PredictionError(
                f"rationales={source} is a run on other data of {log.dataset} (sha256 "
                f"{recorded[:12]}, here {file.sha256[:12]}): run ferbench on this data first"
            )
    held = Counter(dataset for dataset, _, _ in _responses(path))
    for dataset, n in wanted.items():
        if held[dataset] < n:
            raise PredictionError(
                f"rationales={source} has {held[dataset]:,} of the {n:,} questions of "
                f"{LABEL_SPACES[dataset].title} that are asked: run ferbench on all of them "
                "first, or give the same --tasks, --limit and --offset"
            )


def _path(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.exists():
        raise PredictionError(
            f"rationales={source} does not exist; name the --output_path of this model's run of "
            "ferbench with --log_samples"
        )
    return path


def _responses(path: Path) -> Responses:
    """Return the responses of a source, read once for its check and its use."""
    files = sorted(filter(Path.is_file, path.rglob("*") if path.is_dir() else [path]))
    stats = [(str(file), file.stat()) for file in files]
    return _read(path, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


@lru_cache(maxsize=1)
def _read(path: Path, _state: tuple[tuple[str, int, int], ...]) -> Responses:
    from loguru import logger

    return read_responses(path, BASE, logger.warning)


def _logs(path: Path) -> Collection[Log]:
    """Return the logs of a source; none of a prediction file."""
    if path.is_dir() or path.match(RESULTS):
        return logs_of_one_run(path, BASE)[0].values()
    return [find_log(path)] if task_of_log(path) in TASKS else []


def _is_same(a: str, b: str) -> bool:
    return a == b or Path(a).expanduser().resolve() == Path(b).expanduser().resolve()
