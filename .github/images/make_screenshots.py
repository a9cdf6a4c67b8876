"""Makes the README's screenshots of a report: `python .github/images/make_screenshots.py`.

The faces are synthetic and the predictions are made up, of models that do not exist: what is
seen is the page, no result. Needs Debian's `chromium` and `chromium-driver`, and selenium.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from unifer_tasks.protocol.action_units import AU_SIGNS, PROTOTYPES
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES, canonical
from unifer_tasks.protocol.prompts import response

HERE = Path(__file__).parent
SKILLS: Mapping[str, float] = {"Fictitious-72B": 0.74, "Fictitious-7B": 0.62, "Imaginary-3B": 0.5}
WIDTH, HEIGHT, ZOOM = 1280, 1000, 1.5
COLORS = 256

# What people and models mistake an expression for.
_MISTAKEN = {
    "anger": ("disgust", "neutral"),
    "contempt": ("neutral", "happiness"),
    "disgust": ("anger", "sadness"),
    "fear": ("surprise", "surprise"),
    "happiness": ("neutral", "surprise"),
    "neutral": ("sadness", "contempt"),
    "sadness": ("neutral", "fear"),
    "surprise": ("fear", "happiness"),
}
_OPENINGS = (
    "I look at the face from the brows to the jaw.",
    "The person faces the camera and the light is even.",
    "The most telling parts are the brows and the mouth.",
)
_DENIALS = {
    12: "There is no smile.",
    4: "The brows are not lowered.",
    26: "The jaw is not dropped.",
}


def main() -> None:
    """Draws, makes up, reports and photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, default=10, help="faces for each label")
    args = parser.parse_args()
    commands = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data, out = root / "stand-in", root / "report"
        drawn = [commands / "unifer-data", "drawn", "--out", data, "--per-class", args.per_class]
        subprocess.run(list(map(str, drawn)), check=True)
        runs = [f"{name}={_write_predictions(root, data, name)}" for name in SKILLS]
        report = [commands / "ferbench", "report", *runs, "--data", data, "--out", out]
        subprocess.run(list(map(str, report)), check=True)
        _photograph(out / "index.html")


def _write_predictions(root: Path, data: Path, name: str) -> Path:
    path = root / f"{name}.jsonl"
    rng = random.Random(name)
    with path.open("w", encoding="utf-8") as file:
        for dataset in FERBENCH:
            table = pq.read_table(data / dataset / "test.parquet", columns=["id", "target"])
            for row in table.to_pylist():
                said = _made_up(rng, dataset, row["target"], SKILLS[name])
                file.write(json.dumps({"dataset": dataset, **row, "response": said}) + "\n")
    return path


def _made_up(rng: random.Random, dataset: str, target: str, skill: float) -> str:
    names = {canonical(label): label for label in LABEL_SPACES[dataset].labels}
    expression = canonical(target)
    if rng.random() > skill:
        expression = rng.choice([label for label in _MISTAKEN[expression] if label in names])
    text = " ".join(_sentences(rng, expression))
    accident = rng.random()
    if accident < 0.02:
        return f"<think>{text}"
    if accident < 0.05:
        return response(text, f"{names[expression]} or {rng.choice(list(names.values()))}")
    return response(text, names[expression])


def _sentences(rng: random.Random, expression: str) -> Iterator[str]:
    units = [unit for unit in PROTOTYPES[expression] if rng.random() < 0.85]
    yield rng.choice(_OPENINGS)
    for unit in units:
        part, movement = AU_SIGNS[unit].split(" ", 1)
        yield f"I see {part} {movement}."
    if not units:
        yield "The brows are relaxed and the mouth is closed."
    if denied := [unit for unit in _DENIALS if unit not in PROTOTYPES[expression]]:
        yield _DENIALS[rng.choice(denied)]
    yield f"Together this is most like {expression}."


def _photograph(page: Path) -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    options.add_argument(f"--window-size={WIDTH},{HEIGHT}")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        _open(driver, page)
        driver.execute_script("document.querySelector('[name=board-scope][value=pooled]').click()")
        _save(driver, "report_leaderboard.png")
        _open(driver, page, "#browse?run=Fictitious-7B&dataset=affectnet&verdict=wrong")
        driver.execute_script(
            "document.documentElement.style.scrollBehavior = 'auto';"
            "document.querySelector('.top').remove();"
            "document.getElementById('browse').scrollIntoView()"
        )
        driver.execute_script("document.getElementById('next').click()")
        _until(driver, "return document.querySelector('#sample img')?.naturalWidth > 0")
        _save(driver, "report_samples.png")
    finally:
        driver.quit()


def _open(driver: Any, page: Path, fragment: str = "") -> None:
    driver.get("about:blank")
    metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": ZOOM, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(page.as_uri() + fragment)
    _until(driver, "return 'ready' in document.documentElement.dataset")


def _until(driver: Any, script: str) -> None:
    deadline = time.monotonic() + 60
    while not driver.execute_script(script):
        if time.monotonic() > deadline:
            raise TimeoutError(script)
        time.sleep(0.05)
    time.sleep(0.5)


def _save(driver: Any, name: str) -> None:
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
        few = image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
        few.save(HERE / name, optimize=True)
    print(HERE / name, (HERE / name).stat().st_size)


if __name__ == "__main__":
    main()
