"""The local files that a model's arguments name, digested: other weights are another model.

A folder counts by the files directly in it: weights, adapters, configuration, tokenizer and chat
template, not README files or what is hidden. Files of up to 16 MiB count by content, larger ones
by size and time of change: reading them whole would take as long as loading them. So a copy of
large weights counts as the weights themselves only if it keeps the time (`cp -p`, `rsync -t`). An
id of the hub counts by the revision to which the local cache resolves it. What a server has loaded
cannot be seen from here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_LARGEST_READ = 16 * 2**20
_OF_A_MODEL = re.compile(r".*\.(safetensors|bin|gguf|pth?)|.*config\.json|params\.json|tokenizer.*")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def digest_files(values: Iterable[str], revision: str | None = None) -> Mapping[str, str]:
    """Return a digest of each argument that names files on this machine.

    Args:
        values: The values of a model's arguments.
        revision: Of the model on the hub.

    Returns:
        Argument -> digest of its file or folder, or the hub's commit; arguments that name neither,
        and folders without a model, are left out.
    """
    digests = {value: _digest(value, revision) for value in values}
    return {value: digest for value, digest in digests.items() if digest}


def _digest(value: str, revision: str | None) -> str | None:
    path = Path(value)
    try:
        if path.is_file():
            return _digest_of([path])
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if _counts(file)]
            is_model = any(_OF_A_MODEL.fullmatch(file.name) for file in files)
            return _digest_of(files) if is_model else None
    except OSError:
        # Longer than a path may be, or not to be read: the back end has its own words for it.
        return None
    return _cached_commit(value, revision)


def _counts(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.suffix.lower() != ".md"


def _digest_of(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        if status.st_size <= _LARGEST_READ:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
        else:
            content = f"{status.st_size} {status.st_mtime_ns}"
        digest.update(f"{file.name}\0{content}\0".encode())
    return digest.hexdigest()


def _cached_commit(value: str, revision: str | None) -> str | None:
    if not _HUB_ID.fullmatch(value):
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(value, "config.json", revision=revision)
    except HFValidationError:
        return None
    # .../snapshots/COMMIT/config.json
    return Path(found).parent.name if isinstance(found, str) else None
