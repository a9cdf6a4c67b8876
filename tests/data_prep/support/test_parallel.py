from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from data_prep.support.errors import PreparationError
from data_prep.support.parallel import batches, ordered_map
from tests.machine import ends


def slow_square(number: int) -> int:
    time.sleep(0.002 * (number % 7))
    return number * number


def failing(number: int) -> int:
    if number == 40:
        raise ValueError("forty")
    return number


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 16, 17, 200])
def test_results_come_in_the_items_order(jobs: int, n: int) -> None:
    assert list(ordered_map(slow_square, range(n), jobs)) == [i * i for i in range(n)]


def test_items_are_not_taken_far_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    for done, _ in enumerate(ordered_map(slow_square, items(), 2, chunk=4), start=1):
        assert taken - done <= 4 * 6
        if done == 300:
            break


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_ends_the_map(jobs: int) -> None:
    with pytest.raises(ValueError, match="forty"):
        list(ordered_map(failing, range(100), jobs))


def test_batches() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches([], 2)) == []


WORKERS = """
import os, time
from data_prep.support.parallel import ordered_map

def who(number):
    time.sleep(0.05)
    return os.getpid()

print(*{pid for pid in ordered_map(who, range(8), 2, chunk=1)}, flush=True)
for _ in ordered_map(who, iter(int, 1), 2, chunk=1):
    print(_, flush=True)
"""


def test_workers_end_with_a_parent_that_was_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", WORKERS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    workers = {int(process.stdout.readline()) for _ in range(20)}
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all(map(ends, workers))


def test_a_killed_process_is_a_sentence() -> None:
    with pytest.raises(PreparationError, match="was killed, most likely for lack of memory"):
        list(ordered_map(kill_itself, range(9), 2, chunk=1))


def kill_itself(item: int) -> int:
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item
