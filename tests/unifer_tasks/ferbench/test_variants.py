"""The variants' task files, and what a run of them leaves in the log."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from tests.conftest import run_command
from tests.forked import Forked
from unifer_tasks.data.predictions import Prediction, PredictionError
from unifer_tasks.data.sample_logs import read_responses
from unifer_tasks.ferbench.utils import Record, doc_to_visual
from unifer_tasks.harness.rationales import check_rationales, read_rationales
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES
from unifer_tasks.protocol.prompts import describe, response
from unifer_tasks.protocol.variants.corruptions import condition_of
from unifer_tasks.protocol.variants.forced import CONDITIONS, OWN
from unifer_tasks.protocol.variants.listed import (
    BASE,
    N_ORDERS,
    TASKS,
    VARIANTS,
    Variant,
    orders,
    task_name,
)
from unifer_tasks.report.figures.assessment import assess
from unifer_tasks.report.sections.robustness import robustness
from unifer_tasks.report.sections.worth import worth
from unifer_tasks.report.sources.given import read_runs
from unifer_tasks.report.sources.runs import Run

pytest.importorskip("lmms_eval")


def test_the_base_knows_nothing_of_variants() -> None:
    from unifer_tasks.ferbench.utils import process_results

    doc = {"id": "a", "dataset": "sfew", "target": "sad", "candidate_labels": ["sad"]}
    record = process_results(doc, ["sad"])["accuracy"]
    assert isinstance(record, dict)
    assert list(record) == [
        "id", "dataset", "gold", "prediction", "outcome", "score",
    ]  # fmt: skip


def test_orders_repeat_the_questions_without_copying_images(stand_in: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from unifer_tasks.ferbench.utils import in_every_order

    docs = datasets.load_dataset(
        "parquet",
        data_files={"test": str(stand_in / "rafdb" / "test.parquet")},
        cache_dir=str(tmp_path),
    )["test"]
    turned = in_every_order(docs)
    assert len(turned) == N_ORDERS * len(docs)
    assert turned.features["candidate_labels"] == docs.features["candidate_labels"]
    light = turned.remove_columns("image").to_list()
    for number, doc in enumerate(docs.remove_columns("image").to_list()):
        copies = light[N_ORDERS * number : N_ORDERS * (number + 1)]
        assert copies == [
            {**doc, "candidate_labels": list(order), "permutation": turn}
            for turn, order in enumerate(orders(doc["candidate_labels"]))
        ]
    assert turned[N_ORDERS + 1]["image"].tobytes() == docs[1]["image"].tobytes()


@pytest.fixture(scope="module")
def evaluate(forked: Forked, stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    def run(*options: str) -> tuple[Path, dict[str, Any], dict[str, list[dict[str, Any]]]]:
        out = tmp_path_factory.mktemp("run")
        env = {"FERBENCH_DATA": str(stand_in)}
        log = ["--output_path", str(out), "--log_samples"]
        run_command(forked.command("ferbench", "lmms-eval", *options, *log), env=env)
        (results,) = out.rglob("*_results.json")
        samples = {
            path.stem.partition("_samples_")[2]: [
                json.loads(line) for line in path.read_text().splitlines()
            ]
            for path in out.rglob("*_samples_*.jsonl")
        }
        return out, json.loads(results.read_text())["results"], samples

    return run


RANKED = ("ranked", "ranked_reasoned")
CORRUPTED = ("corrupted", "corrupted_mask")
FORCED = VARIANTS["rationale"]


@pytest.fixture(scope="module")
def tasks() -> str:
    sfew = [
        task_name("sfew", VARIANTS[key])
        for key in ("native", "described", *RANKED, *CORRUPTED, FORCED.key)
    ]
    return ",".join(["ferbench_sfew", "ferbench_direct", "ferbench_shuffled_sfew", *sfew])


@pytest.fixture(scope="module")
def rationales(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions whose rationales show the signs of their answers, all of them wrong."""
    labels = LABEL_SPACES["sfew"].labels
    table = parquet.read_table(stand_in / "sfew" / "test.parquet", columns=["id", "target"])
    lines = []
    for row in table.to_pylist():
        said = labels[(labels.index(row["target"]) + 1) % len(labels)]
        row |= {"dataset": "sfew", "response": response(f"{describe(said)}.", said)}
        lines.append(json.dumps(row))
    path = tmp_path_factory.mktemp("rationales") / "predictions.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def tiny_run(evaluate: Any, tiny_model: Path, rationales: Path, tasks: str) -> Any:
    return evaluate(
        "--model", "unifer",
        "--model_args", f"pretrained={tiny_model},device=cpu,rationales={rationales}",
        "--batch_size", "16", "--gen_kwargs", "max_new_tokens=4", "--tasks", tasks,
    )  # fmt: skip


