"""What verl's datasets take is taken, in the stage that takes it, and the rest is refused."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFile

pytest.importorskip("verl")

from omegaconf import OmegaConf

from recipes.training.checks.model import load_processor
from recipes.training.checks.rows import RowsError, count_rows, examine_rows, row_problems
from recipes.training.checks.tokens import Tokens
from recipes.training.configuration.parse import data_settings
from recipes.training.configuration.settings import DataSettings, Stage

DATA: dict[Stage, dict[str, Any]] = {
    "sft": {"max_length": 2048, "pad_mode": "no_padding"},
    "grpo": {"max_prompt_length": 1024, "filter_overlong_prompts": False},
}


def settings(stage: Stage, **changes: object) -> DataSettings:
    given = {"train_files": None, "val_files": None, "train_batch_size": 1}
    return data_settings(stage, {"data": {**given, **DATA[stage], **changes}})


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (112, 112), (200, 100, 50)).save(buffer, "PNG")
    return buffer.getvalue()


PNG = png()
PATH = pa.struct([("image", pa.string())])
BYTES = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
BOTH = pa.struct([("image", pa.string()), ("bytes", pa.binary())])
RESIZED = pa.struct([(name, kind) for name, kind in (
    ("image", pa.string()), ("resized_height", pa.int64()), ("resized_width", pa.int64())
)])  # fmt: skip
ENCODED = "data:image/png;base64," + base64.b64encode(PNG).decode()

# Form -> its type, a value in which FACE stands for an image file, the stages that take it.
FORMS: Mapping[str, tuple[pa.DataType, Any, set[str]]] = {
    "path": (pa.list_(PATH), [{"image": "FACE"}], {"sft", "grpo"}),
    "file URL": (pa.list_(PATH), [{"image": "file://FACE"}], {"sft", "grpo"}),
    "image_url": (
        pa.list_(pa.struct([("image_url", pa.string())])), [{"image_url": "FACE"}], {"sft", "grpo"}
    ),
    "base64": (pa.list_(PATH), [{"image": ENCODED}], {"sft", "grpo"}),
    "damaged base64": (pa.list_(PATH), [{"image": ENCODED[:40]}], set()),
    "null path": (pa.list_(PATH), [{"image": None}], set()),
    "bytes and null path": (pa.list_(BYTES), [{"bytes": PNG, "path": None}], {"sft", "grpo"}),
    "bytes and path": (pa.list_(BYTES), [{"bytes": PNG, "path": "FACE"}], {"sft", "grpo"}),
    "bytes alone": (
        pa.list_(pa.struct([("bytes", pa.binary())])), [{"bytes": PNG}], {"sft", "grpo"}
    ),
    "null bytes and no path": (pa.list_(BYTES), [{"bytes": None, "path": None}], set()),
    "damaged bytes": (pa.list_(BYTES), [{"bytes": PNG[:60], "path": None}], set()),
    "path under another name": (
        pa.list_(pa.struct([("path", pa.string())])), [{"path": "FACE"}], set()
    ),
    "image and bytes": (pa.list_(BOTH), [{"image": "FACE", "bytes": PNG}], {"grpo"}),
    "image and null bytes": (pa.list_(BOTH), [{"image": "FACE", "bytes": None}], set()),
    "strings": (pa.list_(pa.string()), ["FACE"], {"grpo"}),
    "file URLs": (pa.list_(pa.string()), ["file://FACE"], {"grpo"}),
    "raw bytes": (pa.list_(pa.binary()), [PNG], set()),
    "a null image": (pa.list_(PATH), [None], set()),
    "one value": (PATH, {"image": "FACE"}, set()),
    "one string": (pa.string(), "FACE", set()),
    "too many": (pa.list_(PATH), [{"image": "FACE"}] * 2, set()),
    "resized": (
        pa.list_(RESIZED),
        [{"image": "FACE", "resized_height": 112, "resized_width": 112}],
        {"sft", "grpo"},
    ),
    "resized to null": (
        pa.list_(RESIZED), [{"image": "FACE", "resized_height": None, "resized_width": None}], set()
    ),
    "no images, text": (pa.list_(PATH), [], {"sft", "grpo"}),
    "null, text": (pa.list_(PATH), None, {"grpo"}),
    # verl takes these, and shows the model the word <image> in the place of a face.
    "null": (pa.list_(PATH), None, set()),
    "no images": (pa.list_(PATH), [], set()),
}  # fmt: skip
SILENT = {("null", "grpo"), ("no images", "grpo")}


def write(folder: Path, stage: Stage, form: str) -> Path:
    face = folder / "face.png"
    face.write_bytes(PNG)
    kind, value, _ = FORMS[form]
    text = "Which?" if form.endswith("text") else "<image>Which?"
    messages = [{"role": "user", "content": text}]
    if stage == "sft":
        messages.append({"role": "assistant", "content": "<answer>sad</answer>"})
    columns = {
        ("messages" if stage == "sft" else "prompt"): pa.array([messages]),
        "images": pa.array([_placed(value, str(face))], kind),
        "data_source": ["sfew"],
        "reward_model": [{"ground_truth": "sad"}],
    }
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def _placed(value: Any, face: str) -> Any:
    if isinstance(value, list):
        return [_placed(item, face) for item in value]
    if isinstance(value, dict):
        return {key: _placed(item, face) for key, item in value.items()}
    return value.replace("FACE", face) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def processor(seeing_model: Path) -> Any:
    return load_processor(seeing_model)


def verl_takes(stage: Stage, path: Path, processor: Any, cache: Path) -> bool:
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset
    from verl.utils.dataset.rl_dataset import RLHFDataset

    config = OmegaConf.create({**DATA[stage], "cache_dir": str(cache)})
    try:
        if stage == "sft":
            MultiTurnSFTDataset(str(path), processor.tokenizer, config, processor)[0]
        else:
            row = RLHFDataset(str(path), processor.tokenizer, config, processor)[0]
            RLHFDataset._process_multi_modal_info(row["raw_prompt"], 14, config)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_forms_are_taken_as_verl_takes_them(
    stage: Stage, form: str, processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # lmms-eval, which another test may have imported, has Pillow take half an image.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    path = write(tmp_path, stage, form)
    taken = stage in FORMS[form][2]
    found = examine_rows(stage, path, settings(stage), Tokens(stage, processor, {}))
    assert found.rows == 1
    problems = list(row_problems(path, found, settings(stage)))
    assert bool(problems) is not taken
    assert not any("\n" in problem for problem in problems)
    assert verl_takes(stage, path, processor, tmp_path) is (taken or (form, stage) in SILENT)


def test_images_that_datasets_decodes(processor: Any, tmp_path: Path) -> None:
    import datasets

    face = tmp_path / "face.png"
    face.write_bytes(PNG)
    message = {"role": datasets.Value("string"), "content": datasets.Value("string")}
    features = datasets.Features({
        "prompt": [message], "images": datasets.List(datasets.Image()),
        "data_source": datasets.Value("string"), "reward_model": datasets.Value("string"),
    })  # fmt: skip
    row = {
        "prompt": [[{"role": "user", "content": "<image>Which?"}]], "images": [[str(face)]],
        "data_source": ["sfew"], "reward_model": [""],
    }  # fmt: skip
    path = tmp_path / "rows.parquet"
    datasets.Dataset.from_dict(row, features=features).to_parquet(path)
    found = examine_rows("grpo", path, settings("grpo"), Tokens("grpo", processor, {}))
    assert list(row_problems(path, found, settings("grpo"))) == []
    assert verl_takes("grpo", path, processor, tmp_path)


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_lengths_are_those_that_verl_counts(stage: Stage, processor: Any, drawn_rows: Path) -> None:
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset
    from verl.utils.dataset.rl_dataset import RLHFDataset

    rows = drawn_rows / ("cot" if stage == "sft" else "rlvr") / "train-00000.parquet"
    config = OmegaConf.create(DATA[stage])
    if stage == "sft":
        dataset = MultiTurnSFTDataset(str(rows), processor.tokenizer, config, processor)
        longest = max(len(dataset[n]["input_ids"]) for n in range(len(dataset)))
    else:
        longest = 0
        for row in RLHFDataset(str(rows), processor.tokenizer, config, processor):
            prompt = row["raw_prompt"]
            images, _, _ = RLHFDataset._process_multi_modal_info(prompt, 14, config)
            text = processor.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
            longest = max(longest, len(processor(text=[text], images=images)["input_ids"][0]))
    key = "max_length" if stage == "sft" else "max_prompt_length"
    data = settings(stage, **{key: longest - 1})
    found = examine_rows(stage, rows, data, Tokens(stage, processor, {}))
    assert found.longest == longest
    assert f"longer than data.{key}; raise it to {longest} or more" in next(
        row_problems(rows, found, data)
    )
    enough = settings(stage, **{key: longest})
    assert not examine_rows(stage, rows, enough, Tokens(stage, processor, {})).overlong


def test_rows_of_the_other_stage_are_refused(drawn_rows: Path) -> None:
    cot, rlvr = (drawn_rows / name / "train-00000.parquet" for name in ("cot", "rlvr"))
    with pytest.raises(RowsError, match=r"no column messages, which SFT reads; these are rows of"):
        examine_rows("sft", rlvr, settings("sft"), None)
    with pytest.raises(RowsError, match=r"no column prompt and reward_model, which GRPO reads"):
        examine_rows("grpo", cot, settings("grpo"), None)


def damaged(kind: str, path: Path) -> Path:
    """Write a file that is, in some way, not a table of rows."""
    messages = pa.array([[{"role": "user", "content": "x"}]])
    whole = pa.table({"messages": messages})
    if kind == "text":
        path.write_text("id,label\n")
    elif kind == "empty":
        path.touch()
    elif kind == "cut off":
        pq.write_table(whole, path)
        path.write_bytes(path.read_bytes()[:-20])
    elif kind == "not UTF-8":
        raw = pa.array([b"\xff\xfe"], pa.binary())
        content = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
        struct = pa.StructArray.from_arrays([content, content], ["role", "content"])
        rows = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), struct)
        pq.write_table(pa.table({"messages": rows}), path)
    return path


@pytest.mark.parametrize("kind", ["text", "empty", "cut off", "not UTF-8"])
def test_a_file_that_is_not_parquet_is_refused(kind: str, tmp_path: Path) -> None:
    path = damaged(kind, tmp_path / "rows.parquet")
    with pytest.raises(RowsError, match="cannot be read as parquet"):
        examine_rows("sft", path, settings("sft"), None)


@pytest.mark.parametrize("kind", ["text", "empty", "cut off"])
def test_rows_are_counted_in_parquet_alone(kind: str, tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="cannot be read as parquet"):
        count_rows(damaged(kind, tmp_path / "rows.parquet"))


def test_rows_of_no_file_are_not_counted(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="is not a file; write it by `unifer-data`"):
        count_rows(tmp_path / "rows.parquet")


def test_a_row_whose_tokens_cannot_be_counted_is_named(processor: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    Image.new("RGB", (6000, 20)).save(tmp_path / "wide.png")
    content = [{"role": "user", "content": "<image>" + "long " * 3000}]
    images = [{"image": str(tmp_path / "wide.png")}]
    pq.write_table(pa.table({"messages": [content], "images": [images]}), path)
    data = settings("sft")
    found = examine_rows("sft", path, data, Tokens("sft", processor, {}))
    (said,) = row_problems(path, found, data)
    assert "row 0: its tokens cannot be counted: absolute aspect ratio" in said
