"""The datasets, each declared once: FERBench's four and others, eight canonical expressions.

A *label* is the word a dataset uses ("happy"); its *canonical* name ("happiness") is what
datasets share, so that answers can be pooled. The candidate labels stand in the order in
which the published questions list them (zfkarl/UniFER, `eval_*/data/*_qa.json`): the order
is part of the question.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

CANONICAL_LABELS = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
)

_RENAMED = MappingProxyType({"angry": "anger", "happy": "happiness", "sad": "sadness"})
"""As the paper's pooled evaluator renames (zfkarl/UniFER, `eval_total/code/eval_unifer.py`)."""


def canonical(label: str) -> str:
    """Return the name that all datasets share for a dataset's label.

    Args:
        label: A candidate label of any dataset, lower case.

    Returns:
        The canonical name; a word that is not a label comes back unchanged.
    """
    return _CANONICAL_OF.get(label, label)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Rules that are peculiar to the paper's evaluator of one dataset.

    Attributes:
        synonyms: Label -> the synonyms that this evaluator tries, where its list differs from
            the others' (zfkarl/UniFER, `eval_*/code/eval_unifer.py`).
        spans_lines: Whether its tags are case-sensitive and its answer block may span lines.
    """

    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spans_lines: bool = False


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """A dataset as it is declared: the closed set of answers that it admits, and what is official.

    Attributes:
        key: The dataset's key in files, task names and rows.
        title: The dataset's name in prose.
        labels: The candidate labels, in the question's order.
        test_counts: Label -> images of the official test split; empty where no counts are
            official, and then any number is complete.
        in_ferbench: Whether the group `ferbench` pools the dataset with the paper's others.
        renamed: Label -> its canonical name, where the dataset has a word of its own.
        upstream: Rules of the paper's evaluator; the default reads as all of them do.
        part_of: The key of the dataset some of whose questions it asks, with fewer candidates; ""
            for a dataset with images of its own.

    Raises:
        ValueError: The declaration contradicts itself or the benchmark.
    """

    key: str
    title: str
    labels: tuple[str, ...]
    test_counts: Mapping[str, int] = field(default_factory=dict)
    in_ferbench: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    upstream: Upstream = Upstream()
    part_of: str = ""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ValueError(f"the label space {self.key!r} {problem}")

    def _problem(self) -> str | None:
        names = [self.renamed.get(label, _RENAMED.get(label, label)) for label in self.labels]
        if not _KEY.fullmatch(self.key) or self.key in _TAKEN:
            return "needs another key: a lower-case word of letters, digits and `_`"
        if not self.labels or len(set(names)) < len(names) or set(names) - set(CANONICAL_LABELS):
            return (
                f"has the labels {list(self.labels)}; they must name different expressions out of "
                f"{', '.join(CANONICAL_LABELS)} (`renamed` maps other words to these)"
            )
        if self.test_counts and tuple(self.test_counts) != self.labels:
            return "has counts of other labels, or in another order"
        if self.in_ferbench and not self.test_counts:
            return "is in FERBench and has no counts"
        if self.in_ferbench and self.part_of:
            return f"is part of {self.part_of}, so FERBench would ask its questions twice"
        if unknown := {*self.renamed, *self.upstream.synonyms} - {*self.labels}:
            return f"maps {', '.join(sorted(unknown))}, which is not among its labels"
        return None

    @property
    def data_key(self) -> str:
        """The key of the dataset whose file holds the questions."""
        return self.part_of or self.key

    @property
    def n_test(self) -> int:
        """The number of images of the official test split; 0 where no counts are official."""
        return sum(self.test_counts.values())

    def is_complete(self, counts: Mapping[str, int]) -> bool:
        """Return whether label counts are the official ones, or none are official."""
        return not self.test_counts or Counter(counts) == Counter(self.test_counts)


_KEY = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"pooled", "mean", "overview"})
"""Names of rows beside those of the datasets."""


def _in_ferbench(
    key: str, title: str, test_counts: Mapping[str, int], upstream: Upstream
) -> LabelSpace:
    return LabelSpace(
        key,
        title,
        tuple(test_counts),
        MappingProxyType(dict(test_counts)),
        in_ferbench=True,
        upstream=upstream,
    )


def _without(dropped: str, whole: LabelSpace, key: str, title: str) -> LabelSpace:
    """Declare the questions of a dataset that have another target than one label, without it."""
    synonyms = whole.upstream.synonyms
    return replace(
        whole,
        key=key,
        title=title,
        labels=tuple(label for label in whole.labels if label != dropped),
        test_counts={label: n for label, n in whole.test_counts.items() if label != dropped},
        in_ferbench=False,
        renamed={label: name for label, name in whole.renamed.items() if label != dropped},
        upstream=replace(
            whole.upstream, synonyms={k: v for k, v in synonyms.items() if k != dropped}
        ),
        part_of=whole.key,
    )


_AFFECTNET = _in_ferbench(
    "affectnet",
    "AffectNet",
    {
        "neutral": 500,
        "happiness": 500,
        "sadness": 500,
        "surprise": 500,
        "fear": 500,
        "disgust": 500,
        "anger": 500,
        "contempt": 500,
    },
    Upstream({"anger": ("angry", "mad"), "happiness": ("joy", "happy"), "sadness": ("sad",)}),
)

_DECLARED = (
    _in_ferbench(
        "rafdb",
        "RAF-DB",
        {
            "surprise": 329,
            "fear": 74,
            "disgust": 160,
            "happiness": 1185,
            "sadness": 478,
            "anger": 162,
            "neutral": 680,
        },
        Upstream({"anger": ("angry",), "happiness": ("joy", "happy"), "sadness": ("sad",)}),
    ),
    _in_ferbench(
        "ferplus",
        "FERPlus",
        {
            "angry": 322,
            "contempt": 30,
            "disgust": 21,
            "fear": 98,
            "happy": 929,
            "neutral": 1274,
            "sad": 449,
            "surprise": 450,
        },
        Upstream(
            {"angry": ("anger",), "happy": ("joy", "happiness"), "sad": ("sorrow", "unhappy")}
        ),
    ),
    _AFFECTNET,
    _in_ferbench(
        "sfew",
        "SFEW 2.0",
        {
            "angry": 77,
            "disgust": 23,
            "fear": 46,
            "happy": 72,
            "neutral": 84,
            "sad": 73,
            "surprise": 56,
        },
        Upstream(
            {
                "angry": ("anger", "mad"),
                "happy": ("joy", "happiness"),
                "sad": ("sorrow", "unhappy"),
            },
            spans_lines=True,
        ),
    ),
    # Many papers evaluate without contempt, whose figures are not those of eight classes.
    _without("contempt", _AFFECTNET, "affectnet7", "AffectNet-7"),
    # Others follow: LabelSpace("key", "Title", ("happy", "sad")).
)


def by_key(declared: Iterable[LabelSpace]) -> Mapping[str, LabelSpace]:
    """Return declared datasets by their keys.

    Raises:
        ValueError: A key is declared twice, or a part is not one of a dataset before it.
    """
    spaces: dict[str, LabelSpace] = {}
    for space in declared:
        if space.key in spaces:
            raise ValueError(f"the label space {space.key!r} is declared twice")
        if space.part_of:
            whole = spaces.get(space.part_of)
            if whole is None or whole.part_of or not {*space.labels} < {*whole.labels}:
                raise ValueError(
                    f"the label space {space.key!r} must be declared after the dataset that it is "
                    f"part of, {space.part_of!r}, and have fewer of its labels"
                )
        spaces[space.key] = space
    return MappingProxyType(spaces)


LABEL_SPACES = by_key(_DECLARED)
"""Every dataset, by its key."""

FERBENCH: Mapping[str, LabelSpace] = MappingProxyType(
    {key: space for key, space in LABEL_SPACES.items() if space.in_ferbench}
)
"""The datasets that the group `ferbench` pools."""

WITH_FILES: Mapping[str, LabelSpace] = MappingProxyType(
    {key: space for key, space in LABEL_SPACES.items() if not space.part_of}
)
"""The datasets with images of their own, and so a file; the others ask questions of one of them."""

N_QUESTIONS = sum(space.n_test for space in FERBENCH.values())
"""FERBench's questions."""

