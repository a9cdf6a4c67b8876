"""A CPU as a platform of verl 0.9.1, so that its trainers run where there is no GPU.

verl loads this module in every process (`VERL_USE_EXTERNAL_MODULES=recipes.tiny_cpu.cpu_platform`)
and selects it by `VERL_PLATFORM=cpu`. It serves tests, demos and debugging: one process computes
what one GPU would, slowly. Nothing of verl or vLLM is edited; what their public hooks do not reach
is replaced here, each with its reason:

* the process group: verl asks for `cpu:gloo,DEVICE:BACKEND`, and torch refuses one device twice;
* the FSDP2 offload policy of the reference model, and the offload of activations, pin memory, which
  needs a GPU;
* the patch embedding is a convolution, at which a CPU spends a quarter of a step;
* without flash-attn, verl takes the log-probabilities of one token after another, which spares
  memory that a tiny vocabulary does not use and costs a fifth of a step;
* vLLM's CPU linear layers pack their weights and drop the originals, so that weights sent by
  the trainer have nowhere to go.

`VERL_ENGINE_DEVICE=cuda` goes with it: verl registers its FSDP engine for that name only.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import psutil
import torch
import torch.distributed
from torch.distributed.fsdp import CPUOffloadPolicy
from verl.plugin.platform import PlatformBase, PlatformRegistry


class _CpuModule(ModuleType):
    """`torch.cpu` with what verl asks of `torch.cuda`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.cpu, name)

    def empty_cache(self) -> None:
        """There is no cache to empty."""

    def ipc_collect(self) -> None:
        """There is no memory of other processes to collect."""

    def device_count(self) -> int:
        return 1

    def get_device_name(self, _device: object = None) -> str:
        return "cpu"

    def mem_get_info(self, _device: object = None) -> tuple[int, int]:
        """Free and total memory of the machine, in bytes."""
        memory = psutil.virtual_memory()
        return memory.available, memory.total

    def memory_allocated(self, _device: object = None) -> int:
        """Resident memory of this process, in bytes."""
        return int(psutil.Process().memory_info().rss)

    memory_reserved = max_memory_allocated = max_memory_reserved = memory_allocated

    def reset_peak_memory_stats(self, _device: object = None) -> None:
        """Do nothing: the operating system keeps no peak to reset."""

    def get_rng_state(self, _device: object = None) -> torch.Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: torch.Tensor, _device: object = None) -> None:
        torch.set_rng_state(state)


@PlatformRegistry.register(platform="cpu")
class PlatformCpu(PlatformBase):  # type: ignore[misc]
    """One process of a CPU, instead of one GPU."""

    _module = _CpuModule("recipes.tiny_cpu.torch_cpu")

    @property
    def device_name(self) -> str:
        return "cpu"

    @property
    def vendor_name(self) -> str:
        return "cpu"

    @property
    def device_module(self) -> ModuleType:
        return self._module

    def is_available(self) -> bool:
        return True

    def current_device(self) -> torch.device:
        # verl passes it on to `Tensor.to`, where 0 would mean the first GPU.
        return torch.device("cpu")

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        """There is one device."""

    def synchronize(self, device_index: int | None = None) -> None:
        """Nothing runs asynchronously."""

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    manual_seed_all = manual_seed

    def set_allocator_settings(self, settings: str) -> None:
        """Return the operating system's allocator."""

    def empty_cache(self) -> None:
        """There is no cache to empty."""

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None:
        """There is no device profiler."""

    def profiler_stop(self) -> None:
        """There is no device profiler."""

    def ray_resource_name(self) -> str:
        # Ray is told of logical GPUs (`ray_init.num_gpus`), so that placement works as on GPUs.
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self) -> bool:
        # Weights then go to the rollout through POSIX shared memory.
        return False

    def cudart(self) -> None:
        return None


def _init_process_group(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def init_process_group(backend: str | None = None, *args: Any, **options: Any) -> None:
        _ease_the_model()
        return init("gloo" if backend == "cpu:gloo,cpu:gloo" else backend, *args, **options)

    return init_process_group


def _ease_the_model() -> None:
    # Not before a process joins a group: half of verl's processes never build a model, and
    # start sooner without transformers.
    from verl.utils import torch_functional
    from verl.utils.activation_offload import SynchronizedGroupOffloadHandler as Activations

    from unifer_tasks.harness.models.patch_embedding import multiply_patches_everywhere

    multiply_patches_everywhere()
    Activations.offload = staticmethod(functools.partial(Activations.offload, pin_memory=False))
    torch_functional.logprobs_from_logits_v2 = torch_functional.logprobs_from_logits_naive


def _offload_without_pinning() -> None:
    original = CPUOffloadPolicy.__init__

    @functools.wraps(original)
    def unpinned(self: CPUOffloadPolicy, pin_memory: bool = False) -> None:
        original(self, pin_memory=False)

    CPUOffloadPolicy.__init__ = unpinned  # type: ignore[method-assign]


def _plain_linear(layer: Any, remove_weight: bool) -> None:
    layer.cpu_linear = torch.nn.functional.linear


def _keep_vllm_weights() -> None:
    from vllm.model_executor.layers import utils

    utils.dispatch_cpu_unquantized_gemm = _plain_linear


torch.distributed.init_process_group = _init_process_group(torch.distributed.init_process_group)
_offload_without_pinning()
if "vllm" in sys.modules:
    _keep_vllm_weights()
