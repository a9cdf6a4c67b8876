"""Every command of the READMEs runs as it stands, but for the models of its examples.

Those of `recipes/README.md` are in `tests/recipes/test_readme.py`.
"""

from __future__ import annotations

import doctest
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_command
from tests.data_prep import official
from tests.data_prep.teacher_server import Teacher, serving
from tests.forked import Forked
from tests.unifer_tasks.chat_server import serve
from unifer_tasks.protocol.prompts import response

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PACKAGES = ("unifer_tasks", "unifer_rewards", "data_prep")
READMES = README + "".join(
    (REPOSITORY / package / "README.md").read_text(encoding="utf-8") for package in PACKAGES
)
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")

# What a CPU in a closed room runs in place of the README's models: a few tokens of a tiny one.
STAND_INS = {
    "pretrained=Karl28/UniFER-7B": "pretrained=$TINY",
    "pretrained=Qwen/Qwen2.5-VL-7B-Instruct": "pretrained=$TINY,device=cpu,device_map=cpu",
    "accelerate launch --num_processes 8": "accelerate launch --cpu --num_processes 2",
    "--log_samples": "--log_samples --gen_kwargs max_new_tokens=4",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", READMES, re.DOTALL | re.MULTILINE)


def test_every_command_runs(tiny_model: Path, tmp_path: Path, forked: Forked) -> None:
    script = "set -euxo pipefail\n" + "\n".join(blocks("bash"))
    for example, stand_in in STAND_INS.items():
        assert example in script, f"the README no longer shows {example}"
        script = script.replace(example, stand_in)
    with serve(lambda request: response("Hm.", "fear")) as server:
        env = {
            "PATH": forked.shadow(tmp_path / "bin", "lmms-eval", "accelerate", "ferbench"),
            "TINY": str(tiny_model),
            "BASE_URL": server.url,
            "OPENAI_API_KEY": "unused",
        }
        run_command(["bash", "-c", script], env=env, cwd=tmp_path)
    for name in ("results", "results-8", "results-qwen", "results-api"):
        assert list((tmp_path / name).rglob("*_samples_ferbench_sfew.jsonl")), name
    for variant in ("shuffled", "rationale"):
        found = (tmp_path / "results-variants").rglob(f"*_samples_ferbench_{variant}_sfew.jsonl")
        assert list(found), variant
    assert (tmp_path / "report" / "index.html").exists()
    assert (tmp_path / "flips.jsonl").exists()
    assert (tmp_path / "scores.json").exists()
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 3


def test_every_example_shows_what_it_gives() -> None:
    examples = blocks("pycon")
    assert len(examples) >= 2
    for example in examples:
        test = doctest.DocTestParser().get_doctest(example, {}, "README", None, 0)
        assert doctest.DocTestRunner().run(test).failed == 0, example


def test_the_way_from_archives_to_training(
    tmp_path: Path, bin_folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("verl")
    archives = tmp_path / "A"
    for dataset in ("rafdb", "ferplus", "affectnet", "sfew"):
        getattr(official, f"write_{dataset}")(archives / dataset)
    (script,) = blocks("sh")
    commands = [shlex.split(line) for line in script.replace("\\\n", " ").splitlines()]
    assert [command[1] for command in commands] == ["ferbench", "rlvr", "cot", "verify", "export"]
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with serving(Teacher(answer="sad")) as teacher:
        # Small archives, so the counts of the published index cannot be met.
        small = {
            "--index": "--partial",
            "INDEX": None,
            "http://HOST:8000/v1": teacher.url,
            "Qwen/Qwen2.5-VL-7B-Instruct": str(tiny_model),
        }
        for command in commands:
            words = [small.get(word, word) for word in command]
            arguments = [bin_folder / command[0], *filter(None, words[1:])]
            if command[1] == "rlvr":
                arguments.append("--partial")
            done = run_command(arguments, cwd=tmp_path, status=None)
            assert done.returncode in {0, 3}, done.stdout + done.stderr
    for name in ("ferbench", "rlvr", "cot"):
        assert (tmp_path / "data" / name / "manifest.json").is_file()


def test_make_demo_shows_the_four_datasets_and_the_pool(
    bin_folder: Path, forked: Forked, tmp_path: Path
) -> None:
    set_up = REPOSITORY / ".venv" / ".eval"
    if not set_up.exists():
        pytest.skip("make has not set up .venv here")
    commands = tmp_path / "bin"
    forked.shadow(commands, "ferbench")
    (commands / "unifer-data").symlink_to(bin_folder / "unifer-data")
    make = ["make", f"--old-file={set_up.relative_to(REPOSITORY)}", "demo"]
    # The tests may be run by a make of several jobs, which this one is none of.
    done = run_command(
        [*make, f"BIN={commands}", f"OUT={tmp_path}"], env={"MAKEFLAGS": ""}, cwd=REPOSITORY
    )
    for task in ("ferbench", "ferbench_rafdb", "ferbench_ferplus", "ferbench_affectnet"):
        assert f"{task} [STAND-IN faces" in done.stdout
    demo = tmp_path / "demo"
    assert len(list((demo / "results").rglob("*_samples_*.jsonl"))) == 4
    assert (demo / "report" / "index.html").is_file()
    scores = json.loads((demo / "report" / "scores.json").read_text())
    (run,) = scores["runs"]
    # The model sees: chance is 13 %.
    assert run["strict"]["pooled"]["accuracy"] > 0.8


def test_the_readme_shows_what_the_demo_prints() -> None:
    table = next(block for block in blocks("") if "Groups" in block)
    assert "ferbench [STAND-IN faces, 120 of 11,072 questions]" in table
    assert "DEMO" not in README


def test_the_contact_sheet_is_what_the_code_draws() -> None:
    import numpy as np
    from PIL import Image

    from data_prep.synthetic.faces import contact_sheet

    kept = Image.open(REPOSITORY / ".github" / "images" / "drawn_faces.jpg").convert("RGB")
    drawn = contact_sheet()
    assert kept.size == drawn.size
    difference = np.abs(np.asarray(kept, dtype=float) - np.asarray(drawn, dtype=float))
    # JPEG loses a little; other processors' arithmetic turns single grey levels.
    assert difference.mean() < 6


def test_every_dependency_is_justified() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("dependencies = [")[2].partition("dev = [")[0]
    bare = re.findall(r'^    "[^"]+",$', listed, re.MULTILINE)
    assert bare == [], "these have no reason beside them"


def test_the_readme_is_short_and_shows_the_status_first() -> None:
    lines = README.splitlines()
    assert len(lines) <= 170
    assert lines.index("## Status") < 25


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", *(f"{p}/README.md" for p in PACKAGES)]
)
def test_links_lead_somewhere(name: str) -> None:
    path = REPOSITORY / name
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert broken == []


def test_contributors_are_told_what_relies_on_the_hosts() -> None:
    from unifer_tasks.harness import evaluator, host, plugin, tracker
    from unifer_tasks.harness.models import patch_embedding
    from unifer_tasks.support.seams import Seam

    modules = (evaluator, host, plugin, tracker, patch_embedding)
    seams = [
        value for module in modules for value in vars(module).values() if isinstance(value, Seam)
    ]
    assert len(seams) > 10
    assert [str(seam) for seam in seams if f"`{seam}`" not in CONTRIBUTING] == []
