"""What a command needs beyond the package itself, checked before any work begins.

The extras are those of pyproject.toml. The package is on no index, so a hint names the clone.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


class MissingModuleError(Exception):
    """Modules that a command needs are not installed; the message says how to install them."""


@dataclass(frozen=True, slots=True)
class Need:
    """Modules that a command imports, and what installs them.

    Attributes:
        modules: The names to import.
        install: How to install them, as it follows a colon.
    """

    modules: tuple[str, ...]
    install: str

    def missing(self) -> list[str]:
        """Return the modules that are not installed, without importing any of them."""
        return [name for name in self.modules if not _is_installed(name)]


def hint(extra: str) -> str:
    """Return how to install an extra."""
    return f"in a clone of UniFER, pip install '.[{extra}]'"


EVAL = Need(("lmms_eval", "torch", "transformers", "datasets", "yaml"), hint("eval"))
PRESET = Need(("yaml",), hint("eval"))
MODEL = Need(("torch", "transformers"), hint("eval"))
REPORT = Need(("jinja2", "matplotlib"), hint("report"))
TEACHER = Need(("openai",), hint("teacher"))
ARCHIVES = Need(("py7zr",), hint("archives"))
TRAIN = Need(("verl", "transformers"), hint("train"))
SHEETS = Need(("openpyxl",), hint("report"))
HUB = Need(("huggingface_hub",), "pip install huggingface_hub")

_VLLM = Need(("vllm",), f"pip install vllm, or {hint('train')}")

BACKENDS = {
    "vllm": _VLLM,
    "unifer_vllm": _VLLM,
    "gemini": Need(("google.genai",), "pip install google-genai"),
    "openai": Need(("openai",), "pip install openai"),
    "async_openai": Need(("openai",), "pip install openai"),
    "phi4_multimodal": Need(("librosa",), "pip install librosa"),
}
"""Model id of lmms-eval -> what its module imports and lmms-eval does not require."""


def require(purpose: str, need: Need) -> None:
    """Check that what a command needs is installed.

    Args:
        purpose: The command, option or model that needs it, for the message.
        need: What it needs.

    Raises:
        MissingModuleError: A module is not installed.
    """
    if missing := need.missing():
        raise MissingModuleError(f"{purpose} needs {' and '.join(missing)}: {need.install}")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
