"""FERBench in the real lmms-eval command line, on synthetic faces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.index import read_index
from data_prep.support.output import Output
from data_prep.synthetic import stand_in as drawn
from data_prep.synthetic.faces import Face
from data_prep.synthetic.stand_in import draw_as
from tests.conftest import run_command
from tests.forked import Forked
from tests.unifer_tasks.chat_server import Request, serve
from unifer_tasks.data.sample_logs import read_responses
from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES
from unifer_tasks.protocol.prompts import question, response
from unifer_tasks.report.figures.assessment import assess
from unifer_tasks.report.figures.comparison import compare
from unifer_tasks.report.figures.marks import questions
from unifer_tasks.report.sources.given import read_runs
from unifer_tasks.scoring.metrics import dataset_confusion, pool, scores
from unifer_tasks.scoring.repeats import agree, majority

pytest.importorskip("lmms_eval")

# What lmms-eval's command line does where a GPU is visible: it takes another device than ours.
OTHER_DEVICE = {"ACCELERATE_TORCH_DEVICE": "meta"}

METRICS = {
    "accuracy", "macro_precision", "macro_recall", "macro_f1", "uar", "unreadable",
    "upstream_accuracy", "upstream_macro_f1",
}  # fmt: skip


@dataclass(frozen=True)
class Results:
    """What a run left on disk."""

    folder: Path
    results: dict[str, Any]
    samples: dict[str, list[dict[str, Any]]]
    stdout: str
    stderr: str

    def metrics(self, task: str) -> dict[str, float]:
        """Return a task's scores by their bare names."""
        row = self.results["results"][task]
        return {key.removesuffix(",none"): row[key] for key in row if key.endswith(",none")}


Evaluate = Callable[..., Results]


