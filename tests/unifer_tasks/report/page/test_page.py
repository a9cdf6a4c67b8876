"""The page, in headless Chromium."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unifer_tasks.report.page.conftest import Browser
from tests.unifer_tasks.report.page.made_up import (
    LEFT_OUT,
    N_EACH,
    always,
    assessed,
    run,
    three_runs,
    write_data,
)
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import assess
from unifer_tasks.report.figures.contents import Contents
from unifer_tasks.report.figures.tables import Section, Table
from unifer_tasks.report.page import write_page
from unifer_tasks.report.page.page import breakable

N = 2 * N_EACH
RIGHT_BY_SMILING = 39


def measured(found: Sequence[Section]) -> Contents:
    """Return a report of one run with these sections."""
    report = contents([assess(run("Model", always("sadness", 7)))])
    return replace(report, sections=found)


def test_it_loads_without_an_error_and_asks_for_nothing(opened: Browser) -> None:
    opened.until("const i = document.querySelector('#sample .no-image'); return i")
    assert opened.errors() == []
    assert [url for url in opened.requests() if not url.startswith("file:")] == []
    names = "return performance.getEntriesByType('resource').map((e) => e.name)"
    assert opened.js(names) == []


def test_what_must_not_be_overlooked_is_at_the_top(opened: Browser) -> None:
    warning = opened.find(".warning").text
    assert "Mind the gap." in warning
    assert "Incomplete: 3 of 3 runs" in warning
    badges = opened.texts("[data-panel='strict overview'] tbody:first-of-type .badge")
    assert badges.count("stand-in faces") == 2
    assert len([badge for badge in badges if badge.startswith("incomplete")]) == 3


def board(browser: Browser, body: str = "first") -> list[str]:
    return browser.texts(f"[data-panel='strict pooled'] tbody:{body}-of-type th bdi")


def test_a_click_sorts_and_a_second_one_turns_it_round(opened: Browser) -> None:
    opened.find("[name='board-scope'][value='pooled']").click()
    opened.until("return !document.querySelector(\"[data-panel='strict pooled']\").hidden")
    heading = "[data-panel='strict pooled'] thead th:first-child"
    orders = {
        "ascending": ["Oracle", "Smiler", "Smiler (direct)"],
        "descending": ["Smiler (direct)", "Smiler", "Oracle"],
    }
    for order, titles in orders.items():
        opened.find(f"{heading} button").click()
        assert opened.find(heading).get_attribute("aria-sort") == order
        assert board(opened) == titles
        assert board(opened, "last") == ["UniFER-7B"]
    sorted_by = "[data-panel='strict pooled'] th[aria-sort]"
    assert len(opened.texts(sorted_by)) == 1


def test_numbers_sort_as_numbers_by_keyboard(opened: Browser) -> None:
    opened.js("document.querySelector(\"[name='board-scope'][value='pooled']\").click()")
    column = "[data-panel='strict pooled'] thead th:nth-child(2)"
    opened.js("document.querySelector(arguments[0]).focus()", f"{column} button")
    opened.press("\ue007")
    values = opened.js(
        "return [...document.querySelectorAll(\"[data-panel='strict pooled'] tbody:first-of-type "
        'td:nth-child(2)")].map((cell) => Number(cell.dataset.value))'
    )
    assert opened.find(column).get_attribute("aria-sort") == "ascending"
    assert values == sorted(values)


def test_the_other_reader_and_each_scope_have_their_board(opened: Browser) -> None:
    for reader in ("strict", "upstream"):
        for scope in ("overview", "pooled", "mean", "rafdb", "sfew"):
            for name, value in (("reader", reader), ("scope", scope)):
                opened.js(
                    "document.querySelector(arguments[0]).click()",
                    f"[name='board-{name}'][value='{value}']",
                )
            seen = "return [...document.querySelectorAll('#boards > :not([hidden])')]"
            (panel,) = opened.js(f"{seen}.map((panel) => panel.dataset.panel)")
            assert panel == f"{reader} {scope}"


def test_dark_and_light(opened: Browser) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = opened.js(paper)
    button = opened.find("#theme")
    button.click()
    assert button.text == "Light"
    dark = opened.js(paper)
    assert brightness(dark) < 60 < 200 < brightness(light)
    button.click()
    assert (button.text, opened.js(paper)) == ("Dark", light)
    feature = {"name": "prefers-color-scheme", "value": "dark"}
    opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        opened.js("delete document.documentElement.dataset.theme")
        assert opened.js(paper) == dark
    finally:
        opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def brightness(color: str) -> float:
    return sum(map(float, re.findall(r"[\d.]+", color)[:3])) / 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(opened: Browser, theme: str) -> None:
    """4.5 to 1, or 3 to 1 for large text, against the nearest background that is painted."""
    opened.js("document.documentElement.dataset.theme = arguments[0]", theme)
    assert opened.js(CONTRASTS) == []


CONTRASTS = """
const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
  .getContext('2d', { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = (color) => rgba(color).slice(0, 3).map((v) => v / 255)
  .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
const poor = [];
for (const element of document.querySelectorAll('body *')) {
  const said = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!said || !element.checkVisibility() || element.closest('select:disabled, svg, script')) continue;
  if (element.closest('.unseen, .arrow')) continue;
  let painted = element;
  while (painted !== document.documentElement && rgba(getComputedStyle(painted).backgroundColor)[3] < 255) {
    painted = painted.parentElement;
  }
  const style = getComputedStyle(element);
  const [a, b] = [luminance(style.color), luminance(getComputedStyle(painted).backgroundColor)];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) {
    poor.push(`${element.tagName}.${element.className} ${element.textContent.slice(0, 30)} ${ratio}`);
  }
}
return poor;
"""  # noqa: E501


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_but_tables_scrolls_sideways(browser: Browser, page: Path, width: int) -> None:
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.open(page)
        assert browser.js("return document.documentElement.scrollWidth") <= width
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("n", "has_index"), [(1, False), (2, False), (3, True), (12, True)])
def test_the_navigation_fits_whatever_wasmeasured(
    browser: Browser, tmp_path: Path, n: int, has_index: bool
) -> None:
    table = Table(("model", "figure"), (("Model", 1),))
    found = [Section(f"s{k}", f"A measure with the number {k}", "Text.", table) for k in range(n)]
    page = write_page(measured(found), tmp_path)
    browser.open(page.path)
    if has_index:
        fits = "const n = document.querySelector('.top nav'); return n.scrollWidth <= n.clientWidth"
        assert browser.js(fits)
    linked = "#measured a" if has_index else "nav a"
    assert {section.title for section in found} <= {*browser.texts(linked)}
    assert ("Measures" in browser.texts("nav a")) is has_index


@pytest.mark.parametrize(
    ("width", "media", "figures_first"),
    [(390, "screen", True), (1280, "screen", False), (390, "print", False)],
)
def test_a_phone_shows_figures_before_a_long_text(
    browser: Browser, tmp_path: Path, width: int, media: str, figures_first: bool
) -> None:
    table = Table(("model", "figure"), (("Model", 1),))
    found = [Section("s", "A measure", "A long sentence on it. " * 60, table)]
    page = write_page(measured(found), tmp_path)
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
    try:
        browser.open(page.path)
        title, text, figures = (
            browser.js("return document.querySelector(arguments[0]).getBoundingClientRect().top", f)
            for f in ("#s h2", "#s .about", "#s table")
        )
        assert (figures < text) is figures_first
        assert not figures_first or figures - title < 200
        assert browser.find("#s .about").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_structure_for_those_who_do_not_see_it(opened: Browser) -> None:
    assert opened.js("return document.documentElement.lang") == "en"
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert len(opened.driver.find_elements("css selector", landmark)) == 1
    unnamed = opened.js(
        """
        const named = (e) => e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label');
        return [...document.querySelectorAll('input, select, button, table, [role=region], img')]
          .filter((e) => !(e.tagName === 'TABLE' ? e.caption : e.tagName === 'IMG' ? e.alt : named(e)))
          .map((e) => e.outerHTML)
        """  # noqa: E501
    )
    assert unnamed == []
    assert opened.js("return [...document.querySelectorAll('th:not([scope])')].length") == 0
    ids = opened.js("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_the_skip_link_is_first_and_focus_is_seen(opened: Browser) -> None:
    opened.press("\ue004")
    focused = opened.driver.switch_to.active_element
    assert focused.text == "Skip to the figures"
    assert focused.rect["y"] >= 0
    assert opened.js("return getComputedStyle(document.activeElement).outlineWidth") == "3px"
    opened.press("\ue007")
    assert opened.js("return document.activeElement.id") == "main"


def test_the_close_up_follows_its_choice(opened: Browser) -> None:
    cells = opened.texts("#confusion tbody tr:first-child td")
    assert cells[-1] == "40"
    opened.js("document.querySelector(\"[name='view'][value='counts']\").click()")
    counts = [
        int(text.replace(",", "")) for text in opened.texts("#confusion tbody td:not(.total)")
    ]
    assert sum(counts) == N
    opened.js(
        "const f = document.getElementById('closeup-choice'); f.elements.run.value = 'Smiler';"
        "f.elements.scope.value = 'rafdb'; f.dispatchEvent(new Event('change'))"
    )
    assert opened.texts("#confusion thead th")[1] == "surprise"
    predicted = opened.texts("#prior tbody tr:nth-child(4) td")
    assert predicted[1] == "100.0 %"
    opened.js("document.getElementById('closeup-choice').elements.scope.value = 'affectnet'")
    opened.js("document.getElementById('closeup-choice').dispatchEvent(new Event('change'))")
    assert opened.find("#closeup-missing").is_displayed()


def test_a_cell_of_the_confusions_leads_to_its_samples(opened: Browser) -> None:
    opened.js("document.querySelector(\"[name='view'][value='counts']\").click()")
    cell = opened.find("#confusion td.hit a")
    expected = int(cell.text)
    opened.js("arguments[0].click()", cell)
    opened.until(
        "return document.getElementById('browser-status').textContent.startsWith(arguments[0])",
        f"{expected} of ",
    )
    assert opened.js("return document.getElementById('filters').elements.label.value") == "anger"


FILTERS = [
    ({}, N),
    ({"dataset": "sfew"}, N_EACH),
    ({"label": "anger"}, 40),
    ({"answer": "none"}, 2),
    ({"outcome": "truncated"}, 1),
    ({"outcome": "request-failed"}, 1),
    ({"verdict": "right"}, N - 2),
    ({"verdict": "wrong"}, 2),
    ({"dataset": "rafdb", "verdict": "wrong"}, 2),
    ({"dataset": "sfew", "verdict": "wrong"}, 0),
    ({"run": "Smiler"}, N - LEFT_OUT),
    ({"run": "Smiler", "verdict": "right"}, RIGHT_BY_SMILING),
    ({"run": "Smiler", "other": "Smiler (direct)", "pairing": "differ"}, N - LEFT_OUT),
    ({"run": "Smiler", "other": "Oracle", "pairing": "gained"}, 0),
    ({"run": "Smiler", "other": "Oracle", "pairing": "lost"}, N - LEFT_OUT - 2 - RIGHT_BY_SMILING),
    ({"text": "it is SAMPLE 139."}, 2),
    ({"text": "sfew/139"}, 1),
    ({"text": "nobody says this"}, 0),
    ({"text": "sample 1", "dataset": "rafdb"}, 50),
]


def test_each_filter_counts_what_it_should(opened: Browser) -> None:
    found = []
    for filters, _ in FILTERS:
        opened.js("document.querySelector('#filters [type=reset]').click()")
        opened.until(
            "return document.getElementById('browser-status').textContent.startsWith(arguments[0])",
            f"{N} of {N} ",
        )
        for name, value in filters.items():
            opened.choose(name, value)
        found.append((filters, opened.n_found()))
        assert opened.find("#samples").is_displayed() == bool(opened.n_found())
    assert found == FILTERS
    assert opened.errors() == []


def sample(browser: Browser) -> str:
    return str(browser.js("return document.querySelector('#sample h3').textContent"))


def shows(browser: Browser, title: str) -> None:
    browser.until(
        "return document.querySelector('#sample h3')?.textContent === arguments[0]", title
    )


def test_the_arrow_keys_walk_through_the_list(opened: Browser) -> None:
    shows(opened, "RAF-DB rafdb/000.png")
    opened.js("document.getElementById('samples').focus()")
    steps = {
        "\ue015": "RAF-DB rafdb/001.png",  # Down.
        "\ue010": "SFEW 2.0 sfew/139.png",  # End.
        "\ue013": "SFEW 2.0 sfew/138.png",  # Up.
        "\ue011": "RAF-DB rafdb/000.png",  # Home.
        "j": "RAF-DB rafdb/001.png",
        "k": "RAF-DB rafdb/000.png",
    }
    for key, title in steps.items():
        opened.press(key)
        shows(opened, title)
    active = opened.js(
        "const box = document.getElementById('samples');"
        "return document.getElementById(box.getAttribute('aria-activedescendant'))"
        ".getAttribute('aria-selected')"
    )
    assert active == "true"


def test_next_and_previous_and_letters_in_a_field_do_not_move(opened: Browser) -> None:
    opened.js("document.getElementById('next').click()")
    shows(opened, "RAF-DB rafdb/001.png")
    opened.js("document.getElementById('previous').click()")
    shows(opened, "RAF-DB rafdb/000.png")
    opened.js("document.querySelector('[name=text]').focus()")
    opened.press("j")
    shows(opened, "RAF-DB rafdb/000.png")


def test_only_the_rows_in_view_exist(opened: Browser) -> None:
    assert len(opened.driver.find_elements("css selector", "[role=option]")) < 40
    opened.js("document.getElementById('samples').scrollTop = 8000")
    opened.until("return document.querySelector('[aria-posinset=\"185\"]')")
    assert len(opened.driver.find_elements("css selector", "[role=option]")) < 40


def test_a_sample_shows_response_cues_answer_and_image(browser: Browser, page: Path) -> None:
    browser.open(page, "#browse?run=Smiler&sample=sfew:sfew/004.png")
    shows(browser, "SFEW 2.0 sfew/004.png")
    assert browser.texts("#sample .response mark:not(.denied)") == [
        "lip corners are pulled up",
        "cheeks are raised",
    ]
    assert browser.texts("#sample .response mark.denied") == ["furrowed brow"]
    assert "AU 12 lip corner puller" in browser.texts("#sample .cues")[0]
    assert "AU 4 brow lowerer" in browser.texts("#sample .cues")[0]
    facts = dict(zip(browser.texts("#sample dt"), browser.texts("#sample dd"), strict=True))
    assert facts == {
        "Truth": "neutral",
        "Answer": "✗ happiness, wrong",
        "Outcome": "answered",
        "Rationale argues for": "happiness",
    }
    assert "<answer>happy</answer>" in browser.texts("#sample .response")[0]
    assert "candidate labels: angry, disgust" in browser.texts("#sample .question")[0]
    assert browser.texts("#sample .answers li") == [
        "Oracle ✓ neutral, right",
        "Smiler ✗ happiness, wrong",
        "Smiler (direct) ✗ sadness, wrong",
    ]
    browser.until("return document.querySelector('#sample img').naturalWidth === 168")
    assert browser.errors() == []


@pytest.mark.parametrize(
    ("sample_id", "said"),
    [
        ("rafdb:rafdb/000.png", "There is no well-formed rationale."),
        ("rafdb:rafdb/001.png", "No response was received."),
        ("rafdb:rafdb/002.png", "Only a label was given: disgust"),
        ("sfew:sfew/139.png", "No image of this id in the data"),
    ],
)
def test_what_is_absent_is_said(browser: Browser, page: Path, sample_id: str, said: str) -> None:
    browser.open(page, f"#browse?run=Oracle&sample={sample_id}")
    browser.until(
        "return document.getElementById('sample').textContent.includes(arguments[0])", said
    )


def test_the_address_names_filters_and_sample(opened: Browser, page: Path) -> None:
    assert opened.js("return location.hash") == ""
    for name, value in {"run": "Smiler (direct)", "dataset": "sfew", "verdict": "right"}.items():
        opened.choose(name, value)
    opened.js("document.getElementById('next').click()")
    shows(opened, "SFEW 2.0 sfew/012.png")
    title = sample(opened)
    opened.until("return location.hash.endsWith('012.png')")
    found, fragment = opened.n_found(), opened.js("return location.hash")
    opened.open(page, fragment)
    shows(opened, title)
    assert opened.n_found() == found


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("run=Oracle&sample=sfew:sfew/999.png", "“sfew:sfew/999.png”, which this page does not"),
        ("run=Smiler&sample=sfew:sfew/139.png", "which this run does not hold"),
        ("run=Oracle&sample=sfew:sfew/004.png&label=fear", "its filters leave out"),
        ("run=Nobody", "asks for the run “Nobody”"),
        ("run=Oracle&dataset=imagenet", "asks for the dataset “imagenet”"),
    ],
)
def test_an_address_of_nothing_shows_no_other_sample(
    browser: Browser, page: Path, fragment: str, said: str
) -> None:
    browser.open(page, f"#browse?{fragment}")
    text = browser.find("#sample").text
    assert said in text
    assert "Truth" not in text
    assert browser.texts("[role=option][aria-selected=true]") == []
    browser.js("document.getElementById('next').click()")
    browser.until("return document.querySelector('#sample h3')")


def test_an_address_names_scope_reader_and_order(opened: Browser, page: Path) -> None:
    for choice in ("[name=board-reader][value=upstream]", "[name=board-scope][value=sfew]"):
        opened.js("document.querySelector(arguments[0]).click()", choice)
    heading = "[data-panel='upstream sfew'] thead th:nth-child(3)"
    for _ in range(2):
        opened.js("document.querySelector(arguments[0]).click()", f"{heading} button")
    fragment = opened.js("return location.hash")
    order = opened.find(heading).get_attribute("aria-sort")
    assert order == "ascending"
    assert "board-reader=upstream&board-scope=sfew" in fragment
    shown = opened.texts("[data-panel='upstream sfew'] tbody:first-of-type th bdi")
    opened.open(page, fragment)
    assert opened.find("[data-panel='upstream sfew']").is_displayed()
    assert opened.find(heading).get_attribute("aria-sort") == order
    assert opened.texts("[data-panel='upstream sfew'] tbody:first-of-type th bdi") == shown
    assert opened.js("return location.hash") == fragment
    opened.open(page, "#leaderboard?board-scope=nowhere&sort=UAR&order=sideways&table=-1")
    assert opened.find("[data-panel='strict overview']").is_displayed()
    assert opened.errors() == []


@pytest.mark.parametrize(("width", "hinted"), [(390, True), (1280, False)])
def test_what_scrolls_sideways_says_so(
    browser: Browser, page: Path, width: int, hinted: bool
) -> None:
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.open(page)
        assert browser.find("#boards .more").is_displayed() is hinted
        box = "document.querySelector('#boards .scroll')"
        assert browser.js(f"return {box}.classList.contains('more-right')") is hinted
        browser.js(f"{box}.scrollLeft = 9999")
        browser.until(f"return !{box}.classList.contains('more-right')")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("width", "n_figures"), [(390, 1), (390, 12), (1280, 1), (1280, 30)])
def test_the_head_of_a_long_table_stays_in_sight(
    browser: Browser, tmp_path: Path, width: int, n_figures: int
) -> None:
    rows = tuple((f"Model {row}", *range(row, row + n_figures)) for row in range(60))
    columns = ("model", *(f"figure {number}" for number in range(n_figures)))
    found = [Section("s", "A measure", "Text.", Table(columns, rows))]
    page = write_page(measured(found), tmp_path)
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.open(page.path)
        bar, head = browser.js(
            """
            document.documentElement.style.scrollBehavior = 'auto';
            document.querySelector('#s tbody tr:nth-child(30)').scrollIntoView();
            const box = (selector) => document.querySelector(selector).getBoundingClientRect();
            return [box('.top').bottom, box('#s thead th').top];
            """
        )
        # A wide table is in a box of its own, whose edge is a little below the bar.
        assert bar - 3 < head <= bar + (0 if n_figures == 1 else 30)
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_sets_no_table_over_another(opened: Browser) -> None:
    metrics = {"width": 1030, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    opened.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert opened.js(OVERPRINTS) == []
    finally:
        opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        opened.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


OVERPRINTS = """
const seen = [...document.querySelectorAll('table')].filter((table) => table.checkVisibility());
const found = [];
for (const [k, table] of seen.entries()) {
  const a = table.getBoundingClientRect();
  if (a.right > innerWidth + 1) found.push(`${table.caption.textContent} is too wide`);
  for (const other of seen.slice(k + 1)) {
    const b = other.getBoundingClientRect();
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) {
      found.push(`${table.caption.textContent} and ${other.caption.textContent}`);
    }
  }
}
return found;
"""  # noqa: E501


def test_a_pair_leads_to_the_samples_that_flipped(opened: Browser) -> None:
    link = opened.find("#pairwise [data-panel='pooled'] tbody tr td:nth-child(5) a")
    expected = int(link.text.replace(",", ""))
    opened.js("arguments[0].click()", link)
    opened.until(
        "return document.getElementById('browser-status').textContent.startsWith(arguments[0])",
        f"{expected} of ",
    )
    assert expected > 0


def test_print_shows_figures_and_hides_controls(opened: Browser) -> None:
    opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for selector in (".top", "#filters", ".samples", ".choices"):
            assert not opened.find(selector).is_displayed()
        assert opened.find("table.board").is_displayed()
    finally:
        opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert len(opened.driver.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 10_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Model", "Model"),
        ("ranked_reasoned", "ranked_<wbr>reasoned"),
        ("org/name_7b", "org/<wbr>name_<wbr>7b"),
        ("_", "_"),
        ("</bdi>_<b>", "&lt;/<wbr>bdi&gt;_<wbr>&lt;b&gt;"),
        ("\x1b_1", "U+001B_<wbr>1"),
    ],
)
def test_identifiers_may_break_between_their_words(text: str, expected: str) -> None:
    assert breakable(text) == expected


def test_print_breaks_between_the_rows_of_one_model(browser: Browser, tmp_path: Path) -> None:
    def n_pages(names: Callable[[int], str]) -> int:
        rows = tuple((names(row), f"Part {row}", row) for row in range(60))
        found = [Section("s", "A measure", "Text.", Table(("model", "part", "figure"), rows, 2))]
        browser.open(write_page(measured(found), tmp_path).path)
        pdf = b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
        return len(re.findall(rb"/Type /Page\b", pdf))

    apart = n_pages(lambda row: f"Model {row}")
    assert 1 < n_pages(lambda row: f"Model {row // 20}") <= apart


def test_embedded_images_are_shown_from_the_page_alone(browser: Browser, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 3)
    rows = [Prediction("sfew", f"sfew/{k:03d}.png", "happy", label="happy") for k in range(3)]
    page = write_page(contents(assessed(run("A", rows))), tmp_path / "out", data=data, embed=True)
    assert [path.name for path in page.path.parent.iterdir()] == ["index.html"]
    browser.open(page.path)
    browser.until("return document.querySelector('#sample img')?.naturalWidth === 168")
    assert browser.errors() == []


def test_without_data_there_is_a_placeholder(browser: Browser, tmp_path: Path) -> None:
    page = write_page(contents(three_runs(7)), tmp_path)
    assert page.missing_images == 0
    browser.open(page.path)
    browser.until("return document.querySelector('#sample .no-image')")
    assert browser.find(".no-image").text == "Images are not part of this page"
