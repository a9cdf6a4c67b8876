"""The task files that lmms-eval ships, read when this is imported and not by each start again.

To find its tasks, lmms-eval parses two thousand YAML files, a fifth of what a forked command does.
What their index is made of is kept here; a task that is run is still read from its file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmms_eval import tasks, utils

from unifer_tasks.harness.yaml_speed import libyaml

_load = utils.load_yaml_config

with libyaml():
    _KNOWN = {
        str(path): _load(str(path), mode="simple")
        for path in Path(tasks.__file__).parent.rglob("*.yaml")
    }


def _load_yaml_config(
    yaml_path: str | None = None,
    yaml_config: Any = None,
    yaml_dir: str | None = None,
    mode: str = "full",
) -> Any:
    if mode == "simple" and yaml_config is None and yaml_path in _KNOWN:
        return dict(_KNOWN[yaml_path])
    return _load(yaml_path, yaml_config, yaml_dir, mode)


utils.load_yaml_config = _load_yaml_config
