"""What can be done with an output: verify, move, publish."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.cli.main import main
from data_prep.images.fingerprints import Examined
from data_prep.outputs import push
from data_prep.outputs.rebase import new_roots, rebase
from data_prep.outputs.training_folder import (
    TrainingManifest,
    read_training_manifest,
    write_shards,
    write_training_manifest,
)
from data_prep.training.rows import RLVR
from tests.conftest import run_command
from tests.data_prep import official
from tests.data_prep.reading import hashes, rows
from tests.data_prep.teacher_server import RATIONALE, Teacher, serving
from tests.forked import Forked
from unifer_tasks.data.manifest import DataError, sha256
from unifer_tasks.protocol.prompts import response


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a folder with outputs of three kinds, of which tests take copies."""
    folder = tmp_path_factory.mktemp("built")
    archives = folder / "machine"
    official.write_sfew(archives / "sfew", 1)
    official.write_ferplus(archives / "ferplus", 1)
    rows = archives / "rows"
    common = ["--partial", "--jobs", "1"]
    run = ["rlvr", "--sfew", archives / "sfew", "--ferplus", archives / "ferplus", "--out", rows]
    run += ["--no-leak-check", "--valid", "0.2", "--seed", "1", *common]
    assert main(list(map(str, run))) == 0
    with serving(Teacher(text=response(RATIONALE, "sad"))) as teacher:
        run = ["cot", "--rows", rows, "--out", folder / "cot", "--teacher", "tutor"]
        assert main([*map(str, run), "--base-url", teacher.url]) == 0
    rafdb = official.write_rafdb(folder / "rafdb", 1)
    run = ["ferbench", "--rafdb", rafdb, "--out", folder / "bench", *common]
    assert main(list(map(str, run))) == 0
    return folder


@pytest.fixture
def rlvr(built: Path, tmp_path: Path) -> Path:
    """GRPO rows of two datasets: images in place, and images written out of a table."""
    shutil.copytree(built / "machine", tmp_path / "machine")
    rebase(tmp_path / "machine/rows", {None: str(tmp_path / "machine")})
    return tmp_path / "machine/rows"


@pytest.fixture
def cot(built: Path, rlvr: Path, tmp_path: Path) -> Path:
    shutil.copytree(built / "cot", tmp_path / "cot")
    rebase(tmp_path / "cot", {None: str(tmp_path / "machine")})
    return tmp_path / "cot"


@pytest.fixture
def benchmark(built: Path, tmp_path: Path) -> Path:
    for name in ("rafdb", "bench"):
        shutil.copytree(built / name, tmp_path / name)
    return tmp_path / "bench"


def images(out: Path) -> list[Path]:
    return [
        Path(row["images"][0]["image"]) for part in ("train", "valid") for row in rows(out, part)
    ]


def test_sound_outputs_verify(
    rlvr: Path, cot: Path, benchmark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (rlvr, cot, benchmark):
        assert main(["verify", str(out), "--jobs", "1"]) == 0
        assert "all is as the manifest says" in capsys.readouterr().out


def cut_a_shard(out: Path) -> None:
    path = out / "train-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1])


def drop_a_shard(out: Path) -> None:
    (out / "train-00000.parquet").unlink()


def drop_an_image(out: Path) -> None:
    images(out)[0].unlink()


def cut_an_image(out: Path) -> None:
    path = images(out)[0]
    path.write_bytes(path.read_bytes()[:300])


def swap_an_image(out: Path) -> None:
    """Put another face in an image's place, of the same size in bytes and the same time."""
    first, second = images(out)[:2]
    state = first.stat()
    other = second.read_bytes()
    first.write_bytes(other + bytes(max(0, state.st_size - len(other))))
    os.utime(first, ns=(state.st_atime_ns, state.st_mtime_ns))


def drop_the_manifest(out: Path) -> None:
    (out / "manifest.json").unlink()


def change_a_count(out: Path) -> None:
    path = out / "manifest.json"
    data = json.loads(path.read_text())
    data["counts_out"]["train"]["sfew"]["sad"] += 1
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_a_shard, "train-00000.parquet is not the file that its manifest lists"),
        (drop_a_shard, "train-00000.parquet is missing"),
        (drop_an_image, "is missing"),
        (cut_an_image, "cannot be decoded"),
        (swap_an_image, "is not the image that was there when the rows were built"),
        (drop_the_manifest, "manifest.json is missing"),
        (change_a_count, "rows, "),
    ],
)
def test_damage_is_found(
    rlvr: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], message: str
) -> None:
    damage(rlvr)
    assert main(["verify", str(rlvr)]) == 1
    assert message in capsys.readouterr().err


