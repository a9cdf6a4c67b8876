"""Whatever a model says, its name says or a file says is text on the page and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unifer_tasks.report.page.conftest import Browser
from tests.unifer_tasks.report.page.made_up import assessed, run
from tests.unifer_tasks.report.page.payloads import PAYLOADS
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.listed import Variant
from unifer_tasks.redaction.characters import visible
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.report.page import write_page

EVERYTHING = "".join(PAYLOADS[:-2])


def hostile_runs() -> list[Assessment]:
    """Every payload in a response, an id and a label; all of them in every other text."""
    spoken = [
        Prediction("rafdb", f"{k} {text}", "anger", said)
        for k, text in enumerate(PAYLOADS)
        for said in [response(f"{text} brows lowered {text}", "anger") + text]
    ]
    bare = [Prediction("sfew", f"{k}", "angry", label=text) for k, text in enumerate(PAYLOADS)]
    first = replace(
        run(EVERYTHING, [*spoken, *bare], stand_in=True),
        source=EVERYTHING,
        provenance={text: text for text in PAYLOADS},
        questions=dict.fromkeys(LABEL_SPACES, EVERYTHING),
        notes=PAYLOADS,
    )
    return assessed(first, run("Other", spoken), run("Other", spoken, variant=Variant(EVERYTHING)))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = hostile_runs()
    score = PublishedScore(
        EVERYTHING,
        "pooled",
        "accuracy",
        0.5,
        2,
        reader=EVERYTHING,
        prompt=EVERYTHING,
        by=EVERYTHING,
        source=EVERYTHING,
        url="https://example.org/\"'<b>",
    )
    out = tmp_path_factory.mktemp("hostile")
    return write_page(contents(runs, [score], PAYLOADS), out).path


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 50


def test_no_payload_executes_anywhere(browser: Browser, hostile: Path) -> None:
    browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": "window.hits = []; window.pwned = () => window.hits.push(1);"},
    )
    browser.open(hostile)
    assert browser.js("pwned(); return window.hits.length") == 1  # The alarm itself works.
    elements = browser.js(ELEMENTS)
    browser.driver.set_script_timeout(120)
    for run_name in (visible(EVERYTHING), "Other"):
        browser.choose("run", run_name)
        shown = browser.n_found()
        assert shown == (1 if run_name == "Other" else 2) * len(PAYLOADS)
        assert browser.driver.execute_async_script(WALK, shown - 1) == shown - 1
    assert browser.js("return window.hits.length") == 1
    assert browser.js(ELEMENTS) == elements
    assert browser.errors() == []
    assert [url for url in browser.requests() if url != hostile.as_uri()] == []
    assert browser.js("return window.origin") == "null"


# Shows one sample after the other, each until it is there.
WALK = """
const [steps, done] = arguments;
const heading = () => document.querySelector('#sample h3');
(async () => {
  let shown = 0;
  for (; shown < steps; shown++) {
    const before = heading();
    document.getElementById('next').click();
    while (heading() === before) await new Promise((later) => setTimeout(later, 1));
  }
  done(shown);
})();
"""

# What a payload would have left in the page, wherever it got in.
ELEMENTS = """
return {
  scripts: document.querySelectorAll('script:not([type])').length,
  foreign: document.querySelectorAll(
    'iframe, object, embed, base, link, video, audio, img, math, marquee, template, form[action]'
  ).length,
  styles: document.querySelectorAll('head style').length,
  styled: [...document.querySelectorAll('body [style]')]
    .filter((e) => !e.closest('#samples')).length,
  handlers: [...document.querySelectorAll('*')]
    .flatMap((e) => e.getAttributeNames()).filter((name) => name.startsWith('on')).length,
  links: [...document.querySelectorAll('a')]
    .filter((a) => !/^(#|https:)/.test(a.getAttribute('href'))).length,
};
"""


def test_what_acts_unseen_is_shown(browser: Browser, hostile: Path) -> None:
    browser.open(hostile, "#browse?run=Other")
    browser.choose("run", "Other")
    browser.choose("text", "\u202e<script>")
    browser.until("return document.querySelector('#sample .code-point')")
    assert "U+202E" in browser.texts("#sample .code-point")
    assert "\u202e" not in browser.find("#sample").text


def test_a_name_full_of_payloads_can_be_filtered_by_and_linked_to(
    browser: Browser, hostile: Path
) -> None:
    browser.open(hostile)
    browser.choose("other", "Other")
    browser.choose("pairing", "differ")
    assert browser.n_found() == 0
    assert browser.js("return Object.keys(Object.prototype)") == []


def test_the_file_is_utf8_with_no_control_in_it(hostile: Path) -> None:
    text = hostile.read_text(encoding="utf-8")
    assert "\0" not in text
    assert "\u202e" not in text
    assert "\u2028" not in text
    assert text.count("<script>") == 1