@pytest.fixture(scope="session")
def evaluate(forked: Forked, stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    """Run `lmms-eval`, or another launcher of it, and read what it wrote."""

    def run(
        *options: str,
        data: Path = stand_in,
        launcher: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Results:
        out = tmp_path_factory.mktemp("run")
        env = {"FERBENCH_DATA": str(data), "COLUMNS": "200", **(environment or {})}
        command = launcher or forked.command("lmms-eval")
        log = ["--output_path", str(out), "--log_samples"]
        done = run_command([*command, *options, *log], env=env)
        files = list(out.rglob("*_results.json"))
        assert len(files) == 1, done.stderr[-6000:]
        samples = {
            log.stem.partition("_samples_")[2]: [
                json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()
            ]
            for log in out.rglob("*_samples_*.jsonl")
        }
        return Results(out, json.loads(files[0].read_text()), samples, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def two_processes(forked: Forked) -> list[str]:
    """Return the command of two processes of lmms-eval.

    By torchrun, which accelerate's launcher calls for GPUs: of `--cpu` it starts one process.
    """
    torchrun = "torch.distributed.run", "--standalone", "--nproc_per_node", "2"
    return forked.command("-m", *torchrun, "-m", "lmms_eval")


def unifer(tiny_model: Path, *more: str) -> list[str]:
    return [
        "--model", "unifer", "--model_args", f"pretrained={tiny_model},device=cpu", *more,
        "--batch_size", "16", "--tasks", "ferbench", "--gen_kwargs", "max_new_tokens=12",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def tiny_run(evaluate: Evaluate, tiny_model: Path) -> Results:
    """Run all questions; `tests/test_package.py` starts the same as a user does."""
    return evaluate(*unifer(tiny_model))


def test_a_model_of_ours_runs_all_four_datasets(tiny_run: Results) -> None:
    for dataset, space in FERBENCH.items():
        assert set(tiny_run.metrics(f"ferbench_{dataset}")) >= METRICS
        assert len(tiny_run.samples[f"ferbench_{dataset}"]) == 2 * len(space.labels)
    assert tiny_run.results["n-samples"]["ferbench_sfew"]["original"] == 14
    assert tiny_run.results["ferbench_serial"] == 1


def test_stand_ins_cannot_be_overlooked(tiny_run: Results) -> None:
    rows = tiny_run.results["results"]
    assert rows["ferbench"]["alias"] == "ferbench [STAND-IN faces, 60 of 11,072 questions]"
    assert "STAND-IN faces, 14 of 3,068 questions" in rows["ferbench_rafdb"]["alias"]
    assert "ferbench [STAND-IN faces" in tiny_run.stdout
    assert "ferbench_sfew is not the benchmark: STAND-IN" in tiny_run.stdout + tiny_run.stderr


def test_logged_samples_say_what_became_of_each_question(tiny_run: Results) -> None:
    for dataset, space in FERBENCH.items():
        for sample in tiny_run.samples[f"ferbench_{dataset}"]:
            record = sample["accuracy"]
            assert record["id"].startswith(f"drawn/{dataset}/")
            assert record["gold"] == sample["target"] in space.labels
            assert (record["prediction"] is None) == (record["outcome"] != "answered")
            assert sample["input"] == question(space.labels)


def test_a_log_replays_to_the_same_scores(evaluate: Evaluate, tiny_run: Results) -> None:
    replayed = evaluate(
        "--model", "replay", "--model_args", f"samples={tiny_run.folder}", "--tasks", "ferbench",
        environment=OTHER_DEVICE,
    )  # fmt: skip
    for task in tiny_run.results["results"]:
        assert replayed.metrics(task) == tiny_run.metrics(task)


def test_a_cpu_serves_where_a_gpu_is_visible_and_every_question_is_asked_once(
    evaluate: Evaluate, tiny_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    data = tmp_path / "a [1]*? {b}"
    shutil.copytree(stand_in, data)
    options = unifer(tiny_model, "--limit", "1")
    options[options.index("--tasks") + 1] = "ferbench_sfew,ferbench,ferbench_direct*"
    run = evaluate(*options, data=data, environment=OTHER_DEVICE)
    assert "Asked once, with their group: ferbench_sfew, ferbench_direct_" in run.stdout
    assert set(run.results["groups"]) == {"ferbench", "ferbench_direct"}
    assert {task: len(samples) for task, samples in run.samples.items()} == {
        f"{group}_{dataset}": 1 for group in ("ferbench", "ferbench_direct") for dataset in FERBENCH
    }


@pytest.fixture(scope="session")
def mixed_predictions(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write right, wrong and unreadable responses to every question of the stand-in."""
    import pyarrow.parquet as pq

    path = tmp_path_factory.mktemp("mixed") / "predictions.jsonl"
    with path.open("w") as file:
        for dataset, space in LABEL_SPACES.items():
            held = stand_in / space.data_key / "test.parquet"
            rows = pq.read_table(held, columns=["id", "target"]).to_pylist()
            asked = [row | {"dataset": dataset} for row in rows if row["target"] in space.labels]
            for number, row in enumerate(asked):
                wrong = space.labels[number % len(space.labels)]
                texts = [
                    response("So it is.", row["target"]),
                    response("So it is.", wrong),
                    f"<ANSWER>{row['target']}</ANSWER> not {wrong}",
                    "I'm sorry, but I can't help with that.",
                ]
                answer = {"response": texts[number % 4]} if number % 7 else {"error": True}
                file.write(json.dumps({**row, **answer}) + "\n")
    return path


def replay(predictions: Path, tasks: str = "ferbench") -> list[str]:
    return [
        "--model", "replay", "--model_args", f"samples={predictions}", "--tasks", tasks,
    ]  # fmt: skip


@pytest.fixture(scope="session")
def mixed_run(evaluate: Evaluate, mixed_predictions: Path) -> Results:
    return evaluate(*replay(mixed_predictions, "ferbench,ferbench_affectnet7"))


def test_affectnet_without_contempt_is_asked_beside_the_benchmark(mixed_run: Results) -> None:
    samples = mixed_run.samples["ferbench_affectnet7"]
    labels = LABEL_SPACES["affectnet7"].labels
    whole = {s["accuracy"]["id"]: s["target"] for s in mixed_run.samples["ferbench_affectnet"]}
    asked = {s["accuracy"]["id"]: s["target"] for s in samples}
    assert asked == {id_: label for id_, label in whole.items() if label != "contempt"}
    assert {sample["input"] for sample in samples} == {question(labels)}
    assert {sample["accuracy"]["dataset"] for sample in samples} == {"affectnet7"}
    rows = mixed_run.results["results"]
    assert rows["ferbench_affectnet7"]["alias"] == (
        "ferbench_affectnet7 [STAND-IN faces, 14 of 3,500 questions]"
    )
    assert "60 of 11,072 questions" in rows["ferbench"]["alias"]


def test_the_group_row_is_pooled_over_answers(mixed_run: Results) -> None:
    confusions = {
        dataset: dataset_confusion(
            dataset,
            [
                (sample["accuracy"]["gold"], sample["accuracy"]["prediction"])
                for sample in mixed_run.samples[f"ferbench_{dataset}"]
            ],
        )
        for dataset in FERBENCH
    }
    expected = scores(pool(confusions.values()))
    group = mixed_run.metrics("ferbench")
    assert {name: group[name] for name in expected} == pytest.approx(expected)
    mean = sum(scores(part)["macro_f1"] for part in confusions.values()) / 4
    assert group["macro_f1"] != pytest.approx(mean, abs=1e-4)


def test_the_command_line_scorer_agrees_with_the_tasks(
    mixed_run: Results, mixed_predictions: Path, bin_folder: Path, tmp_path: Path
) -> None:
    for reader, prefix, names in [
        ("strict", "", METRICS - {"upstream_accuracy", "upstream_macro_f1"}),
        ("upstream", "upstream_", {"accuracy", "macro_f1"}),
    ]:
        out = tmp_path / f"{reader}.json"
        options = ["--reader", reader, "--json", out]
        run_command([bin_folder / "ferbench", "score", mixed_predictions, *options])
        summary = json.loads(out.read_text())
        for name in names:
            pooled = mixed_run.metrics("ferbench")[prefix + name]
            assert summary["pooled"][name] == pytest.approx(pooled)
            for dataset in FERBENCH:
                own = mixed_run.metrics(f"ferbench_{dataset}")[prefix + name]
                assert summary["datasets"][dataset][name] == pytest.approx(own)


def test_two_processes_score_as_one(
    evaluate: Evaluate, two_processes: list[str], mixed_run: Results, mixed_predictions: Path
) -> None:
    tasks = "ferbench,ferbench_affectnet7"
    environment = {"ACCELERATE_USE_CPU": "1"}
    two = evaluate(
        *replay(mixed_predictions, tasks), launcher=two_processes, environment=environment
    )
    assert "Rank 1: loading datasets from warm cache" in two.stdout + two.stderr
    for task in mixed_run.results["results"]:
        assert two.metrics(task) == mixed_run.metrics(task)


@pytest.fixture(scope="session")
def repeated_run(evaluate: Evaluate, seeing_model: Path) -> Results:
    """Ask the first five questions of each dataset three times each, at temperature 1."""
    return evaluate(
        "--model", "unifer", "--model_args", f"pretrained={seeing_model},device=cpu",
        "--batch_size", "32", "--tasks", "ferbench", "--limit", "5", "--repeats", "3",
        "--gen_kwargs", "temperature=1,do_sample=true",
    )  # fmt: skip


def test_every_answer_to_a_repeated_question_counts(repeated_run: Results) -> None:
    right: list[float] = []
    votes: list[float] = []
    for dataset in FERBENCH:
        samples = repeated_run.samples[f"ferbench_{dataset}"]
        texts = [sample["filtered_resps"] for sample in samples]
        read = [[read_answer(text, dataset).label for text in three] for three in texts]
        assert [len(three) for three in texts] == [3] * 5
        assert [sample["accuracy"]["predictions"] for sample in samples] == read
        gold = [sample["target"] for sample in samples]
        scores = [three.count(target) / 3 for three, target in zip(read, gold, strict=True)]
        assert [sample["score"] for sample in samples] == pytest.approx(scores)
        vote = [majority(three) == target for three, target in zip(read, gold, strict=True)]
        found = repeated_run.metrics(f"ferbench_{dataset}")
        assert found["accuracy"] == pytest.approx(sum(scores) / 5)
        assert found["majority_vote"] == pytest.approx(sum(vote) / 5)
        assert found["pass@k"] == pytest.approx(sum(score > 0 for score in scores) / 5)
        assert found["agreement"] == pytest.approx(sum(map(agree, read)) / 5)
        right += scores
        votes += vote
    pooled = repeated_run.metrics("ferbench")
    assert pooled["accuracy"] == pytest.approx(sum(right) / 20)
    assert pooled["majority_vote"] == pytest.approx(sum(votes) / 20)
    alias = "ferbench [STAND-IN faces, 20 of 60 of 11,072 questions, each asked 3 times]"
    assert repeated_run.results["results"]["ferbench"]["alias"] == alias
    assert alias in repeated_run.stdout


def test_questions_asked_once_have_no_metrics_of_repeats(mixed_run: Results) -> None:
    for row in mixed_run.results["results"].values():
        names = {key.partition(",")[0] for key in row}
        assert not names & {"majority_vote", "pass@k", "agreement", "score"}


@pytest.fixture(scope="session")
def replayed_repeats(
    evaluate: Evaluate, two_processes: list[str], repeated_run: Results, mixed_run: Results
) -> Results:
    """Compare the repeated run, in two processes, with another model's."""
    repeats = ["--repeats", "3", "--limit", "5", "--baseline", str(mixed_run.folder)]
    return evaluate(*replay(repeated_run.folder), *repeats, launcher=two_processes)


def test_the_nth_answer_is_replayed_the_nth_time(
    repeated_run: Results, replayed_repeats: Results
) -> None:
    assert read_responses(replayed_repeats.folder) == read_responses(repeated_run.folder)
    for task in repeated_run.results["results"]:
        assert replayed_repeats.metrics(task) == pytest.approx(repeated_run.metrics(task))


def test_the_report_agrees_on_repeats(repeated_run: Results) -> None:
    (one,) = map(assess, read_runs([repeated_run.folder]))
    for scope, found in one.repeats.items():
        shown = repeated_run.metrics("ferbench" if scope == "pooled" else f"ferbench_{scope}")
        assert found.repeats == 3
        assert found.accuracy == pytest.approx(shown["accuracy"])
        assert found.majority_vote == pytest.approx(shown["majority_vote"])
        assert found.pass_at[3] == pytest.approx(shown["pass@k"])
        assert found.agreement == pytest.approx(shown["agreement"])
    assert questions(one, "sfew") == "5 of 14 of 431, INCOMPLETE"


def test_a_baseline_is_compared_on_the_same_questions(
    replayed_repeats: Results, mixed_run: Results
) -> None:
    """By the means of their scores; the sign and size are also those of lmms-eval's table."""
    for dataset in FERBENCH:
        task = f"ferbench_{dataset}"
        row = replayed_repeats.results["results"][task]
        theirs = {sample["accuracy"]["id"]: sample["score"] for sample in mixed_run.samples[task]}
        ours = {s["accuracy"]["id"]: s["score"] for s in replayed_repeats.samples[task]}
        difference = 20 * sum(ours[id_] - theirs[id_] for id_ in ours)
        assert (row["paired_ci_lower"] + row["paired_ci_upper"]) / 2 == pytest.approx(difference)
        assert f"{difference:+.1f}%" in replayed_repeats.stdout


@pytest.fixture(scope="session")
def predicted_run(evaluate: Evaluate, mixed_predictions: Path) -> Results:
    return evaluate(*replay(mixed_predictions), "--predict_only", "--limit", "6")


def test_a_run_without_metrics_is_scored_from_its_responses(
    predicted_run: Results, mixed_run: Results
) -> None:
    assert "accuracy" not in predicted_run.samples["ferbench_sfew"][0]
    responses = read_responses(mixed_run.folder)
    found = read_responses(predicted_run.folder)
    assert len(found) == 24
    assert found == {key: responses[key] for key in found}
    (run,) = read_runs([predicted_run.folder])
    asked = assess(run).strict.datasets
    for dataset in FERBENCH:
        records = [s["accuracy"] for s in mixed_run.samples[f"ferbench_{dataset}"][:6]]
        expected = sum(record["score"] for record in records) / 6
        assert asked[dataset].scores["accuracy"] == pytest.approx(expected)
    alias = "ferbench [STAND-IN faces, 24 of 60 of 11,072 questions]"
    assert predicted_run.results["results"]["ferbench"]["alias"] == alias


def test_a_baseline_differs_as_compare_says(
    evaluate: Evaluate, mixed_run: Results, predicted_run: Results, mixed_predictions: Path
) -> None:
    """Compare with a baseline of `--predict_only`, which covers a part of the questions."""
    right = mixed_predictions.with_name("right.jsonl")
    with mixed_predictions.open() as lines, right.open("w") as file:
        for line in lines:
            row = json.loads(line)
            row.pop("error", None)
            file.write(json.dumps(row | {"response": response("So.", row["target"])}) + "\n")
    run = evaluate(*replay(right), "--baseline", str(predicted_run.folder))
    a, b = (assess(one) for each in (run, predicted_run) for one in read_runs([each.folder]))
    (comparison,) = compare([(a, b)])
    for dataset, part in comparison.datasets.items():
        row = run.results["results"][f"ferbench_{dataset}"]
        middle = (row["paired_ci_lower"] + row["paired_ci_upper"]) / 2
        assert middle == pytest.approx(100 * part.difference)
        assert row["paired_baseline_score"] == pytest.approx(100 * part.b)
        assert f"{100 * part.difference:+.1f}%" in run.stdout


def test_lmms_evals_own_qwen_model_runs(evaluate: Evaluate, tiny_model: Path) -> None:
    arguments = f"pretrained={tiny_model},device=cpu,device_map=cpu,min_pixels=3136"
    run = evaluate(
        "--model", "qwen2_5_vl", "--model_args", arguments, "--batch_size", "8",
        "--tasks", "ferbench_sfew", "--gen_kwargs", "max_new_tokens=4",
    )  # fmt: skip
    assert len(run.samples["ferbench_sfew"]) == 14


@pytest.mark.parametrize("model", ["openai", "async_openai"])
def test_a_model_behind_an_api_is_asked_the_protocol(
    evaluate: Evaluate, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Request) -> str | None:
        # RAF-DB lists surprise first; its questions find the server out of order.
        return None if "labels: surprise" in request.text else response("Hm.", "fear")

    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with serve(answer) as server:
        arguments = f"model=stub,base_url={server.url},max_retries=2,retry_backoff_s=0,timeout=30"
        run = evaluate("--model", model, "--model_args", arguments, "--tasks", "ferbench")
    assert {request.image_size for request in server.asked} == {(224, 224)}
    assert {request.image_mode for request in server.asked} == {"RGB"}
    assert {request.text for request in server.asked} == {
        question(space.labels) for space in FERBENCH.values()
    }
    assert {request.options.get("temperature") for request in server.asked} == {0}
    assert {
        request.options.get("max_tokens") or request.options.get("max_completion_tokens")
        for request in server.asked
    } == {1024}

    outcomes = {
        dataset: {s["accuracy"]["outcome"] for s in run.samples[f"ferbench_{dataset}"]}
        for dataset in FERBENCH
    }
    assert outcomes.pop("rafdb") == {"request-failed"}
    assert set(map(frozenset, outcomes.values())) == {frozenset({"answered"})}
    pooled = run.metrics("ferbench")
    assert pooled["unreadable"] == pytest.approx(14 / 60)
    # Fear is one of 8, 8 and 7 labels; upstream leaves the failed 14 out.
    assert pooled["accuracy"] == pytest.approx(6 / 60)
    assert pooled["upstream_accuracy"] == pytest.approx(6 / 46)


@cache
def one_image(dataset: str, label: str) -> tuple[bytes, Face]:
    return draw_as(dataset, label, [0])


def one_face(dataset: str, label: str, *_: object, **__: object) -> tuple[bytes, Face]:
    return one_image(dataset, label)


def test_every_question_of_the_published_index_runs(
    evaluate: Evaluate, index_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One face for each label of a dataset: eleven thousand would take minutes to draw.
    monkeypatch.setattr(drawn, "draw_as", one_face)
    data = tmp_path / "data"
    index = read_index(index_folder)
    drawn.build(Output(data, jobs=1), drawn.targets_of_index(index), seed=0, recipe={})
    gold = tmp_path / "gold.jsonl"
    with gold.open("w") as file:
        for dataset, rows in index.items():
            for row in rows:
                text = response("It shows.", row.target)
                line = {"dataset": dataset, "id": row.id, "target": row.target, "response": text}
                file.write(json.dumps(line) + "\n")
    run = evaluate(*replay(gold), data=data)
    assert run.results["results"]["ferbench"]["alias"] == "ferbench [STAND-IN faces]"
    for task in run.results["results"]:
        perfect = {name: 0.0 if name == "unreadable" else 1.0 for name in METRICS}
        found = run.metrics(task)
        assert {name: found[name] for name in METRICS} == perfect
    assert read_responses(run.folder) == read_responses(gold)
    for dataset, rows in index.items():
        samples = run.samples[f"ferbench_{dataset}"]
        assert [s["input"] for s in samples] == [row.prompt for row in rows]
        assert [s["accuracy"]["id"] for s in samples] == [row.id for row in rows]


def test_the_wrapper_passes_the_status_on(forked: Forked, stand_in: Path) -> None:
    env = {"FERBENCH_DATA": str(stand_in)}
    unknown = ["--model", "nobody", "--tasks", "ferbench"]
    run_command(forked.command("ferbench", "lmms-eval", *unknown), env=env, status=1)


def test_plain_lmms_eval_misses_data_in_a_sentence(forked: Forked, mixed_predictions: Path) -> None:
    command = forked.command("lmms-eval", *replay(mixed_predictions))
    done = run_command(command, env={"FERBENCH_DATA": ""}, status=1)
    assert "lmms-eval: FERBench data not found: FERBENCH_DATA is not set" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("case", ["unset", "partial", "truncated", "misspelt", "short-log"])
def test_a_failed_run_says_why_and_has_a_status(
    forked: Forked, mixed_predictions: Path, stand_in: Path, tmp_path: Path, case: str
) -> None:
    data, predictions = stand_in, mixed_predictions
    if case == "unset":
        message = "FERBENCH_DATA is not set"
    elif case == "partial":
        data = tmp_path / "data"
        shutil.copytree(stand_in, data)
        manifest = json.loads((data / "manifest.json").read_text())
        del manifest["datasets"]["sfew"]
        (data / "manifest.json").write_text(json.dumps(manifest))
        message = "SFEW 2.0 (sfew) is not in"
    elif case == "truncated":
        data = tmp_path / "data"
        shutil.copytree(stand_in, data)
        path = data / "sfew" / "test.parquet"
        path.write_bytes(path.read_bytes()[:3000])
        message = "is damaged: its bytes are not those of the manifest"
    elif case == "misspelt":
        message = "no task is called 'ferbnech'; did you mean ferbench"
    else:
        predictions = tmp_path / "short.jsonl"
        predictions.write_text("".join(mixed_predictions.open().readlines()[:5]))
        message = "has no response to"
    env = {"FERBENCH_DATA": "" if case == "unset" else str(data)}
    options = replay(predictions)
    if case == "misspelt":
        options[-1] = "ferbnech"
    done = run_command(forked.command("ferbench", "lmms-eval", *options), env=env, status=1)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