def test_a_damaged_benchmark_is_found(benchmark: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = benchmark / "rafdb/test.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    assert main(["verify", str(benchmark)]) == 1
    assert "is not the file that its manifest lists" in capsys.readouterr().err


def test_rows_follow_their_images_to_another_machine(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = images(rlvr)
    node = tmp_path / "a node"
    shutil.move(tmp_path / "machine", node)
    moved = node / "rows"
    assert main(["verify", str(moved)]) == 1
    said = capsys.readouterr().err
    assert said.count(f"unifer-data rebase '{moved}' --root NEW") == 2
    assert len(said.splitlines()) == 2
    for _ in range(2):
        # All images lie below `machine`: its place in the paths is taken by `a node`.
        assert main(["rebase", str(moved), "--root", str(node)]) == 0
    assert images(moved) == [node / path.relative_to(tmp_path / "machine") for path in before]
    assert main(["verify", str(moved)]) == 0


def test_a_move_to_a_folder_without_the_images_is_reported(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    n = sum(path.suffix == ".png" and "sfew" in str(path) for path in images(rlvr))
    assert main(["rebase", str(rlvr), "--root", f"sfew={empty}"]) == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"unifer-data: {n} images not found below {empty}, such as {empty}/")
    assert said.endswith(f"unifer-data rebase {rlvr} --root NEW")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("verify {tmp}/nope", "nope does not exist; name a folder"),
        ("verify {tmp}/bench/manifest.json", "manifest.json is a file; name the folder"),
        ("verify {tmp}", "name one folder of data: {tmp}/bench, {tmp}/cot"),
        ("rebase {tmp}/bench --root /x", "is a benchmark folder: it holds images, neither"),
        ("rebase {tmp}/nope --root /x", "nope does not exist"),
        ("export vlmevalkit {tmp}/cot --out {tmp}/x", "cot holds training rows, not a benchmark"),
        ("cot --rows {tmp}/bench --teacher t --base-url u --out {tmp}/x", "is a benchmark folder"),
        ("drawn --out {tmp}/cot --per-class 1", "is not a benchmark folder; choose another"),
        ("drawn --out {tmp}/bench --train 1", "bench holds something else; choose another"),
        ("drawn --out {tmp}/cot --train 1", "cot holds rows itself; choose a folder"),
        ("rlvr --sfew {tmp}/nope --no-leak-check --out {tmp}/bench", "bench holds something else"),
    ],
)
def test_a_folder_of_another_kind_is_named(
    command: str,
    message: str,
    cot: Path,
    benchmark: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = hashes(tmp_path)
    assert main([word.format(tmp=tmp_path) for word in command.split()]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert message.format(tmp=tmp_path) in said
    assert hashes(tmp_path) == before
    assert cot.parent == benchmark.parent


def test_one_sources_images_can_move_alone(rlvr: Path, tmp_path: Path) -> None:
    shutil.move(tmp_path / "machine/sfew", tmp_path / "faces")
    assert main(["rebase", str(rlvr), "--root", f"sfew={tmp_path / 'faces'}"]) == 0
    assert main(["verify", str(rlvr)]) == 0
    assert read_training_manifest(rlvr).roots["sfew"] == str(tmp_path / "faces")


ROOT_MOVES = {
    "a shared root, one source moves": (
        {"ferplus": "/a", "sfew": "/a"},
        {"sfew": "/b"},
        {"ferplus": "/a/", "sfew": "/b/"},
    ),
    "a shared root, the other one moves": (
        {"ferplus": "/a", "sfew": "/a"},
        {"ferplus": "/b"},
        {"ferplus": "/b/", "sfew": "/a/"},
    ),
    "nested roots, the inner one moves": (
        {"ferplus": "/a", "sfew": "/a/s"},
        {"sfew": "/b"},
        {"ferplus": "/a/", "sfew": "/b/"},
    ),
    "nested roots, the outer one moves": (
        {"ferplus": "/a", "sfew": "/a/s"},
        {"ferplus": "/b"},
        {"ferplus": "/b/", "sfew": "/a/s/"},
    ),
    "into itself": (
        {"ferplus": "/a", "sfew": "/a"},
        {"sfew": "/a/new"},
        {"ferplus": "/a/", "sfew": "/a/new/"},
    ),
    "two sources change places": (
        {"ferplus": "/a", "sfew": "/b"},
        {"ferplus": "/b", "sfew": "/a"},
        {"ferplus": "/b/", "sfew": "/a/"},
    ),
    "from the root of the disk": (
        {"ferplus": "/", "sfew": "/s"},
        {"ferplus": "/b", "sfew": "/"},
        {"ferplus": "/b/", "sfew": "/"},
    ),
    "to where they are": (
        {"ferplus": "/a", "sfew": "/a"},
        {"sfew": "/a"},
        {"ferplus": "/a/", "sfew": "/a/"},
    ),
}


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize(("roots", "given", "expected"), ROOT_MOVES.values(), ids=ROOT_MOVES)
def test_rows_move_with_their_source_however_roots_lie(
    roots: dict[str, str],
    given: dict[str | None, str],
    expected: dict[str, str],
    is_cut: bool,
    tmp_path: Path,
) -> None:
    names = ("one.png", "two/three.png")
    paths = {key: [f"{root.rstrip('/')}/{name}" for name in names] for key, root in roots.items()}
    write_moved(tmp_path, roots, paths)
    if is_cut:
        # Killed before the manifest: the rows are new, the manifest is old.
        manifest = (tmp_path / "manifest.json").read_bytes()
        rebase(tmp_path, given)
        (tmp_path / "manifest.json").write_bytes(manifest)
    assert rebase(tmp_path, given).roots == roots | given
    found: dict[str, list[str]] = {key: [] for key in roots}
    for row in rows(tmp_path):
        found[row["data_source"]].append(row["images"][0]["image"])
    assert found == {key: [place + name for name in names] for key, place in expected.items()}


def write_moved(out: Path, roots: dict[str, str], paths: dict[str, list[str]]) -> None:
    """Write training rows with these image paths, as `rlvr` would."""
    entries = [
        RLVR.row(Examined(key, "train", path, path, "fear", None), "train", 0, None)
        for key, images in paths.items()
        for path in images
    ]
    shards = write_shards(out, "train", entries, RLVR.schema)
    manifest = TrainingManifest("rlvr", {}, {}, roots, {}, {}, {}, 0, {"train": shards})
    write_training_manifest(out, manifest)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda shard: shard.unlink(), "is missing; run the command that built it again"),
        (lambda shard: shard.write_bytes(b"PAR1 junk PAR1"), "holds no training rows"),
        (lambda shard: pq.write_table(pa.table({"a": [1]}), shard), "holds no training rows"),
    ],
)
def test_a_damaged_shard_cannot_move(
    damage: Callable[[Path], None], message: str, rlvr: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(next(rlvr.glob("train-*.parquet")))
    assert main(["rebase", str(rlvr), "--root", "/data"]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../evil.parquet", "/evil.parquet", "a/b.parquet", "..", ""])
def test_a_manifest_names_files_of_its_folder_only(
    name: str, rlvr: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = rlvr.parent / "evil.parquet"
    shutil.copy(next(rlvr.glob("train-*.parquet")), evil)
    before = hashes(rlvr.parent)
    change_manifest(rlvr, lambda data: data["shards"]["train"][0].update(path=name))
    for command in (["rebase", str(rlvr), "--root", "/data"], ["verify", str(rlvr)]):
        assert main(command) == 1
        assert "is not in its folder; not read" in capsys.readouterr().err
    assert hashes(rlvr.parent)[evil.name] == before[evil.name]


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(shards=None),
        lambda data: data.update(shards=[1]),
        lambda data: data.update(roots={"sfew": 3}),
        lambda data: data.update(roots=["sfew"]),
        lambda data: data.update(left_out={"cut": "three"}),
        lambda data: data.update(counts_out={"train": {"sfew": {"sad": None}}}),
        lambda data: data.update(counts_out=3),
        lambda data: data.update(unusable=-1),
        lambda data: data.update(recipe=None),
        lambda data: data.update(kind="sft"),
        lambda data: data.update(surprise=1),
        lambda data: data["shards"]["train"][0].update(rows="7"),
        lambda data: data["shards"]["train"][0].update(sha256=None),
    ],
)
def test_a_manifest_of_other_types_is_a_sentence(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    write_moved(tmp_path, {"sfew": "/a"}, {"sfew": ["/a/one.png"]})
    change_manifest(tmp_path, change)
    with pytest.raises(DataError, match=r"manifest\.json cannot be read .*build the folder again"):
        read_training_manifest(tmp_path)


@pytest.mark.parametrize("text", ["null", "[]", "3", "[" * 100_000, '{"schema": 1}', "\x00"])
def test_a_manifest_that_is_none_is_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json") as caught:
        read_training_manifest(tmp_path)
    assert len(str(caught.value)) < 500


def test_a_finished_folder_with_a_damaged_shard_is_built_again(tmp_path: Path) -> None:
    archive = official.write_sfew(tmp_path / "sfew", 1)
    run = ["rlvr", "--sfew", archive, "--out", tmp_path / "out", "--no-leak-check", "--partial"]
    assert main([*map(str, run), "--jobs", "1"]) == 0
    before = hashes(tmp_path / "out")
    shard = next((tmp_path / "out").glob("train-*.parquet"))
    shard.write_bytes(bytes(shard.stat().st_size))
    assert main([*map(str, run), "--jobs", "1"]) == 0
    assert hashes(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("roots", "message"),
    [
        (["sfew="], "no new root is given for sfew"),
        (["sfew=/a", "sfew=/b"], "one source cannot have two roots"),
    ],
)
def test_ambiguous_roots_are_rejected(
    roots: list[str], message: str, rlvr: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hashes(rlvr)
    assert main(["rebase", str(rlvr), *(f"--root={root}" for root in roots)]) == 1
    assert message in capsys.readouterr().err
    assert hashes(rlvr) == before


@pytest.mark.parametrize("root", ["/new", "sfew=/new"])
def test_roots_of_two_kinds_cannot_move(
    root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_moved(tmp_path, {"ferplus": "a", "sfew": "/b"}, {"sfew": ["/b/one.png"]})
    before = hashes(tmp_path)
    assert main(["rebase", str(tmp_path), "--root", root]) == 1
    assert "some roots of these rows are absolute paths and others are" in capsys.readouterr().err
    assert hashes(tmp_path) == before


def test_a_finished_build_without_a_root_is_built_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, out = official.write_sfew(tmp_path / "sfew", 1), tmp_path / "out"
    run = ["rlvr", "--sfew", archive, "--out", out, "--no-leak-check", "--partial", "--jobs", "1"]
    assert main(list(map(str, run))) == 0
    change_manifest(out, lambda data: data["roots"].clear())
    assert main(list(map(str, run))) == 1
    assert "has no root of sfew; remove it and build again" in capsys.readouterr().err


def test_half_a_move_is_finished_by_the_same_command(
    rlvr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("data_prep.outputs.rebase.write_training_manifest", None)
        with pytest.raises(TypeError):
            main(["rebase", str(rlvr), "--root", "/data"])
    assert main(["rebase", str(rlvr), "--root", "/data"]) == 0
    assert all(path.is_relative_to("/data") for path in images(rlvr))


def test_an_unknown_source_is_named(rlvr: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebase", str(rlvr), "--root", "affectnet=/data"]) == 1
    assert "'affectnet' is not a source of these rows: ferplus, sfew" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("roots", "given", "expected"),
    [
        ({"a": "/x/a", "b": "/x/b"}, {None: "/y"}, {"a": "/y/a", "b": "/y/b"}),
        ({"a": "/x/a"}, {None: "/y"}, {"a": "/y"}),
        ({"a": "/x", "b": "/x/b"}, {None: "/y"}, {"a": "/y", "b": "/y/b"}),
        ({"a": "/x/a", "b": "/x/b"}, {"b": "/z", None: "/y"}, {"a": "/y/a", "b": "/z"}),
        ({"a": "/x/a", "b": "/x/b"}, {"b": "/z"}, {"a": "/x/a", "b": "/z"}),
    ],
)
def test_new_roots(
    roots: dict[str, str], given: dict[str | None, str], expected: dict[str, str]
) -> None:
    manifest = TrainingManifest("rlvr", {}, {}, roots, {}, {}, {}, 0, {})
    assert new_roots(manifest, given) == expected


def test_every_output_has_a_card_with_the_hubs_header(
    rlvr: Path, cot: Path, benchmark: Path
) -> None:
    yaml = pytest.importorskip("yaml")
    for out in (rlvr, cot, benchmark):
        header = yaml.safe_load((out / "README.md").read_text().split("---\n")[1])
        assert header["license"] == "other"
        paths = [
            path
            for config in header["configs"]
            for files in config["data_files"]
            for path in files["path"]
        ]
        assert sorted(paths) == sorted(
            str(path.relative_to(out))
            for path in out.rglob("[!.]*.parquet")
            if ".examined" not in str(path)
        )


def test_what_is_pushed_holds_no_image_and_no_path_of_this_machine(
    rlvr: Path, cot: Path, benchmark: Path, tmp_path: Path
) -> None:
    for out in (rlvr, cot, benchmark):
        staged = tmp_path / f"staged-{out.name}"
        staged.mkdir()
        push.stage(out, staged)
        names = {path.name for path in staged.rglob("*") if path.is_file()}
        assert {"README.md", "manifest.json"} < names
        assert {Path(name).suffix for name in names} == {".md", ".json", ".parquet"}
        for path in staged.rglob("*"):
            if path.is_file():
                assert str(tmp_path).encode() not in path.read_bytes()
    staged_rows = rows(tmp_path / "staged-rows")
    assert {row["images"][0]["image"].split("/")[0] for row in staged_rows} == {"sfew", "ferplus"}
    questions = pq.read_table(tmp_path / "staged-bench/rafdb/test.parquet")
    assert questions.column_names == ["id", "target", "candidate_labels", "dataset"]


def test_image_bytes_are_refused(
    benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "_without_images", lambda old, new, _: shutil.copy(old, new))
    (tmp_path / "staged").mkdir()
    with pytest.raises(Exception, match=r"holds image bytes in image, .* not uploaded"):
        push.stage(benchmark, tmp_path / "staged")


needs_verl = pytest.mark.skipif(
    importlib.util.find_spec("verl") is None, reason="verl is not installed"
)


@needs_verl
def test_verl_reads_every_cold_start_row(
    cot: Path, tiny_model: Path, bin_folder: Path, forked: Forked
) -> None:
    run = ["unifer-data", "verify", str(cot), "--processor", str(tiny_model)]
    run_command([bin_folder / run[0], *run[1:]])
    done = run_command(forked.command(*run, "--max-tokens", "90"), status=1)
    assert "verl cannot read it" in done.stderr


@needs_verl
def test_verl_counts_the_same_tokens_as_the_rows(
    tiny_model: Path, tmp_path: Path, forked: Forked
) -> None:
    """Faces of 48 pixels and of 143 x 181 take the tokens of 224 x 224 in verl as well."""
    archives = {name: official.WRITERS[name](tmp_path / name, 1) for name in ("sfew", "ferplus")}
    named = [text for name, path in archives.items() for text in (f"--{name}", path)]
    out = tmp_path / "out"
    run = ["rlvr", *named, "--out", out, "--no-leak-check", "--partial", "--jobs", "1"]
    assert main([*map(str, run), "--processor", str(tiny_model)]) == 0
    n_tokens = [row["extra_info"]["n_prompt_tokens"] for row in rows(out)]
    assert len(set(n_tokens)) == 2
    most = max(n_tokens)
    verify = forked.command("unifer-data", "verify", str(out), "--processor", str(tiny_model))
    run_command([*verify, "--max-prompt-tokens", str(most)])
    done = run_command([*verify, "--max-prompt-tokens", str(most - 1)], status=1)
    assert f"verl takes {sum(n < most for n in n_tokens)}" in done.stderr


def test_without_verl_the_remedy_is_named(
    rlvr: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setitem(sys.modules, "verl", None)
    assert main(["verify", str(rlvr), "--processor", "none"]) == 1
    assert "pip install '.[train]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (lambda ids: [None, *ids[1:]], "1 row without an id"),
        (lambda ids: [ids[1], *ids[1:]], "2 times"),
    ],
)
def test_a_benchmark_with_repeated_ids_is_reported(
    ids: Callable[[list[str]], list[str | None]],
    message: str,
    benchmark: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = benchmark / "rafdb/test.parquet"
    table = pq.read_table(path)
    changed = pa.array(ids(table.column("id").to_pylist()), pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", changed), path)
    change_manifest(benchmark, lambda data: data["datasets"]["rafdb"].update(sha256=sha256(path)))
    assert main(["verify", str(benchmark), "--jobs", "1"]) == 1
    assert message in "".join(capsys.readouterr())


def reseal(out: Path, path: Path) -> None:
    """Enter a changed file's hash in its manifest, as whoever damaged it on writing would."""

    def change(data: dict[str, Any]) -> None:
        if "datasets" in data:
            data["datasets"]["rafdb"]["sha256"] = sha256(path)
        else:
            data["shards"]["train"][0]["sha256"] = sha256(path)

    change_manifest(out, change)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def damage_pages(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 400 + data[404:])


def drop_the_images(path: Path) -> None:
    (name,) = {"image", "images"} & set(pq.read_schema(path).names)
    pq.write_table(pq.read_table(path).drop_columns([name]), path)


def number_the_images(path: Path) -> None:
    table = pq.read_table(path)
    (name,) = {"image", "images"} & set(table.column_names)
    numbers = pa.array(range(table.num_rows))
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, numbers), path)


def lose_the_images(path: Path) -> None:
    table = pq.read_table(path)
    (name,) = {"image", "images"} & set(table.column_names)
    at = table.schema.get_field_index(name)
    lost = pa.nulls(table.num_rows, table.schema.field(at).type)
    pq.write_table(table.set_column(at, name, lost), path)


@pytest.mark.parametrize(
    "damage", [cut_short, damage_pages, drop_the_images, number_the_images, lose_the_images]
)
@pytest.mark.parametrize("kind", ["benchmark", "rlvr"])
def test_a_file_that_was_damaged_as_it_was_written_is_reported(
    damage: Callable[[Path], None],
    kind: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out: Path = request.getfixturevalue(kind)
    path = out / ("rafdb/test.parquet" if kind == "benchmark" else "train-00000.parquet")
    damage(path)
    reseal(out, path)
    assert main(["verify", str(out), "--jobs", "1"]) == 1
    said = capsys.readouterr().err
    assert f"{path} " in said
    assert "build it again" in said