_CANONICAL_OF = MappingProxyType(
    {**_RENAMED, **{word: name for each in _DECLARED for word, name in each.renamed.items()}}
)


class UnknownDatasetError(KeyError):
    """A dataset key that no label space carries."""

    def __str__(self) -> str:
        return str(self.args[0])


def label_space(dataset: str) -> LabelSpace:
    """Return the label space of a dataset.

    Args:
        dataset: One of the keys of `LABEL_SPACES`.

    Raises:
        UnknownDatasetError: The key is none of them; the message lists those that are.
    """
    try:
        return LABEL_SPACES[dataset]
    except (KeyError, TypeError):
        known = ", ".join(LABEL_SPACES)
        raise UnknownDatasetError(f"unknown dataset {dataset!r}; known: {known}") from None


@lru_cache(maxsize=1024)
def dataset_key(name: str) -> str:
    """Return the key of a dataset whose name is written as people do.

    Case, spaces and punctuation do not matter, a version may be left out or shortened, and the
    number of labels may follow: "RAF-DB", "FER+", "AffectNet-8", "SFEW 2.0", "sfew_2".

    Raises:
        UnknownDatasetError: It is the name of none; the message lists the keys.
    """
    plain = _plain(name)
    found = [key for key, space in LABEL_SPACES.items() if plain in _plain_names(space)]
    # A name that two datasets could mean is that of neither.
    return found[0] if len(found) == 1 else label_space(name).key


def _plain_names(space: LabelSpace) -> set[str]:
    # The number of a part's title is what tells it from the whole.
    versioned = None if space.part_of else _VERSIONED.fullmatch(space.title)
    title, version = versioned.groups() if versioned else (space.title, "")
    names = {_plain(space.key), _plain(title)}
    ends = {_plain(version), version.partition(".")[0], str(len(space.labels))}
    return names | {name + end for name in names for end in ends}


_VERSIONED = re.compile(r"(.+?)[ -](\d[\d.]*)")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold().replace("+", "plus"))
