"""A line after which nothing more comes is known by its form, and no other line is."""

from __future__ import annotations

import pytest

from recipes.training.launch.fatal import find_failure, more_telling

MEMORY = "the machine's memory was full"
DIED = "a worker died"

# As ray 2.60.0 printed it to a driver whose actor it had killed, and one whose actor had died.
OOM_RAISED = (
    "ray.exceptions.OutOfMemoryError: 1 worker(s) were killed due to the node running low on "
    "memory. Memory on the node (IP: 192.0.2.2, ID: f09b25) was 2.06GB used / 23.54GB limit"
)
DIED_RAYLET = (
    "\x1b[33m(raylet)\x1b[0m A worker died or was killed while executing a task by an unexpected "
    "system error. To troubleshoot the problem, check the logs for the dead worker. Lease ID: 0000"
)
# From the raylet's binary.
OOM_RAYLET = (
    "(raylet) 1 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed "
    "due to other reasons at node (ID: f09b25, IP: 192.0.2.2) over the last time period."
)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (OOM_RAISED, MEMORY),
        (f"(TaskRunner pid=4571) {OOM_RAISED}", MEMORY),
        (OOM_RAYLET, MEMORY),
        # As in the log of ray 2.60.0's raylet.
        (
            "[2026-11-27 00:43:47,926 E 11347 11347] (raylet) node_manager.cc:3517: 1 Workers "
            "(tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other "
            "reasons at node (ID: 740d80, IP: 192.0.2.2) over the last time period.",
            MEMORY,
        ),
        (OOM_RAYLET.replace("(raylet)", "\x1b[33m(raylet, ip=10.0.0.2)\x1b[0m"), MEMORY),
        (OOM_RAYLET.removeprefix("(raylet) "), MEMORY),
        (
            "(raylet) [2026-11-26 23:20:00,000 E 1 1] 2 Workers (tasks / actors) killed due to "
            "memory pressure (OOM), 1 Workers crashed due to other reasons at node",
            MEMORY,
        ),
        ("killed due to memory pressure (OOM)", MEMORY),
        (
            "(raylet) 0 Workers (tasks / actors) killed due to memory pressure (OOM), "
            "1 Workers crashed due to other reasons at node (ID: f09b25)",
            DIED,
        ),
        (DIED_RAYLET, DIED),
        (
            "(raylet) Worker unexpectedly exits with a connection error code 2. End of file.",
            DIED,
        ),
        (
            "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this",
            DIED,
        ),
        ("ray.exceptions.RayTaskError(ActorDiedError): ray::TaskRunner.run() (pid=1)", DIED),
        ("ray.exceptions.WorkerCrashedError: The worker died unexpectedly", DIED),
        ("(WorkerDict pid=9) *** SIGSEGV received at time=1732662000 on cpu 3 ***", DIED),
        ("(WorkerDict pid=9) Fatal Python error: Segmentation fault", DIED),
        (
            "(raylet) The node with node id: 3f and address: 10.0.0.2 and node name: 10.0.0.2 has "
            "been marked dead because the detector has missed too many heartbeats from it.",
            "lost a machine",
        ),
        ("(raylet) Raylet is terminated. Termination is unexpected.", "lost a machine"),
        ("ray.exceptions.NodeDiedError: Task failed due to the node dying.", "lost a machine"),
        (
            "(WorkerDict pid=9, ip=10.0.0.2) torch.OutOfMemoryError: CUDA out of memory. Tried to "
            "allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
            "a GPU's memory was full",
        ),
        ("[rank1]: torch.cuda.OutOfMemoryError: CUDA out of memory.", "a GPU's memory was full"),
        ("RuntimeError: CUDA error: out of memory", "a GPU's memory was full"),
        ("torch.AcceleratorError: CUDA error: an illegal memory access", "a GPU failed"),
        (
            "(WorkerDict pid=9) [rank3]:[E1126 23:00:00.000 ProcessGroupNCCL.cpp:683] [Rank 3] "
            "Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLGATHER)",
            "waited in vain",
        ),
        (
            "[rank0]:[E1126 23:00:00.000000 ProcessGroupNCCL.cpp:683] [PG ID 0 PG GUID 0 Rank 0] "
            "Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7)",
            "waited in vain",
        ),
        ("OSError: [Errno 28] No space left on device", "a disk was full"),
        (
            "(WorkerDict pid=9) OSError: [Errno 28] No space left on device: '/run/optim.pt'",
            "a disk was full",
        ),
        ("(raylet) Out of disk space with fallocate error: /tmp/ray", "a disk was full"),
        ("ray.exceptions.OutOfDiskError: The object cannot be created", "a disk was full"),
        (
            "ERROR: Unexpected bus error encountered in worker. This might be caused by "
            "insufficient shared memory (shm).",
            "shared memory was full",
        ),
        ("(vLLMHttpServer pid=9) *** SIGBUS received at time=1 on cpu 3 ***", "shared memory"),
        # As vLLM 0.24.0 printed it on an H100.
        (
            "\x1b[36m(vLLMHttpServer pid=15290)\x1b[0m (EngineCore pid=15948) ERROR 11-27 22:54:35 "
            "[core.py:1231] RuntimeError: Worker failed with error 'Error in memory profiling. "
            "Initial free memory 49.26 GiB, current free memory 61.15 GiB. This happens when other",
            "another process freed memory of the GPU while vLLM measured it",
        ),
        # From its sources.
        (
            "(EngineCore pid=9) ERROR 11-27 22:54:35 [core.py:1231] ValueError: Free memory on "
            "device cuda:0 (20.1/79.2 GiB) on startup is less than desired GPU memory utilization "
            "(0.6, 47.5 GiB). Decrease GPU memory utilization or reduce GPU memory used by other",
            "vLLM found less of the GPU free than its share",
        ),
        (
            "ValueError: No available memory for the cache blocks. Try increasing",
            "vLLM's share of the GPU leaves too little for its cache",
        ),
        (
            "ValueError: To serve at least one request with the model's max seq len (2048), "
            "(0.11 GiB KV cache is needed, which is larger than the available KV cache memory",
            "vLLM's share of the GPU leaves too little for its cache",
        ),
        (
            "(vLLMHttpServer pid=9) (EngineCore_DP0 pid=11) ERROR 11-26 23:20:09 [core.py:1233] "
            "EngineCore encountered a fatal error.",
            "vLLM's engine died",
        ),
        (
            "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack "
            "trace (above) for the root cause.",
            "vLLM's engine died",
        ),
        (
            "ERROR 11-26 23:20:09 [multiproc_executor.py:285] Worker proc VllmWorker-1 died "
            "unexpectedly, shutting down executor.",
            "vLLM's engine died",
        ),
        (
            "E1126 23:00:00.000000 123 torch/distributed/elastic/multiprocessing/api.py:987] "
            "failed (exitcode: -9) local_rank: 0 (pid: 130) of binary: /venv/bin/python",
            "killed a process of the trainer",
        ),
    ],
)
def test_a_fatal_line_is_known(line: str, reason: str) -> None:
    failure = find_failure(line + "\n")
    assert failure is not None
    assert reason in failure.reason
    assert failure.remedy


