from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageStat

from data_prep.outputs.benchmark_folder import Row, open_build, write_dataset
from tests.unifer_tasks.report.page.made_up import assessed, run, write_data
from unifer_tasks.data.annotations import Annotations
from unifer_tasks.data.manifest import DataError, Manifest
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.images import IMAGE_SIZE
from unifer_tasks.protocol.variants.corruptions import condition_of, corrupt, seed_of
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.report.build import contents
from unifer_tasks.report.page import write_page
from unifer_tasks.report.page.pictures import (
    CHUNK,
    SIDE,
    embedded,
    gallery,
    thumbnail,
    view_of,
    write_pictures,
)

N = 70
WANTED = {"sfew": [f"sfew/{k:03d}.png" for k in (0, 1, 3, CHUNK + 2)] + ["sfew/none.png"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), N, damaged=[3])


def test_only_the_images_that_are_shown_are_written_and_the_damaged_told(
    data: Path, tmp_path: Path
) -> None:
    found = gallery(data, WANTED)
    assert write_pictures(found, tmp_path) == ["sfew sfew/003.png"]
    folder = tmp_path / found.folders["sfew"]
    assert sorted(path.name for path in folder.iterdir()) == ["00000.jpg", "00001.jpg", "00066.jpg"]
    with Image.open(folder / "00066.jpg") as image:
        assert image.format == "JPEG"
        assert max(image.size) == SIDE


CORRUPTED = VARIANTS["corrupted"]


def test_a_run_on_corrupted_images_has_them_as_the_model_saw_them(
    data: Path, tmp_path: Path
) -> None:
    clean, corrupted = view_of("sfew"), view_of("sfew", CORRUPTED)
    found = gallery(data, {clean: WANTED["sfew"], corrupted: WANTED["sfew"][:3]})
    told = write_pictures(found, tmp_path)
    assert {*told} == {"sfew sfew/003.png"}
    folders = [tmp_path / found.folders[view] for view in (clean, corrupted)]
    assert [len([*folder.iterdir()]) for folder in folders] == [3, 2]
    for row in (0, 1):
        clean_image, image = (Image.open(folder / f"{row:05d}.jpg") for folder in folders)
        condition = condition_of("sfew", f"sfew/{row:03d}.png", CORRUPTED.corrupts)
        expected = corrupt(clean_image, condition, seed_of("sfew", f"sfew/{row:03d}.png"))
        assert image.size == IMAGE_SIZE
        assert ImageStat.Stat(ImageChops.difference(image, expected)).rms[0] < 20
    ((_, chunk),) = embedded(found, corrupted, told)
    assert [place for place, jpeg in enumerate(chunk) if jpeg] == [0, 1]
    assert base64.b64decode(chunk[1] or "") == (folders[1] / "00001.jpg").read_bytes()


def test_landmarks_of_the_data_are_where_a_mask_goes(tmp_path: Path) -> None:
    ids = [f"sfew/{k:03d}.png" for k in range(40)]
    masked = [id_ for id_ in ids if condition_of("sfew", id_, CORRUPTED.corrupts).kind == "mask"]
    white = io.BytesIO()
    Image.new("RGB", (100, 100), "white").save(white, "PNG")
    aside = (80.0, 20.0, 90.0, 20.0, 85.0, 25.0, 82.0, 30.0, 88.0, 30.0)
    rows = [Row(id_, white.getvalue(), "sad", Annotations(landmarks=aside)) for id_ in masked]
    manifest = open_build(tmp_path / "data", Manifest("faces", False, {}, {}))
    write_dataset(tmp_path / "data", manifest, "sfew", rows, ["landmarks"])
    found = gallery(tmp_path / "data", {view_of("sfew", CORRUPTED): masked})
    write_pictures(found, tmp_path)
    for path in (tmp_path / found.folders[view_of("sfew", CORRUPTED)]).iterdir():
        with Image.open(path) as image:
            drawn_at = np.argwhere(np.asarray(image.convert("L")) < 245)
        (_, left), (bottom, _) = drawn_at.min(axis=0), drawn_at.max(axis=0)
        assert left > 224 * 0.7
        assert bottom < 224 * 0.5


def test_a_second_call_resumes_where_the_first_was_killed(data: Path, tmp_path: Path) -> None:
    found = gallery(data, WANTED)
    write_pictures(found, tmp_path)
    folder = tmp_path / found.folders["sfew"]
    (folder / "00001.jpg").unlink()
    (folder / "00000.jpg").write_bytes(b"stays")
    write_pictures(found, tmp_path)
    assert (folder / "00000.jpg").read_bytes() == b"stays"
    assert (folder / "00001.jpg").exists()


def test_embedded_images_lie_at_their_rows(data: Path) -> None:
    unreadable: list[str] = []
    chunks = dict(embedded(gallery(data, WANTED), "sfew", unreadable))
    assert unreadable == ["sfew sfew/003.png"]
    assert set(chunks) == {0, 1}
    shown = [
        (number, row) for number, chunk in chunks.items() for row, jpeg in enumerate(chunk) if jpeg
    ]
    assert shown == [(0, 0), (0, 1), (1, 2)]
    jpeg = chunks[1][2]
    assert jpeg is not None
    with Image.open(io.BytesIO(base64.b64decode(jpeg))) as image:
        assert image.format == "JPEG"


def test_small_images_keep_their_size_and_metadata_goes() -> None:
    image = Image.new("RGB", (40, 20), "teal")
    exif = image.getexif()
    exif[0x0112] = 6  # Lies on its side.
    exif[0x010E] = "a secret"
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", exif=exif)
    written = thumbnail(encoded.getvalue())
    with Image.open(io.BytesIO(written)) as small:
        assert small.size == (20, 40)
        assert not small.getexif()


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        (Image.new("I;16", (8, 8), 128 * 257), (128, 128, 128)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), (255, 255, 255)),
    ],
    ids=["gray of 16 bits", "transparent"],
)
def test_a_picture_is_what_the_model_was_shown(
    image: Image.Image, shown: tuple[int, int, int]
) -> None:
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    with Image.open(io.BytesIO(thumbnail(encoded.getvalue()))) as small:
        assert small.getpixel((4, 4)) == shown


@pytest.mark.parametrize(
    "encoded", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n", b"GIF89a"]
)
def test_what_is_no_image_is_an_oserror(encoded: bytes) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - Pillow's own message
        thumbnail(encoded)


@pytest.mark.parametrize("embed", [False, True])
def test_images_that_the_data_lacks_are_counted(data: Path, tmp_path: Path, embed: bool) -> None:
    rows = [Prediction("sfew", id_, "happy", label="happy") for id_ in WANTED["sfew"]]
    done = write_page(contents(assessed(run("A", rows))), tmp_path, data=data, embed=embed)
    assert done.missing_images == 1
    assert done.unreadable_images == ("sfew sfew/003.png",)


def test_a_folder_that_is_no_benchmark_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    rows = [Prediction("sfew", "a", "happy", label="happy")]
    with pytest.raises(DataError):
        write_page(contents(assessed(run("A", rows))), tmp_path / "out", data=tmp_path)
    assert not (tmp_path / "out").exists()
