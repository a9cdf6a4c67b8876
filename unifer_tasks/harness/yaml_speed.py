"""Read YAML with libyaml where lmms-eval asks for the parser that is written in Python.

Whenever lmms-eval starts, it reads the thousands of task files that it ships. That takes the parser
in Python six seconds and libyaml one. The constructors, and so the values, are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from unifer_tasks.support.seams import replaced


@contextmanager
def libyaml() -> Iterator[None]:
    """Let `yaml.full_load` use libyaml until the block ends, if this PyYAML was built with it."""
    # Here: the extra eval brings PyYAML, and the plugin is imported without it too.
    import yaml

    if not yaml.__with_libyaml__:
        yield
        return

    class Loader(yaml.CFullLoader):  # type: ignore[misc]
        """The tags that lmms-eval adds go to the loader in Python."""

        yaml_constructors = yaml.FullLoader.yaml_constructors
        yaml_multi_constructors = yaml.FullLoader.yaml_multi_constructors

    def full_load(stream: bytes | str | IO[Any]) -> Any:
        # A tag is added by a copy of the table.
        Loader.yaml_constructors = yaml.FullLoader.yaml_constructors
        return yaml.load(stream, Loader)

    with replaced(yaml, "full_load", full_load):
        yield
