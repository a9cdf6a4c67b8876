"""`unifer-train evaluate`: the back end that is chosen, and one answer from either."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from recipes.training.cli.main import main
from recipes.training.results.evaluation import Model, choose_backend, find_model
from tests.conftest import VLLM_IN_PROCESS, run_command
from tests.forked import Forked
from tests.recipes.training.runs.test_checkpoints import GRPO, SFT, write
from unifer_tasks.data.manifest import DATA_VARIABLE
from unifer_tasks.data.sample_logs import read_responses
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.protocol.variants.ranking import read_ranking

pytest.importorskip("lmms_eval")

# The protocol's pixels, images of their own sizes, and likelihoods.
RANKED = ("ranked", "ranked_reasoned")
VARIANTS_RUN = ("native", *RANKED)
TASKS = ",".join(["ferbench_sfew", *(f"ferbench_{key}_sfew" for key in VARIANTS_RUN)])
N_QUESTIONS = 14 * 4
TOKENS = ("--set", "gen_kwargs.max_new_tokens=48")
SMALL = (
    "enforce_eager=true", "distributed_executor_backend=uni", "max_num_seqs=8",
    "skip_mm_profiling=true", "max_model_len=1024",
)  # fmt: skip
LOCAL = {
    "vllm": [word for argument in SMALL for word in ("--set", f"model_args.{argument}")],
    "transformers": ["--set", "model_args.device=cpu"],
}


@pytest.fixture(scope="module")
def penalized(seeing_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model that sees, with Qwen2.5-VL's penalty in its generation_config.json."""
    out = tmp_path_factory.mktemp("penalized") / "model"
    shutil.copytree(seeing_model, out)
    path = out / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "repetition_penalty": 1.3}))
    return out


def arguments(model: Path, data: Path, out: Path, backend: str) -> list[str]:
    return [
        "evaluate", str(model), "--data", str(data), "--tasks", TASKS, "--out", str(out / backend),
        "--backend", backend, *TOKENS, *LOCAL[backend],
    ]  # fmt: skip


def test_both_back_ends_give_the_same_answers(
    penalized: Path, stand_in: Path, forked: Forked, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("vllm")
    env = {**VLLM_IN_PROCESS, "PYTHONPATH": ""}
    answers = {}
    for backend in LOCAL:
        words = ["unifer-train", *arguments(penalized, stand_in, tmp_path, backend)]
        done = run_command(forked.command(*words), env=env)
        assert f"{penalized} in {backend}: asked for" in done.stdout
        assert f"model: {N_QUESTIONS} of {N_QUESTIONS} answered" in done.stdout
        results = next((tmp_path / backend).rglob("*_results.json"))
        assert f"unifer-train card {penalized} --scores {results}" in done.stdout
        folder = tmp_path / backend / "model" / "results"
        answers[backend] = {
            "base": read_responses(folder),
            **{key: read_responses(folder, VARIANTS[key]) for key in VARIANTS_RUN},
        }
    ours, peer = answers["vllm"], answers["transformers"]
    assert {key: ours[key] for key in ("base", "native")} == {
        key: peer[key] for key in ("base", "native")
    }
    for key in RANKED:
        for question, (response,) in ours[key].items():
            expected = read_ranking(peer[key][question][0])
            assert read_ranking(response) == pytest.approx(expected, abs=1e-4)
    monkeypatch.setenv(DATA_VARIABLE, "")
    assert main(arguments(penalized, stand_in, tmp_path, "vllm")) == 0
    assert "model: done before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hub/model", Model("model", "hub/model")),
        ("merged", Model("merged", "{folder}/merged")),
        ("./merged/", Model("merged", "{folder}/merged")),
        ("sft/global_step_2", Model("sft_global_step_2", "{folder}/sft/global_step_2/huggingface")),
        (
            "grpo/global_step_9/actor",
            Model("grpo_global_step_9", "{folder}/grpo/global_step_9/actor/huggingface"),
        ),
    ],
)
def test_a_model_is_found(given: str, expected: Model, runs: Path) -> None:
    assert find_model(given) == Model(expected.name, expected.pretrained.format(folder=runs))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("merged/none", "merged/none is not there; give a Hugging Face folder or a hub id"),
        ("nothing", "nothing is not there"),
        ("sft", "is a run's folder; give one of its checkpoints, such as "),
        (
            "lora/global_step_1",
            "unifer-train merge {folder}/lora/global_step_1 OUT",
        ),
        ("grpo/global_step_10", "is not a whole checkpoint: {folder}/grpo/global_step_10/data.pt"),
        (
            ".",
            "no config.json; download it whole, or merge the run's checkpoint: unifer-train merge",
        ),
        ("merged/model.safetensors", "is not a Hugging Face checkpoint (MODEL): no config.json"),
        ("sharded/global_step_4", "sharded/global_step_4/actor/huggingface holds no weights"),
        ("lora/global_step_1/lora_adapter", "is a LoRA adapter (adapter_config.json)"),
        ("mute", "{folder}/mute has no tokenizer: copy tokenizer and processor from the model"),
        ("blind", "{folder}/blind is a model of text alone (qwen2), which sees no faces"),
        ("hub/model", "hub/model (MODEL) is not whole in the Hugging Face cache, and HF_HUB_OFF"),
    ],
)
def test_what_is_no_model_is_refused(
    given: str, message: str, runs: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["evaluate", given, "--data", "DIR"]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert message.format(folder=runs) in told
    assert not Path("results").exists()


@pytest.fixture
def runs(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working folder, with a merged model and runs of SFT, GRPO and LoRA."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, "")
    shutil.copytree(tiny_model, "merged")
    shutil.copytree(tiny_model, write(tmp_path / "sft", 2, SFT) / "huggingface")
    shutil.copytree(tiny_model, write(tmp_path / "grpo", 9, GRPO) / "actor" / "huggingface")
    (write(tmp_path / "grpo", 10, GRPO) / "data.pt").unlink()
    lora = write(tmp_path / "lora", 1, SFT)
    for adapter in (lora / "huggingface", lora / "lora_adapter"):
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text("{}")
    # Without `hf_model` in its `save_contents`.
    unmerged = write(tmp_path / "sharded", 4, GRPO) / "actor" / "huggingface"
    weights = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(tiny_model, unmerged, ignore=weights)
    shutil.copytree(tiny_model, "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    shutil.copytree(tiny_model, "blind", ignore=weights)
    (tmp_path / "blind" / "config.json").write_text('{"model_type": "qwen2"}')
    return tmp_path


@pytest.mark.parametrize(
    ("has_vllm", "has_gpu", "backend", "reason"),
    [
        (True, True, "vllm", "it is installed, and there is a GPU"),
        (True, False, "transformers", "there is no GPU"),
        (False, True, "transformers", "vLLM is not installed"),
    ],
)
def test_the_back_end_is_what_the_machine_allows(
    has_vllm: bool, has_gpu: bool, backend: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unifer_tasks.support.extras._is_installed", lambda _: has_vllm)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert choose_backend() == (backend, reason)


def test_the_benchmark_must_be_there(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["evaluate", "merged"]) == 1
    assert "FERBENCH_DATA is not set" in capsys.readouterr().err
    assert main(["evaluate", "merged", "--data", "none"]) == 1
    assert "FERBENCH_DATA=none is not a directory" in capsys.readouterr().err