def test_a_run_names_the_variant_and_the_stand_in(tiny_run: Any) -> None:
    _, rows, _ = tiny_run
    alias = "ferbench_direct [STAND-IN faces, 60 of 11,072 questions]"
    assert rows["ferbench_direct"]["alias"] == alias
    assert rows["ferbench_direct"]["accuracy,none"] >= 0
    assert rows["ferbench_native_sfew"]["alias"].startswith("ferbench_native_sfew [STAND-IN")


def test_every_sample_says_which_question_of_which_variant_it_was(tiny_run: Any) -> None:
    _, _, samples = tiny_run
    base = [sample["accuracy"]["id"] for sample in samples["ferbench_sfew"]]
    for task, logged in samples.items():
        variant, dataset = TASKS[task]
        found = [sample["accuracy"] for sample in logged]
        assert {record.get("variant", BASE.key) for record in found} == {variant.key}
        assert {record["dataset"] for record in found} == {dataset}
        if dataset == "sfew":
            assert list(dict.fromkeys(record["id"] for record in found)) == base
        for sample in logged:
            labels = sample["accuracy"].get("candidate_labels", LABEL_SPACES[dataset].labels)
            assert sample["input"] == variant.ask(labels)
    turned = [sample["accuracy"]["permutation"] for sample in samples["ferbench_shuffled_sfew"]]
    assert turned == [*range(N_ORDERS)] * len(base)


@pytest.mark.parametrize("key", CORRUPTED)
def test_every_sample_says_what_was_done_to_its_image(tiny_run: Any, key: str) -> None:
    _, _, samples = tiny_run
    for sample in samples[task_name("sfew", VARIANTS[key])]:
        record = sample["accuracy"]
        condition = condition_of("sfew", record["id"], VARIANTS[key].corrupts)
        assert (record["corruption"], record["strength"]) == (condition.kind, condition.strength)


def test_a_run_on_spoiled_images_is_reported_beside_the_base(tiny_run: Any) -> None:
    folder, _, samples = tiny_run
    base, *corrupted = (
        assess(run)
        for run in sorted(read_runs([folder]), key=lambda run: run.variant is not BASE)
        if run.variant is BASE or run.variant.corrupts
    )
    assert [one.run.variant.key for one in corrupted] == list(CORRUPTED)
    for one in corrupted:
        found = robustness(one, base)
        assert found is not None
        assert found.overall.counts.n == len(samples["ferbench_sfew"])


def seen(row: Record, variant: Variant = BASE) -> NDArray[np.int64]:
    """Return the pixels that a model sees of a row of the data."""
    image = Image.open(io.BytesIO(row["image"]["bytes"]))
    (shown,) = doc_to_visual({**row, "image": image}, variant)
    return np.asarray(shown, dtype=np.int64)


@pytest.mark.parametrize(
    ("key", "hurts"), [("corrupted_mask", True), ("corrupted_sunglasses", False)]
)
def test_a_corruption_hurts_who_cannot_do_without_what_it_hides(
    stand_in: Path, key: str, hurts: bool
) -> None:
    variant = VARIANTS[key]
    clean, spoiled = [], []
    for dataset in FERBENCH:
        for row in parquet.read_table(stand_in / dataset / "test.parquet").to_pylist():
            mouth = np.abs(seen(row) - seen(row, variant))[150:170, 90:134]
            others = [label for label in row["candidate_labels"] if label != row["target"]]
            answer = others[0] if (mouth > 0).mean() > 0.5 else row["target"]
            asked = dataset, row["id"], row["target"]
            clean.append(Prediction(*asked, response("Seen.", row["target"])))
            spoiled.append(Prediction(*asked, response("Seen.", answer)))
    runs = [
        assess(Run("Model", "", tuple(clean))),
        assess(Run("Model", "", tuple(spoiled), variant)),
    ]
    found = robustness(runs[1], runs[0])
    assert found is not None
    assert found.overall.counts.n == 60
    assert (found.overall.p < 0.001) is hurts
    assert found.overall.ratio is not None
    assert (found.overall.ratio.value < 0.2) is hurts


