from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from unifer_tasks.protocol.labels import CANONICAL_LABELS, LABEL_SPACES, canonical
from unifer_tasks.scoring.metrics import (
    METRICS,
    READERS,
    Confusion,
    Reader,
    bootstrap,
    class_scores,
    confusion,
    dataset_confusion,
    mean_scores,
    pool,
    scores,
)

Pairs = list[tuple[str, str | None]]


def pairs_of(dataset: str) -> st.SearchStrategy[Pairs]:
    labels = st.sampled_from(LABEL_SPACES[dataset].labels)
    return st.lists(st.tuples(labels, st.none() | labels), min_size=1, max_size=40)


def named(pairs: Pairs) -> tuple[list[str], list[str]]:
    return [true for true, _ in pairs], [label or "unknown" for _, label in pairs]


@settings(deadline=None)
@given(pairs_of("ferplus"))
def test_strict_is_scikit_learn_over_the_label_space(pairs: Pairs) -> None:
    true, predicted = named(pairs)
    found = scores(dataset_confusion("ferplus", pairs))
    precision, recall, f1, _ = precision_recall_fscore_support(
        true, predicted, labels=LABEL_SPACES["ferplus"].labels, average="macro", zero_division=0
    )
    assert found["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    assert found["macro_precision"] == pytest.approx(precision)
    assert found["macro_recall"] == pytest.approx(recall)
    assert found["macro_f1"] == pytest.approx(f1)
    assert found["unreadable"] == pytest.approx(predicted.count("unknown") / len(pairs))


@settings(deadline=None)
@given(pairs_of("rafdb"))
def test_upstream_is_scikit_learn_over_the_union_of_labels(pairs: Pairs) -> None:
    true, predicted = named(pairs)
    found = scores(dataset_confusion("rafdb", pairs), "upstream")
    precision, recall, f1, _ = precision_recall_fscore_support(
        true, predicted, average="macro", zero_division=0
    )
    assert found["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    assert found["macro_precision"] == pytest.approx(precision)
    assert found["macro_recall"] == pytest.approx(recall)
    assert found["macro_f1"] == pytest.approx(f1)


@settings(deadline=None)
@given(pairs_of("sfew"), pairs_of("affectnet"))
def test_pooling_is_scoring_all_answers_at_once(sfew: Pairs, affectnet: Pairs) -> None:
    pooled = pool([dataset_confusion("sfew", sfew), dataset_confusion("affectnet", affectnet)])
    renamed = [(canonical(t), p and canonical(p)) for t, p in sfew + affectnet]
    assert pooled.labels == CANONICAL_LABELS
    assert scores(pooled) == scores(confusion(CANONICAL_LABELS, renamed))


def test_an_unread_answer_costs_recall_and_gives_no_precision() -> None:
    found = scores(confusion(["a", "b"], [("a", "a"), ("a", None), ("b", "b"), ("b", "b")]))
    assert found["accuracy"] == 0.75
    assert found["uar"] == found["macro_recall"] == 0.75
    assert found["macro_precision"] == 1.0
    assert found["unreadable"] == 0.25


def test_uar_averages_the_classes_that_have_a_question() -> None:
    found = scores(confusion(["a", "b", "c"], [("a", "a"), ("b", "c")]))
    assert found["uar"] == pytest.approx(1 / 2)
    assert found["macro_recall"] == pytest.approx(1 / 3)


def test_every_declared_class_is_reported() -> None:
    classes = class_scores(confusion(["a", "b"], [("a", "a"), ("a", None)]))
    assert (classes["a"].precision, classes["a"].recall, classes["a"].support) == (1.0, 0.5, 2)
    assert (classes["b"].f1, classes["b"].support, classes["b"].predicted) == (0.0, 0, 0)


def test_a_label_off_the_list_is_unreadable_and_a_true_one_is_an_error() -> None:
    assert confusion(["a"], [("a", "b")]).counts.tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="target 'b' is not one of a"):
        confusion(["a"], [("b", "a")])


def test_nothing_counted_scores_nan() -> None:
    assert all(math.isnan(value) for value in mean_scores([]).values())
    assert math.isnan(scores(confusion(["a"], []))["accuracy"])


def test_the_mean_weighs_datasets_equally() -> None:
    rows = [dict.fromkeys(METRICS, 0.2), dict.fromkeys(METRICS, 0.6)]
    assert mean_scores(rows)["accuracy"] == pytest.approx(0.4)


@pytest.fixture
def two_datasets() -> dict[str, Confusion]:
    rng = np.random.default_rng(7)
    made = {}
    for dataset in ("rafdb", "affectnet"):
        labels = LABEL_SPACES[dataset].labels
        counts = rng.integers(1, 30, (len(labels), len(labels) + 1))
        counts[np.arange(len(labels)), np.arange(len(labels))] += 60
        made[dataset] = Confusion(labels, counts)
    return made


def test_intervals_hold_their_scores_and_agree_with_resampled_answers(
    two_datasets: dict[str, Confusion],
) -> None:
    intervals = bootstrap(two_datasets, replicates=4000)
    pooled = pool(two_datasets.values())
    for name, (low, high) in intervals.pooled.items():
        assert low < scores(pooled)[name] < high
    # The same bootstrap the long way: draw answers, not counts, within each dataset.
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(400):
        parts = []
        for part in two_datasets.values():
            cells = np.repeat(np.arange(part.counts.size), part.counts.ravel())
            picked = rng.choice(cells, cells.size)
            counts = np.bincount(picked, minlength=part.counts.size).reshape(part.counts.shape)
            parts.append(Confusion(part.labels, counts))
        drawn.append(scores(pool(parts))["macro_f1"])
    assert intervals.pooled["macro_f1"] == pytest.approx(
        tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.005
    )


def test_intervals_are_the_same_each_time(two_datasets: dict[str, Confusion]) -> None:
    assert bootstrap(two_datasets) == bootstrap(two_datasets)


SFEW = LABEL_SPACES["sfew"].labels


@pytest.mark.parametrize(
    ("pairs", "metric", "reader", "low", "high"),
    [
        # Wilson's interval of 63 of 63, 0 of 63 and 1 of 1 at 95 %.
        ([(x, x) for x in SFEW] * 9, "accuracy", "strict", 0.9425, 1.0),
        ([(x, None) for x in SFEW] * 9, "accuracy", "strict", 0.0, 0.0575),
        ([(x, None) for x in SFEW] * 9, "unreadable", "strict", 0.9425, 1.0),
        ([("fear", "fear")], "accuracy", "upstream", 0.2065, 1.0),
        ([("fear", "fear")], "uar", "strict", 0.2065, 1.0),
        # Seven of Wilson's intervals of 9 of 9, averaged: 0.2991 / sqrt(7) below 1.
        ([(x, x) for x in SFEW] * 9, "uar", "strict", 0.8869, 1.0),
        ([(x, x) for x in SFEW] * 9, "macro_precision", "upstream", 0.8869, 1.0),
        # A class that is always right and six that never are: neither end of the scale.
        ([(x, "happy") for x in SFEW] * 9, "uar", "strict", 0.1001, 0.2475),
    ],
)
def test_answers_that_are_all_alike_have_an_interval_with_a_width(
    pairs: Pairs, metric: str, reader: Reader, low: float, high: float
) -> None:
    found = bootstrap({"sfew": dataset_confusion("sfew", pairs)}, reader)
    for scope in (found.datasets["sfew"], found.mean):
        assert scope[metric] == pytest.approx((low, high), abs=1e-4)
    if metric in {"accuracy", "unreadable"}:
        assert found.pooled[metric] == pytest.approx((low, high), abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(pairs_of("sfew"), pairs_of("affectnet"), st.sampled_from(READERS))
def test_no_interval_is_without_width_or_beyond_the_scale(
    sfew: Pairs, affectnet: Pairs, reader: Reader
) -> None:
    parts = {
        "sfew": dataset_confusion("sfew", sfew),
        "affectnet": dataset_confusion("affectnet", affectnet),
    }
    found = bootstrap(parts, reader, replicates=50)
    for scope in (*found.datasets.values(), found.pooled, found.mean):
        assert list(scope) == list(METRICS)
        for low, high in scope.values():
            assert 0 <= low < high <= 1


def test_the_mean_of_datasets_that_are_all_right_is_surer_than_each() -> None:
    parts = {key: dataset_confusion(key, [("fear", "fear")] * 9) for key in ("sfew", "rafdb")}
    found = bootstrap(parts)
    low, _ = found.datasets["sfew"]["accuracy"]
    assert found.mean["accuracy"] == pytest.approx((1 - (1 - low) / math.sqrt(2), 1.0))
