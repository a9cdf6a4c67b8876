from __future__ import annotations

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.sources.runs import Run


def answered(variant: str) -> Assessment:
    rows = (Prediction("sfew", "1", "fear", "Fear."),)
    return assess(Run("m", "m", rows, VARIANTS.get(variant, BASE)))


def test_each_variant_is_read_by_its_own_strict_reader() -> None:
    assert answered("base").readings[0].label is None
    assert answered("direct").readings[0].label == "fear"
    assert answered("direct").strict.pooled.scores["accuracy"] == 1.0
    assert answered("shuffled").readings[0].label is None


def test_both_readers_and_the_rationale_are_there() -> None:
    response = "<think>The eyes are wide open.</think><answer>fear</answer>"
    one = assess(Run("m", "m", (Prediction("sfew", "1", "fear", response),)))
    assert one.strict.reader == "strict"
    assert one.upstream.reader == "upstream"
    assert one.records[0] is not None
    assert one.measures.overall.all.format_kept.count == 1
