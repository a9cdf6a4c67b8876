"""Lines of a trainer's log after which nothing more comes, although verl keeps running.

verl 0.9.1 waits without a limit for a worker that ray, the kernel or vLLM has ended. The line that
says so is in its log. Each pattern holds the literal text of the program that prints it (ray
2.60.0, vLLM 0.24.0, torch 2.11.0), where that program prints it: at the start of the line, after
the names of the processes that it passed through. A response that quotes such a line is not one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Of ray, `(WorkerDict pid=7, ip=10.0.0.2) `; of vLLM, within it, `(EngineCore_DP0 pid=9) `; of
# torchrun, `[rank0]: `; of vLLM's logger, `ERROR 11-26 23:20:09 [core.py:1233] `.
_PASSED = re.compile(
    r"(?:\([^()]*\bpid=\d+[^()]*\)\s*|\[(?:default|rank)\d+\]:\s*"
    r"|(?:WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[[\w./]+:\d+\]\s*)+"
)

_RAYLET = r"(?:\[[^]]*\]\s*)?\(raylet(?:, ip=[^)]*)?\)\s.*?"
_RAY_ERROR = r"ray\.exceptions\.(?:RayTaskError\()?"

# Raised in the engine's own process, or in a worker and told by the engine.
_VLLM_ERROR = r"(?:RuntimeError: Worker failed with error '|(?:Assertion|Value)Error: )"

_HOST_MEMORY = (
    "give the machine more memory, or keep less in it: fewer reward.num_workers, "
    "actor_rollout_ref.rollout.agent.num_workers and data.dataloader_num_workers, and no "
    "*_offload=true; a cluster's limit is RAY_memory_usage_threshold, set where ray starts"
)
_GPU_MEMORY = (
    "lower actor_rollout_ref.rollout.gpu_memory_utilization and the *_max_token_len_per_gpu (SFT: "
    "data.max_token_len_per_gpu), or move state to the host: fsdp_config.param_offload=true and "
    "fsdp_config.optimizer_offload=true (SFT: engine.*)"
)
_SHARED_MEMORY = "give /dev/shm more room (docker: --shm-size=64g or --ipc=host)"
_ROOM = (
    "free or add space below the run's folder and ray's (/tmp/ray, or RAY_TMPDIR), then run again"
)
_READ = "read the lines before it in the log, and `dmesg` of the machine for a kill by the kernel"
_NODE = "look at `ray status`, `dmesg` and the network of the machines, then start the run again"


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended a run of which the trainer is still alive.

    Attributes:
        reason: What happened.
        remedy: What to do about it.
        line: The line that says so.
    """

    reason: str
    remedy: str
    line: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}. The log says: {self.line}"


@dataclass(frozen=True, slots=True)
class _Kind:
    pattern: re.Pattern[str]
    reason: str
    remedy: str


def _kind(reason: str, remedy: str, *patterns: str) -> _Kind:
    return _Kind(re.compile("|".join(f"(?:{pattern})" for pattern in patterns)), reason, remedy)