@pytest.mark.parametrize("variant", RANKED)
def test_a_ranking_is_always_read(tiny_run: Any, variant: str) -> None:
    _, rows, samples = tiny_run
    task = task_name("sfew", VARIANTS[variant])
    # Untrained, the model writes no answer that could be read.
    assert rows[task]["unreadable,none"] == 0
    for sample in samples[task]:
        record = sample["accuracy"]
        probabilities = record["probabilities"]
        assert probabilities.keys() == set(LABEL_SPACES["sfew"].labels)
        assert sum(probabilities.values()) == pytest.approx(1)
        assert probabilities[record["prediction"]] == max(probabilities.values())


def test_answers_are_forced_after_the_rationales_of_an_earlier_run(
    tiny_run: Any, rationales: Path
) -> None:
    folder, _, samples = tiny_run
    logged = samples[task_name("sfew", FORCED)]
    said = {row["id"]: row["response"] for row in map(json.loads, rationales.open())}
    for sample in logged:
        record = sample["accuracy"]
        thought, _, answer = said[record["id"]].partition("<answer>")
        assert sample["filtered_resps"].startswith(thought)
        assert [*record["forced"]] == [*CONDITIONS]
        for probabilities in record["forced"].values():
            assert probabilities.keys() == set(LABEL_SPACES["sfew"].labels)
            assert sum(probabilities.values()) == pytest.approx(1)
        own = record["forced"][OWN]
        assert record["prediction"] == max(own, key=own.__getitem__)
        assert record["other_answer"] != answer.removesuffix("</answer>")
    (run,) = (run for run in read_runs([folder]) if run.variant is FORCED)
    found = worth(assess(run))
    assert found is not None
    assert (found.n, found.lacking) == (len(logged), 0)


@pytest.mark.parametrize(
    ("source", "pretrained", "asked", "message"),
    [
        ("{run}", "{model}", 14, None),
        ("{run}/nowhere", "{model}", 14, "nowhere does not exist; name the --output_path"),
        ("{run}", "{model}/..", 14, "name a run of the same model"),
        ("{run}", "{model}", 15, "has 14 of the 15 questions of SFEW 2.0 that are asked"),
    ],
)
def test_an_earlier_run_is_of_the_same_model_and_long_enough(
    tiny_run: Any, tiny_model: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch,
    source: str, pretrained: str, asked: int, message: str | None,
) -> None:  # fmt: skip
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    run, model = (text.format(run=tiny_run[0], model=tiny_model) for text in (source, pretrained))
    if message is None:
        check_rationales(run, model, {"ferbench_rationale_sfew": asked})
        return
    with pytest.raises(PredictionError, match=message):
        check_rationales(run, model, {"ferbench_rationale_sfew": asked})


def test_an_earlier_run_is_of_the_same_data_and_has_rationales(
    tiny_run: Any, tiny_model: Path, stand_in: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder, _, _ = tiny_run
    manifest = json.loads((stand_in / "manifest.json").read_text())
    manifest["datasets"]["sfew"]["sha256"] = "0" * 64
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path))
    with pytest.raises(PredictionError, match=r"is a run on other data of sfew .*, here 000000"):
        check_rationales(str(folder), str(tiny_model), {"ferbench_rationale_sfew": 14})
    bare = tmp_path / "bare.jsonl"
    row = {"dataset": "sfew", "id": "a", "target": "sad", "response": "<answer>sad</answer>"}
    bare.write_text(json.dumps(row))
    with pytest.raises(PredictionError, match="holds no rationale: each of its 1 answers is"):
        read_rationales(str(bare))


def test_replay_gives_each_variant_its_own_responses(
    evaluate: Any, tiny_run: Any, tasks: str
) -> None:
    folder, rows, samples = tiny_run
    _, again, replayed = evaluate(
        "--model", "replay", "--model_args", f"samples={folder}", "--tasks", tasks
    )
    for task, logged in samples.items():
        assert [sample["filtered_resps"] for sample in replayed[task]] == [
            sample["filtered_resps"] for sample in logged
        ]
    assert again == rows


def test_a_variants_log_is_not_taken_for_the_base(tiny_run: Any, tmp_path: Path) -> None:
    folder, _, samples = tiny_run
    base = read_responses(folder)
    assert len(base) == len(samples["ferbench_sfew"])
    turned = read_responses(folder, VARIANTS["shuffled"])
    assert len(turned) == len(samples["ferbench_shuffled_sfew"])
    (log,) = folder.rglob("*_samples_ferbench_native_sfew.jsonl")
    with pytest.raises(PredictionError, match="line 1: is of the variant 'native', not of"):
        read_responses(log)
    alone = tmp_path / "direct"
    alone.mkdir()
    (alone / log.name).write_bytes(log.read_bytes())
    with pytest.raises(PredictionError, match=r"no \*_samples_ferbench_\*\.jsonl"):
        read_responses(alone)
