"""One headless Chromium for all tests of the page."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unifer_tasks.report.page.made_up import N_EACH, three_runs, write_data
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.published import published_scores
from unifer_tasks.report.page import write_page

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Browser:
    """A page in Chromium."""

    driver: Any

    def open(self, page: Path, fragment: str = "") -> None:
        # A blank page first: an address that differs in its fragment alone loads nothing.
        self.driver.get("about:blank")
        self.requests()
        self.errors()
        self.driver.get(page.as_uri() + fragment)
        self.until("return 'ready' in document.documentElement.dataset")

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any) -> Any:
        """Wait until a script returns something true, and return it."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := self.js(script, *arguments)):
            assert time.monotonic() < deadline, f"{script}\n{self.errors()}"
            time.sleep(0.02)
        return value

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return list(self.js(script, selector))

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def choose(self, name: str, value: str) -> None:
        """Set a filter of the sample browser as a reader would, and wait for the result."""
        self.js(
            """
            const field = document.getElementById('filters').elements[arguments[0]];
            const status = document.getElementById('browser-status');
            status.textContent = '';
            field.value = arguments[1];
            field.dispatchEvent(new Event(arguments[0] === 'text' ? 'input' : 'change',
                                          { bubbles: true }));
            """,
            name,
            value,
        )
        self.until("return /sample/.test(document.getElementById('browser-status').textContent)")

    def n_found(self) -> int:
        status = self.find("#browser-status").text
        return int(status.split(" of ")[0].replace(",", ""))

    def errors(self) -> list[dict[str, Any]]:
        """Return the console's messages since the last call."""
        return list(self.driver.get_log("browser"))

    def requests(self) -> list[str]:
        """Return the addresses that were requested since the last call."""
        messages = (json.loads(row["message"])["message"] for row in self.log())
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def log(self) -> list[dict[str, Any]]:
        return list(self.driver.get_log("performance"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    chromium = shutil.which("chromium")
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",  # Chromium refuses to run as root with it.
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1280,900",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of three runs, with the images of one dataset beside it."""
    runs = three_runs(N_EACH)
    data = write_data(tmp_path_factory.mktemp("data"), N_EACH - 1)
    out = tmp_path_factory.mktemp("page")
    return write_page(
        contents(runs, published_scores(), ["Mind the gap.", f"An unbroken {'name' * 40}."]),
        out,
        data=data,
    ).path


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    """Open the page anew."""
    browser.open(page)
    return browser
