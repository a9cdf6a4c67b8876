"""The additions of `ferbench run --with`: further tasks, and figures of annotations.

Every variant and every dataset beside FERBench can be added by its key, so a new one is here
without an edit but for what a variant shows. Figures of annotations ask nothing: they are in every
report whose data has the columns, and `--with` sees to it that it has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unifer_tasks.data.headings import variant_of
from unifer_tasks.data.manifest import data_root, read_manifest
from unifer_tasks.harness.selection import NAMES, question_counts, selected
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES, N_QUESTIONS, label_space
from unifer_tasks.protocol.variants.listed import (
    BASE,
    GROUP,
    TASKS,
    VARIANTS,
    Variant,
    group_name,
    task_name,
)
from unifer_tasks.runner.presets import PresetError
from unifer_tasks.support.nearest import did_you_mean

_SHOWS: Mapping[str, str] = {
    "direct": "what reasoning buys",
    "answer_first": "what reasoning before the answer buys",
    "shuffled": "order bias",
    "native": "what one size for all images costs",
    "described": "what naming the cues buys",
    "ranked": "calibration; what generated answers fail to say",
    "ranked_reasoned": "calibration after the model's reasoning",
    "rationale": "whether the answer depends on the rationale",
    "corrupted": "accuracy kept under seven kinds of corruption, one of them a question",
}
"""Variant -> what it shows beside the base."""

_ELSEWHERE: Mapping[str, str] = {
    "repeats": "how often each question is asked is a setting of the whole run: --set repeats=5 "
    "--set gen_kwargs.temperature=0.7",
}
"""A name that looks like an addition but is not one -> how to ask for it."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """The columns of the data that an addition makes figures of.

    Attributes:
        dataset: The dataset that is annotated.
        columns: Of `unifer_tasks.data.annotations`; one of them suffices.
        source: The files of the archive that they are built from.
    """

    dataset: str
    columns: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Addition:
    """The meaning of a name of `--with`: a variant, a dataset, or annotations.

    Attributes:
        name: The name.
        shows: What its figures show beside the base.
        variant: The variant whose tasks it adds.
        task: The task that it adds.
        annotated: What it needs of the data.
    """

    name: str
    shows: str
    variant: Variant | None = None
    task: str | None = None
    annotated: Annotated | None = None

    @property
    def adds(self) -> str:
        """The task or group that it adds beside `ferbench`; empty for figures of annotations."""
        return group_name(self.variant) if self.variant else self.task or ""

    @property
    def needs(self) -> str:
        """What not every run has; empty if any has it."""
        if self.annotated:
            columns = " or ".join(f"`{column}`" for column in self.annotated.columns)
            return f"{columns} in the data of {label_space(self.annotated.dataset).title}"
        return "a back end with likelihoods" if self.variant and self.variant.ranks else ""

    @property
    def cost(self) -> float:
        """The requests that it adds to a run of FERBench, for each of the base's."""
        if self.variant:
            variant = self.variant
            asked = sum(
                space.n_test * variant.times_asked(dataset) for dataset, space in FERBENCH.items()
            )
        else:
            asked = LABEL_SPACES[TASKS[self.task][1]].n_test if self.task else 0
        return asked / N_QUESTIONS

    def tasks(self, base: Iterable[str]) -> list[str]:
        """Return the tasks that it adds to tasks and groups of the base."""
        if self.task:
            return [self.task]
        if self.variant is None:
            return []
        named = (
            group_name(self.variant) if name == GROUP else task_name(TASKS[name][1], self.variant)
            for name in base
        )
        return [name for name in named if name in NAMES]


def _additions() -> Iterable[Addition]:
    yield Addition(
        "votes",
        "how far wrong answers are from what annotators chose",
        annotated=Annotated("ferplus", ("votes",), "FER+'s fer2013new.csv"),
    )
    yield Addition(
        "groups",
        "whether some people's faces are read worse",
        annotated=Annotated(
            "rafdb", ("gender", "race", "age_group"), "Annotation/manual/*_manu_attri.txt"
        ),
    )
    for variant in VARIANTS.values():
        of_a_kind = f"accuracy kept under {' or '.join(variant.corrupts)}"
        yield Addition(variant.key, _SHOWS.get(variant.key, of_a_kind), variant=variant)
    for key, space in LABEL_SPACES.items():
        if key not in FERBENCH:
            yield Addition(key, f"{space.title}, beside FERBench", task=task_name(key))