_KINDS = (
    # ray: src/ray/raylet/node_manager.cc, ReportWorkerOomKillStats and CreateOomKillMessageDetails
    _kind(
        "ray killed a worker because the machine's memory was full",
        _HOST_MEMORY,
        _RAYLET + r"(?<!\b0 Workers \(tasks / actors\) )killed due to memory pressure \(OOM\)",
        r"(?:[1-9]\d* )?[Ww]orkers?\b(?: \(tasks / actors\))? (?:was |were )?"
        r"killed due to memory pressure \(OOM\)",
        r"killed due to memory pressure \(OOM\)",
        _RAYLET + r"\bkilled due to the node running low on memory",
        r"(?:Task was|\d+ worker\(s\) were) killed due to the node running low on memory",
        r"ray\.exceptions\.OutOfMemoryError\b",
    ),
    # torch: c10/cuda/CUDACachingAllocator.cpp
    _kind(
        "a GPU's memory was full",
        _GPU_MEMORY,
        r"(?:torch\.(?:cuda\.)?OutOfMemoryError|RuntimeError): CUDA (?:error: )?out of memory",
    ),
    # CPython's strerror; ray: OutOfDiskError, "Out of disk space with fallocate error"
    _kind(
        "a disk was full",
        _ROOM,
        r"(?:\w+\.)*\w*(?:Error|Exception): .*No space left on device",
        _RAYLET + r"(?:No space left on device|[Oo]ut of disk)",
        _RAY_ERROR + r"OutOfDiskError\b",
    ),
    # torch: torch/csrc/DataLoader.cpp; ray: the signal handler of absl; CPython: faulthandler
    _kind(
        "shared memory was full",
        _SHARED_MEMORY,
        r"ERROR: Unexpected bus error encountered in worker",
        r"RuntimeError: DataLoader worker \(pid \d+\) is killed by signal: Bus error",
        r"Fatal Python error: Bus error",
        r"(?:\[[^]]*\]\s*)?\*\*\* SIGBUS received",
        r"Bus error(?: +\(core dumped\))?$",
        _RAY_ERROR + r"ObjectStoreFullError\b",
    ),
    # torch: torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp
    _kind(
        "GPUs waited in vain for one another",
        "one of them stopped or is on another path: read what each rank says before it, and try "
        "NCCL_DEBUG=INFO",
        r"(?:\[[^]]*\]:?\s*)*\[Rank \d+\] Watchdog caught collective operation timeout",
        r"(?:\[[^]]*\]:?\s*)*\[PG [^]]*Rank \d+\] Watchdog caught collective operation timeout",
        r"(?:\[[^]]*\]:?\s*)*Watchdog caught collective operation timeout",
        r"torch\.distributed\.DistBackendError: .*(?:NCCL|Watchdog)",
    ),
    # torch: c10/cuda/CUDAException.cpp
    _kind(
        "a GPU failed",
        "look at `nvidia-smi` and at `dmesg` for Xid, and leave that GPU out",
        r"(?:torch\.AcceleratorError|RuntimeError): CUDA error: ",
    ),
    # vLLM: v1/worker/utils.py, request_memory; v1/worker/gpu_worker.py; v1/core/kv_cache_utils.py
    _kind(
        "vLLM found less of the GPU free than its share",
        "end what else holds it (`nvidia-smi`), or lower "
        "actor_rollout_ref.rollout.gpu_memory_utilization",
        _VLLM_ERROR + r"Free memory on device .* is less than desired GPU memory utilization",
    ),
    _kind(
        "another process freed memory of the GPU while vLLM measured it",
        "start the run once nothing else uses that GPU",
        _VLLM_ERROR + r"Error in memory profiling\.",
    ),
    _kind(
        "vLLM's share of the GPU leaves too little for its cache",
        "raise actor_rollout_ref.rollout.gpu_memory_utilization, or lower "
        "actor_rollout_ref.rollout.max_model_len",
        _VLLM_ERROR + r"No available memory for the cache blocks\.",
        _VLLM_ERROR + r".* cache is needed, which is larger than the available KV cache",
    ),
    # vLLM: v1/engine/core.py, core_client.py, exceptions.py, utils.py, v1/executor/*.py
    _kind(
        "vLLM's engine died",
        "its own reason is above that in the log",
        r"(?:vllm\.v1\.engine\.exceptions\.)?EngineDeadError\b",
        _RAY_ERROR + r"EngineDeadError\b",
        r"EngineCore (?:encountered a fatal error|encountered an issue|failed to start)\b",
        r"(?:RuntimeError: )?Engine core (?:initialization failed|process \S+ died unexpectedly)",
        r"(?:RayWorkerProc rank=\d+|Worker proc \S+) died unexpectedly, shutting down executor",
    ),
    # torch: distributed/elastic/multiprocessing/api.py and errors/__init__.py
    _kind(
        "the kernel or a user killed a process of the trainer",
        _HOST_MEMORY,
        r"(?:[EWI]\d{4} \S+ \d+ \S*elastic/\S+\] )?failed \(exitcode: -9\) local_rank: \d+",
        r"\s*traceback : Signal 9 \(SIGKILL\) received by PID \d+",
        r"RuntimeError: DataLoader worker \(pid \d+\) is killed by signal: Killed",
    ),
    # ray: src/ray/gcs/gcs_node_manager.cc; exceptions.py
    _kind(
        "ray lost a machine or its own process on one",
        _NODE,
        _RAYLET + r"has been marked dead because the detector has missed",
        _RAYLET + r"Raylet is terminated\b",
        _RAY_ERROR + r"(?:NodeDiedError|LocalRayletDiedError)\b",
        r"(?:\[[^]]*\] )?\S+:\d+: Failed to connect to GCS\b",
    ),
    # ray: src/ray/raylet/node_manager.cc; exceptions.py
    _kind(
        "a worker died",
        _READ,
        _RAYLET + r"A worker died or was killed while executing a task by an unexpected system",
        r"A worker died or was killed while executing a task by an unexpected system error",
        _RAYLET + r"Worker unexpectedly exits with a connection error",
        r"Worker unexpectedly exits with a connection error",
        _RAYLET + r"\b[1-9]\d* Workers crashed due to other reasons",
        r"The actor is dead because its worker process has died",
        _RAY_ERROR + r"(?:ActorDiedError|RayActorError|WorkerCrashedError|OwnerDiedError)\b",
        r"ray\.exceptions\.RayTaskError\(OutOfMemoryError\)",
        r"(?:\[[^]]*\]\s*)?\*\*\* SIG(?:SEGV|ABRT|ILL|FPE) received",
        r"Fatal Python error: (?:Segmentation fault|Aborted)",
    ),
)

_SHOWN = 200


def find_failure(line: str) -> Failure | None:
    """Return what a line of the log says has ended the run; None for any other line."""
    text = _ANSI.sub("", line).rstrip()
    passed = _PASSED.match(text)
    said = text[passed.end() :] if passed else text
    for kind in _KINDS:
        if kind.pattern.match(said):
            return Failure(kind.reason, kind.remedy, text[:_SHOWN])
    return None


def more_telling(first: Failure | None, second: Failure | None) -> Failure | None:
    """Return that of two failures whose reason is nearer to the cause, the first where equal."""
    reasons = [kind.reason for kind in _KINDS]
    found = [failure for failure in (first, second) if failure is not None]
    return min(found, key=lambda failure: reasons.index(failure.reason), default=None)