@pytest.mark.parametrize(
    "line",
    [
        "(AgentLoop pid=3) the response says Error in memory profiling.",
        "",
        "step:12 - training/rollout_actor_probs_pearson_corr:0.99999",
        # A response in a log, and other quotations.
        "(AgentLoopWorker pid=7) [response] <think>killed due to memory pressure (OOM)</think>",
        "[response] <think>No space left on device, says the face.</think>",
        f"<think>As in: {OOM_RAISED}</think>",
        f"(RewardLoopWorker pid=7) <answer>{DIED_RAYLET}</answer>",
        "INFO 11-26 23:20:09 [core.py:91] Initializing a V1 LLM engine",
        # The trouble is not there yet, or is another's.
        "(raylet) 0 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers "
        "crashed due to other reasons at node (ID: f09b25)",
        "(raylet) [2026-11-26 23:20:00,000 E 1 1] (raylet) file_system_monitor.cc:116: /tmp/ray is "
        "over 95% full, available space: 31 GB; capacity: 1000 GB. Object creation will fail if "
        "spilling is required.",
        "WARNING: RAY_memory_usage_threshold decides which are killed due to memory pressure",
        "ray.exceptions.ActorUnavailableError: The actor is temporarily unavailable",
        "ray.exceptions.RayTaskError(ValueError): ray::TaskRunner.run() (pid=1)",
        "UserWarning: CUDA out of memory is likely",
    ],
)
def test_another_line_is_not(line: str) -> None:
    assert find_failure(line) is None


def test_the_cause_tells_more_than_what_follows_from_it() -> None:
    died, memory = find_failure(DIED_RAYLET), find_failure(OOM_RAYLET)
    assert more_telling(died, memory) is more_telling(memory, died) is memory
    assert more_telling(None, died) is died
    assert more_telling(died, find_failure(DIED_RAYLET)) is died