ADDITIONS: Mapping[str, Addition] = MappingProxyType({each.name: each for each in _additions()})
"""Name -> addition, in the order in which they are listed."""


def find_additions(names: Iterable[str]) -> list[Addition]:
    """Return additions by their names, each once.

    Raises:
        PresetError: A name is unknown.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if not name:
            raise PresetError("--with names an empty addition; remove the comma too many")
        if name in _ELSEWHERE:
            raise PresetError(f"--with {name}: {_ELSEWHERE[name]}")
        if name not in ADDITIONS:
            near = did_you_mean(name, ADDITIONS) or f"; there is {', '.join(ADDITIONS)}"
            raise PresetError(f"--with has no addition {name!r}{near}")
    return [ADDITIONS[name] for name in wanted]


def with_additions(tasks: str, additions: Iterable[Addition]) -> str:
    """Return tasks with those that additions ask beside them.

    A variant is asked of the datasets whose base is asked.

    Args:
        tasks: Names and patterns with commas between, as `--tasks` takes them.
        additions: What to add.

    Raises:
        PresetError: A variant would be added to nothing.
    """
    asked = selected(tasks.split(","))
    base = [name for name in asked if variant_of(name) is BASE]
    added: list[str] = []
    for addition in additions:
        more = addition.tasks(base)
        if addition.variant and not more:
            raise PresetError(
                f"--with {addition.name} asks the questions of {GROUP} in another way, and --tasks "
                f"{tasks} asks none of them; name {GROUP} or one of its tasks as well"
            )
        added += more
    return ",".join([tasks, *(name for name in dict.fromkeys(added) if name not in asked)])


def check_annotations(additions: Iterable[Addition], tasks: Sequence[str]) -> None:
    """Check that the data has what additions make figures of.

    Args:
        additions: What was asked for.
        tasks: Names and patterns of all that a run asks.

    Raises:
        PresetError: The tasks do not ask about the dataset, or it has none of the columns.
        DataError: The data cannot be read.
    """
    asked = {TASKS[task][1] for task in question_counts(selected(tasks))}
    for addition in additions:
        if (needed := addition.annotated) is None:
            continue
        title = label_space(needed.dataset).title
        if needed.dataset not in asked:
            raise PresetError(
                f"--with {addition.name} is about {title}, of which --tasks {','.join(tasks)} asks "
                f"nothing; add {task_name(needed.dataset)}, or leave {addition.name} out"
            )
        root = data_root()
        file = read_manifest(root).datasets[needed.dataset]
        if not any(file.annotations.get(column) for column in needed.columns):
            raise PresetError(
                f"--with {addition.name} needs {addition.needs}, which {root} lacks; build it "
                f"again with `unifer-data ferbench` from an archive that has {needed.source}, or "
                f"leave {addition.name} out"
            )


def table() -> str:
    """Return a Markdown table of the additions; requests are per request of the base."""
    lines = ["| name | shows | requests | needs |", "|---|---|---:|---|"]
    for each in _listed():
        lines.append(f"| `{each.name}` | {each.shows} | {each.cost:.2g} | {each.needs} |")
    return "\n".join(lines)


def listing() -> str:
    """Return the additions for a command's help, a line each."""
    listed = _listed()
    width = max(len(each.name) for each in listed)
    return "\n".join(f"  {each.name:<{width}}  {each.cost:>4.2g}  {each.shows}" for each in listed)


def _listed() -> list[Addition]:
    """Return the additions less those of one kind of corruption, which are parts of another."""
    return [
        each
        for each in ADDITIONS.values()
        if each.variant is None or len(each.variant.corrupts) != 1
    ]


if __name__ == "__main__":
    print(table())
