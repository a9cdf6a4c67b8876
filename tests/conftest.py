"""Fixtures that several tests share: a stand-in benchmark, a tiny model, the command lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from recipes.tiny_cpu.environment import VLLM_ENVIRONMENT
from tests.forked import Forked, serving

# A deadline would be an assertion on time, which fails on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell starts its background jobs with interrupts ignored, and commands would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Servers of the tests are on this machine, whatever the way to others.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1", "localhost"]))

REPOSITORY = Path(__file__).parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]

# One thread each: the tests run side by side.
ONE_THREAD_OFFLINE: Mapping[str, str] = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

VLLM_IN_PROCESS: Mapping[str, str] = {
    **VLLM_ENVIRONMENT,
    # Its engine and its worker would each import vLLM again, a quarter of a minute on one core.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
"""vLLM on a CPU, for tests; `distributed_executor_backend="uni"` goes with it."""

_LONGEST = (
    "cli/test_run.py",
    "tests/test_readme.py",
    "harness/test_lmms_eval.py",
    "tests/test_package.py",
    "cot/test_cot.py",
    "unifer_tasks/test_no_secrets.py",
    "qwen2_5_vl/test_methods.py",
    "outputs/test_outputs.py",
    "sources/test_archives.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; at the end, one worker would be alone with them."""
    order = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get("/".join(item.path.parts[-2:]), len(order)))


def run_command(
    command: Sequence[object],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    status: int | None = 0,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a status other than the expected one fails with its output."""
    environment = {**os.environ, **ONE_THREAD_OFFLINE, **(env or {})}
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd=cwd, capture_output=True, text=True
    )
    if status is not None and done.returncode != status:
        pytest.fail(
            f"{' '.join(map(str, command))} exited {done.returncode}, expected {status}\n"
            f"{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
        )
    return done


@pytest.fixture(scope="session")
def bin_folder() -> Path:
    """Return the folder of the installed commands."""
    return Path(sys.executable).parent


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """Commands of lmms-eval without the time that it takes to import."""
    pytest.importorskip("lmms_eval")
    caches = {"HF_DATASETS_CACHE": str(tmp_path_factory.mktemp("hf-datasets"))}
    # The path of a socket may have a hundred characters.
    with (
        TemporaryDirectory(prefix="forked", dir="/tmp") as folder,
        serving(Path(folder), {**VLLM_IN_PROCESS, **ONE_THREAD_OFFLINE, **caches}) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def index_folder() -> Path:
    """Return the published question files; the tests that compare with them skip without."""
    value = os.environ.get("FERBENCH_INDEX")
    if not value:
        pytest.skip("FERBENCH_INDEX names no folder with the published question files")
    return Path(value)


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory, bin_folder: Path) -> Path:
    """Draw a benchmark folder with two synthetic faces for each label."""
    out = tmp_path_factory.mktemp("stand-in") / "data"
    run_command([bin_folder / "unifer-data", "drawn", "--out", out, "--per-class", "2"])
    return out


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an untrained Qwen2.5-VL checkpoint."""
    from unifer_tasks.harness.models.tiny import write_tiny_model

    out = tmp_path_factory.mktemp("tiny") / "model"
    write_tiny_model(out)
    return out


@pytest.fixture(scope="session")
def seeing_model() -> Path:
    """Return the tiny checkpoint trained on synthetic faces: what it says is never a near tie."""
    return REPOSITORY / "recipes" / "tiny_cpu" / "checkpoint"
